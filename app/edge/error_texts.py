"""What a person reads on an error page, by status: what happened, and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.core.i18n import N_


@dataclass(frozen=True, slots=True)
class ErrorText:
    """Both in the source language; the page passes them through `gettext`."""

    status: int
    heading: str
    advice: str


_ROWS = (
    ErrorText(
        400,
        N_("This request is not valid"),
        N_("Nothing was changed. Go back, reload the page and try again."),
    ),
    ErrorText(
        403,
        N_("This is not allowed"),
        N_("Nothing was changed. Sign in with the account that may do this."),
    ),
    ErrorText(
        404,
        N_("There is nothing here"),
        N_("The link may be old or incomplete. Check the address, or start again from your keys."),
    ),
    ErrorText(
        405,
        N_("This page does not take that"),
        N_("Nothing was changed. Open the page anew and use its buttons."),
    ),
    ErrorText(
        409,
        N_("This has changed meanwhile"),
        N_("Nothing was changed now. Go back, reload the page and look again."),
    ),
    ErrorText(
        413,
        N_("That was too much at once"),
        N_("Nothing was changed. Send less and try again."),
    ),
    ErrorText(
        415,
        N_("This page takes forms only"),
        N_("Nothing was changed. Open the page anew and use its form."),
    ),
    ErrorText(
        429,
        N_("Too many tries"),
        N_("Nothing is lost. Wait a moment, then try again."),
    ),
    ErrorText(
        500,
        N_("Something went wrong on our side"),
        N_("Your balance and keys are safe. Try again; if it stays, send us the number below."),
    ),
    ErrorText(
        503,
        N_("We are busy for a moment"),
        N_("Nothing was changed. Your balance and keys are safe. Try again in a moment."),
    ),
)

ERROR_TEXTS: Mapping[int, ErrorText] = MappingProxyType({row.status: row for row in _ROWS})


def text_for(status: int) -> ErrorText:
    """The row of a status, else that of its family."""
    return ERROR_TEXTS.get(status) or ERROR_TEXTS[400 if status < 500 else 500]
