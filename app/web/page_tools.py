"""What templates of pages may call: the site's name, and moments as a reader sees them."""

from datetime import datetime

from babel.dates import format_date, get_timezone
from flask import Flask
from markupsafe import Markup

from app.services import services
from app.web.languages import current_language


def bind_page_tools(app: Flask) -> None:
    app.jinja_env.globals["site_name"] = site_name
    app.jinja_env.filters["day"] = day


def site_name() -> str:
    name: str = services().settings.current()["site_name"]
    return name


def day(moment: datetime) -> Markup:
    """The date in the reader's language and zone; the exact moment for machines."""
    language = current_language()
    local = moment.astimezone(get_timezone(language.time_zone))
    shown = format_date(local, language.date_pattern, locale=language.locale)
    exact = moment.isoformat(timespec="seconds")
    return Markup('<time datetime="{}">{}</time>').format(exact, shown)
