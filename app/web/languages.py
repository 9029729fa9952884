"""Languages in addresses and pages: the URL converter, the choice for a request, the formats."""

from typing import Any

from flask import Flask, current_app, g, request
from flask_login import current_user
from werkzeug.routing import BaseConverter, Map

import config
from app.core.i18n import (
    LOCALES,
    LocaleRow,
    catalogue_faults,
    choose_language,
    compile_catalogues,
    is_language,
    locale_for,
)
from app.extensions import babel

LANGUAGE_COOKIE = "language"
LANGUAGE_COOKIE_AGE_S = 365 * 24 * 3600


class LanguageConverter(BaseConverter):
    """``<language:language>`` in a rule: the tag of one of our languages, and nothing else."""

    part_isolating = True

    def __init__(self, map: Map) -> None:
        super().__init__(map)
        self.regex = "|".join(row.tag for row in LOCALES)


def bind_languages(app: Flask) -> None:
    """Bind Flask-Babel and the language of addresses to `app`.

    Catalogues are compiled where stale. Production refuses to start while one is incomplete.
    """
    folder = config.ROOT / "translations"
    try:
        compile_catalogues(folder)
    except OSError as error:
        raise config.ConfigError(f"Run `make translate`: {error}.") from None
    if app.config["APP_ENV"] == "production" and (faults := catalogue_faults(folder)):
        raise config.ConfigError(f"A translation is incomplete: {faults[0]}. Run `make translate`.")
    default = locale_for(app.config["DEFAULT_LANGUAGE"])
    babel.init_app(
        app,
        default_locale=default.babel_name,
        default_translation_directories=str(folder),
        default_timezone=default.time_zone,
        locale_selector=lambda: current_language().babel_name,
        timezone_selector=lambda: current_language().time_zone,
    )
    # A message may be wrapped over several lines of a template; extraction trims alike.
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    app.jinja_env.globals.update(current_language=current_language, LOCALES=LOCALES)
    app.url_map.converters["language"] = LanguageConverter
    app.url_value_preprocessor(_take_language)
    app.url_defaults(_give_language)


def current_language() -> LocaleRow:
    """The language of this request: its address, then the account's, then the visitor's choice.

    Outside a request it is the default; who renders for someone uses `i18n.in_language`.
    """
    if not request:
        return locale_for(current_app.config["DEFAULT_LANGUAGE"])
    in_address = g.get("language")
    return locale_for(in_address or _account_language() or visitor_language())


def visitor_language() -> str:
    """The tag that a bare path redirects to: cookie, then Accept-Language, then the default."""
    return choose_language(
        chosen=request.cookies.get(LANGUAGE_COOKIE),
        accept_language=request.headers.get("Accept-Language"),
        default=current_app.config["DEFAULT_LANGUAGE"],
    )


def _account_language() -> str | None:
    if not hasattr(current_app, "login_manager") or not current_user.is_authenticated:
        return None
    tag: str | None = current_user.language
    return tag if is_language(tag) else None


def _take_language(endpoint: str | None, values: dict[str, Any] | None) -> None:
    if values and "language" in values:
        g.language = values.pop("language")


def _give_language(endpoint: str, values: dict[str, Any]) -> None:
    """Links from a page stay in its language; from a personal page they take the reader's."""
    if "language" in values or not current_app.url_map.is_endpoint_expecting(endpoint, "language"):
        return
    values["language"] = current_language().tag
