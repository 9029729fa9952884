"""The language of a request, and of links; what is said outside any request."""

import threading

import pytest
from flask import Flask, g, url_for
from flask_babel import gettext

import config
from app.core.i18n import LOCALES, in_language
from app.web.languages import LANGUAGE_COOKIE, bind_languages, current_language

CONTACT = {"vi-VN": "Liên hệ", "en-US": "Contact"}


@pytest.fixture
def site(tmp_path) -> Flask:
    """A bare app with one public page, one personal page and our languages."""
    site = Flask("site", root_path=str(config.ROOT))
    site.config.update(APP_ENV="production", DEFAULT_LANGUAGE="vi-VN", TESTING=True)
    bind_languages(site)

    def page() -> str:
        return f"{current_language().tag} {gettext('Contact')} {url_for('contact')}"

    site.add_url_rule("/<language:language>/contact", "contact", page)
    site.add_url_rule("/account", "account", page)
    return site


@pytest.mark.parametrize("tag", [row.tag for row in LOCALES])
def test_language_in_the_address_wins_and_links_keep_it(site, tag):
    client = site.test_client()
    client.set_cookie(LANGUAGE_COOKIE, "vi-VN" if tag == "en-US" else "en-US")
    assert client.get(f"/{tag}/contact").text == f"{tag} {CONTACT[tag]} /{tag}/contact"


def test_unknown_language_is_no_page(site):
    assert site.test_client().get("/fr-FR/contact").status_code == 404
    assert site.test_client().get("/vi/contact").status_code == 404


def test_personal_page_follows_cookie_then_browser_then_default(site):
    client = site.test_client()
    assert client.get("/account").text.startswith("vi-VN")
    english = {"Accept-Language": "en-GB"}
    assert client.get("/account", headers=english).text == "en-US Contact /en-US/contact"
    client.set_cookie(LANGUAGE_COOKIE, "vi-VN")
    assert client.get("/account", headers=english).text.startswith("vi-VN")


def test_block_in_another_language_leaves_the_request_as_it_was(site):
    with site.test_request_context("/en-US/contact"):
        site.preprocess_request()
        assert g.language == "en-US"
        before = gettext("Contact")
        with in_language("vi-VN"):
            inside = gettext("Contact")
        assert (before, inside, gettext("Contact")) == ("Contact", "Liên hệ", "Contact")


def test_outside_a_request_each_thread_has_its_own_language(site):
    said: dict[str, list[str]] = {}
    both_inside = threading.Barrier(2)

    def say(tag: str) -> None:
        with site.app_context(), in_language(tag):
            both_inside.wait(10)
            said[tag] = [gettext("Contact") for _ in range(100)]

    threads = [threading.Thread(target=say, args=(row.tag,)) for row in LOCALES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {tag: set(texts) for tag, texts in said.items()} == {
        tag: {text} for tag, text in CONTACT.items()
    }
