"""The README's table of boot settings is the one in ``config.py``."""

import re

import config

_ROW = re.compile(r"^\| *`([A-Z][A-Z0-9_]*)` *\|", re.MULTILINE)


def test_readme_documents_every_boot_setting_and_no_other() -> None:
    readme = (config.ROOT / "README.md").read_text(encoding="utf-8")
    documented = _ROW.findall(readme)
    assert len(documented) == len(set(documented)), "a setting is documented once"
    assert set(documented) == {row.name for row in config.BOOT_SETTINGS}
