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
        N_("The link may be old or incomplete. Check the link, or start again below."),
    ),
    ErrorText(
        405,
        N_("This page cannot do that"),
        N_("Nothing was changed. Open the page again and use its buttons."),
    ),
    ErrorText(
        409,
        N_("This changed after you opened the page"),
        N_("Your last action was not carried out. Go back, reload the page and look again."),
    ),
    ErrorText(
        413,
        N_("That is too large to send"),
        N_("Nothing was changed. Send less and try again."),
    ),
    ErrorText(
        415,
        N_("This page takes forms only"),
        N_("Nothing was changed. Open the page again and use its form."),
    ),
    ErrorText(
        429,
        N_("Too many attempts"),
        N_("Nothing is lost. Wait a moment, then try again."),
    ),
    ErrorText(
        500,
        N_("Something went wrong on our side"),
        N_(
            "Your balance and keys are safe. Try again; "
            "if it keeps failing, send us the request ID below."
        ),
    ),
    ErrorText(
        503,
        N_("We are busy right now"),
        N_("Nothing was changed. Your balance and keys are safe. Try again in a moment."),
    ),
)

ERROR_TEXTS: Mapping[int, ErrorText] = MappingProxyType({row.status: row for row in _ROWS})


def text_for(status: int) -> ErrorText:
    """The row of a status, else that of its family."""
    return ERROR_TEXTS.get(status) or ERROR_TEXTS[400 if status < 500 else 500]
