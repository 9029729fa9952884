"""Languages: how one is chosen, and that every catalogue is complete and fit to be shown."""

import tomllib
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.support import Translations

import config
from app.core.i18n import (
    LOCALES,
    Fault,
    catalogue_faults,
    choose_language,
    compile_catalogues,
    is_language,
    locale_for,
    read_catalogue,
)

FOLDER = config.ROOT / "translations"
HEADER = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n'
KEYWORDS = {
    "_": None,
    "N_": None,
    "gettext": None,
    "lazy_gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
}


def catalogue(folder: Path, entries: str, *, header: str = HEADER) -> Path:
    path = folder / "vi" / "LC_MESSAGES" / "messages.po"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{header}\n{entries}", "utf-8")
    return path


def faults(folder: Path) -> list[tuple[Fault, str]]:
    return [(fault.fault, fault.message) for fault in catalogue_faults(folder)]


@pytest.mark.parametrize(
    ("chosen", "wish", "language"),
    [
        ("en-US", "vi", "en-US"),
        (None, "vi", "vi-VN"),
        (None, "en", "en-US"),
        (None, "en-GB,en;q=0.9,vi;q=0.8", "en-US"),
        (None, "fr, en;q=0.4, vi;q=0.6", "vi-VN"),
        (None, "fr-FR", "vi-VN"),
        (None, "en;q=0, *;q=0.1", "vi-VN"),
        (None, None, "vi-VN"),
        (None, "", "vi-VN"),
        (None, ";;q=,,=\x00", "vi-VN"),
        ("../../etc", "en", "en-US"),
        ("en-us", None, "vi-VN"),
    ],
)
def test_choice_goes_before_the_browsers_wish_before_the_default(chosen, wish, language):
    assert choose_language(chosen=chosen, accept_language=wish, default="vi-VN") == language


def test_tags_are_exact():
    assert locale_for("vi-VN").locale.territory == "VN"
    assert not is_language("vi")
    assert not is_language(None)
    with pytest.raises(KeyError):
        locale_for("fr-FR")


def test_source_language_has_no_catalogue_and_the_others_one_each():
    assert [row.tag for row in LOCALES if row.catalogue is None] == ["en-US"]
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir()}
    assert folders == {row.catalogue for row in LOCALES if row.catalogue}


def test_catalogues_are_complete_without_fuzzy_and_with_equal_placeholders():
    assert [str(fault) for fault in catalogue_faults(FOLDER)] == []


def test_catalogues_hold_exactly_the_messages_of_the_program():
    """Fails after a text was added or changed: run `make translate`, then translate it."""
    mappings = tomllib.loads((config.ROOT / "pyproject.toml").read_text())["tool"]["babel"]
    methods = [(row["pattern"], row["method"]) for row in mappings["mappings"]]
    options = {row["pattern"]: row for row in mappings["mappings"]}
    found = {
        message if isinstance(message, str) else message[0]
        for top in ("app", "templates")
        for _, _, message, _, _ in extract_from_dir(
            config.ROOT / top,
            [(pattern.removeprefix(f"{top}/"), method) for pattern, method in methods],
            {pattern.removeprefix(f"{top}/"): row for pattern, row in options.items()},
            keywords=KEYWORDS,
        )
    }
    known = {
        message.id if isinstance(message.id, str) else message.id[0]
        for message in read_catalogue(FOLDER / "vi/LC_MESSAGES/messages.po")
        if message.id
    }
    assert {"not in the catalogue": found - known, "no longer used": known - found} == {
        "not in the catalogue": set(),
        "no longer used": set(),
    }


def test_missing_fuzzy_and_odd_placeholders_are_found(tmp_path):
    catalogue(
        tmp_path,
        'msgid "Good"\nmsgstr "Tốt"\n\n'
        'msgid "Empty"\nmsgstr ""\n\n'
        '#, fuzzy\nmsgid "Guessed"\nmsgstr "Đoán"\n\n'
        'msgid "Hello %(name)s"\nmsgstr "Chào %(ten)s"\n\n'
        'msgid "%(num)s key"\nmsgid_plural "%(num)s keys"\nmsgstr[0] "%(num)s khóa"\n\n'
        'msgid "%(num)s call"\nmsgid_plural "%(num)s calls"\nmsgstr[0] ""\n',
    )
    assert faults(tmp_path) == [
        (Fault.MISSING, "Empty"),
        (Fault.FUZZY, "Guessed"),
        (Fault.PLACEHOLDERS, "Hello %(name)s"),
        (Fault.MISSING, "%(num)s call"),
    ]


def test_fuzzy_header_and_absent_catalogue_are_found(tmp_path):
    assert faults(tmp_path) == [(Fault.NO_CATALOGUE, "messages.po")]
    catalogue(tmp_path, "", header=f"#, fuzzy\n{HEADER}")
    assert faults(tmp_path) == [(Fault.FUZZY, "the header")]


def test_stale_catalogue_is_built_once_and_leaves_nothing_beside_it(tmp_path):
    path = catalogue(tmp_path, 'msgid "Good"\nmsgstr "Tốt"\n')
    assert compile_catalogues(tmp_path) == [path.with_suffix(".mo")]
    assert compile_catalogues(tmp_path) == []
    assert Translations.load(str(tmp_path), ["vi_VN"]).gettext("Good") == "Tốt"
    catalogue(tmp_path, 'msgid "Good"\nmsgstr "Hay"\n')
    assert len(compile_catalogues(tmp_path)) == 1
    assert sorted(file.name for file in path.parent.iterdir()) == ["messages.mo", "messages.po"]
