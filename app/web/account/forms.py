"""The forms of these pages. CSRF is checked before any view runs."""

import re

from babel.numbers import get_decimal_symbol
from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import EmailField, Field, PasswordField, RadioField, StringField
from wtforms.validators import ValidationError

from app.core.money import InvalidAmount, format_usd, parse_usd
from app.domain.accounts.emails import normalise_email
from app.domain.accounts.errors import InvalidEmail
from app.domain.accounts.key_secrets import TAIL_LENGTH
from app.web.account.passwords import weakness
from app.web.languages import current_language

NO_INVITER = "none"

# "1.000" and "1,000": a thousand to some readers, one to others. Nobody is to guess.
_THOUSAND_OR_ONE = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")


class LinkForm(FlaskForm):  # type: ignore[misc]
    """Asks for a fresh claim link; afterwards `email.data` is in the form that accounts keep."""

    email = EmailField(lazy_gettext("Email"))

    def validate_email(self, field: Field) -> None:
        try:
            field.data = normalise_email(field.data or "")
        except InvalidEmail:
            raise ValidationError(gettext("Enter an email, such as user@example.com.")) from None


class ClaimForm(FlaskForm):  # type: ignore[misc]
    """A password, and whom the owner accepts as inviter where somebody may be accepted."""

    password = PasswordField(lazy_gettext("Choose a password"))
    inviter = RadioField(lazy_gettext("Who invited you?"), validate_choice=False)

    def __init__(self, *, owner_email: str, inviters: dict[int, str]) -> None:
        super().__init__()
        self._owner_email = owner_email
        self.inviter.choices = [(str(number), name) for number, name in inviters.items()]
        self.inviter.choices.append((NO_INVITER, gettext("None of these")))

    @property
    def asks_for_inviter(self) -> bool:
        return len(self.inviter.choices) > 1

    @property
    def accepted_inviter_id(self) -> int | None:
        chosen = self.inviter.data
        return int(chosen) if self.asks_for_inviter and chosen != NO_INVITER else None

    def validate_password(self, field: Field) -> None:
        reason = weakness(field.data or "", email=self._owner_email)
        if reason is not None:
            raise ValidationError(gettext(reason))

    def validate_inviter(self, field: Field) -> None:
        known = {value for value, _ in field.choices}
        if self.asks_for_inviter and field.data not in known:
            raise ValidationError(gettext("Choose one of these."))


class CapForm(FlaskForm):  # type: ignore[misc]
    """How much an approved key may spend a month; the decimal mark is a dot or a comma."""

    cap_usd = StringField(lazy_gettext("Monthly spending cap (US$)"))

    @property
    def cap_nanos(self) -> int | None:
        """None: no cap."""
        text = (self.cap_usd.data or "").strip()
        if _THOUSAND_OR_ONE.fullmatch(text):
            raise InvalidAmount(field="cap_usd")
        return parse_usd(text.replace(",", ".")) if text else None

    def validate_cap_usd(self, field: Field) -> None:
        try:
            _ = self.cap_nanos
        except InvalidAmount:
            raise ValidationError(
                gettext("Enter an amount such as 5 or 12.50, or leave it empty for no cap.")
            ) from None


class ApprovalForm(CapForm):
    """Approves a key; the last six characters prove that the owner's product uses it."""

    last_six = StringField(
        lazy_gettext("Last six characters of the key"),
        filters=[lambda text: text.strip() if text else text],
    )

    def validate_last_six(self, field: Field) -> None:
        if field.data and len(field.data) != TAIL_LENGTH:
            raise ValidationError(gettext("Enter exactly the last six characters."))


def as_typed(nanos: int) -> str:
    """An amount as the reader would type it into a form: ``12.5``, in Vietnamese ``12,5``."""
    return format_usd(nanos).replace(".", get_decimal_symbol(current_language().locale))
