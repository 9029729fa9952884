"""Turning a message and its values into subject, text and HTML in the reader's language."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any
from urllib.parse import urlsplit

from babel.dates import format_date, format_time, get_timezone
from babel.numbers import format_currency
from flask import current_app
from flask_babel import gettext

from app.core import clock
from app.core.i18n import LocaleRow, in_language
from app.core.money import NANOS_PER_USD
from app.domain.alerts import ALERTS
from app.domain.mail.messages import MESSAGES, MailMessage
from app.domain.settings import SettingsView


@dataclass(frozen=True, slots=True)
class Composed:
    """A mail's three texts; the subject is one line."""

    subject: str
    text_body: str
    html_body: str


def compose(
    message: MailMessage, *, language: str, values: Mapping[str, Any], settings: SettingsView
) -> Composed:
    """Render `message`. Needs an app context, no request; raises ValueError on wrong values."""
    row = MESSAGES[message]
    if set(values) != row.values:
        odd = ", ".join(sorted(set(values) ^ row.values))
        raise ValueError(f"the values of mail {message.value} do not fit: {odd}")
    with in_language(language) as locale:
        shown = {**_common(locale, settings), **_shown(locale, values)}
        # Templates without the context of a page: a mail may be written during any request.
        environment = current_app.jinja_env
        return Composed(
            subject=gettext(row.subject, **shown),
            text_body=_tidy(environment.get_template(row.text_template).render(shown)),
            html_body=environment.get_template(row.html_template).render(shown),
        )


def _common(locale: LocaleRow, settings: SettingsView) -> dict[str, Any]:
    return {
        "language": locale,
        "site": settings["site_name"],
        "legal_name": settings["legal_name"],
        "legal_tax_code": settings["legal_tax_code"],
        "legal_address": settings["legal_address"],
        "written_on": _day(locale, clock.now()),
        "host": urlsplit(current_app.config["BASE_URL"]).netloc,
        "contact_email": settings["contact_email"],
    }


def _shown(locale: LocaleRow, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as a reader sees them."""
    shown = {name: _FORMATS.get(name, _as_is)(locale, value) for name, value in values.items()}
    if "inviter_id" in values:
        shown["inviter"] = values["inviter_name"] or gettext(
            "Partner no. %(number)s", number=values["inviter_id"]
        )
    if "kind" in values:
        alert = ALERTS[values["kind"]]
        shown |= {"title": gettext(alert.title), "advice": gettext(alert.advice)}
    return shown


def _as_is(locale: LocaleRow, value: Any) -> Any:
    return value


def _day(locale: LocaleRow, moment: datetime) -> str:
    local = moment.astimezone(get_timezone(locale.time_zone))
    return format_date(local, locale.date_pattern, locale=locale.locale)


def _moment(locale: LocaleRow, moment: datetime) -> str:
    time = format_time(moment, "HH:mm", tzinfo=get_timezone(locale.time_zone), locale=locale.locale)
    text: str = gettext(
        "%(time)s on %(date)s (%(zone)s)",
        time=time,
        date=_day(locale, moment),
        zone=locale.zone_name,
    )
    return text


def _dollars(locale: LocaleRow, nanos: int) -> str | None:
    """Two decimals, rounded down; None where there is no money to speak of."""
    if nanos <= 0:
        return None
    amount = (Decimal(nanos) / NANOS_PER_USD).quantize(Decimal("0.01"), ROUND_DOWN)
    return format_currency(amount, "USD", locale=locale.locale)


_FORMATS: Mapping[str, Callable[[LocaleRow, Any], Any]] = {
    "trial_nanos": _dollars,
    "expires_at": _moment,
    "gone_at": _moment,
    "opened_at": _moment,
    "last_seen_at": _moment,
}


def _tidy(text: str) -> str:
    """Plain text without trailing spaces and with single blank lines, whatever the tags left."""
    lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines) + "\n"
