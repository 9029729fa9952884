"""The forms of these pages. CSRF is checked before any view runs."""

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import EmailField, Field, PasswordField, RadioField, StringField
from wtforms.validators import ValidationError

from app.core.money import InvalidAmount, parse_usd
from app.domain.accounts.emails import normalise_email
from app.domain.accounts.errors import InvalidEmail
from app.domain.accounts.key_secrets import TAIL_LENGTH
from app.web.account.passwords import weakness

NO_INVITER = "none"


class LinkForm(FlaskForm):  # type: ignore[misc]
    """Asks for a fresh claim link; afterwards `email.data` is in the form that accounts keep."""

    email = EmailField(lazy_gettext("Email"))

    def validate_email(self, field: Field) -> None:
        try:
            field.data = normalise_email(field.data or "")
        except InvalidEmail:
            raise ValidationError(gettext("Write an email, such as user@example.com.")) from None


class ClaimForm(FlaskForm):  # type: ignore[misc]
    """A password, and whom the owner accepts as inviter where somebody may be accepted."""

    password = PasswordField(lazy_gettext("New password"))
    inviter = RadioField(lazy_gettext("Who invited you?"), validate_choice=False)

    def __init__(self, *, owner_email: str, inviters: dict[int, str]) -> None:
        super().__init__()
        self._owner_email = owner_email
        self.inviter.choices = [(str(number), name) for number, name in inviters.items()]
        self.inviter.choices.append((NO_INVITER, gettext("Nobody of these")))

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
    """How much an approved key may spend a month."""

    cap_usd = StringField(lazy_gettext("Spend cap a month, in US dollars"))

    @property
    def cap_nanos(self) -> int | None:
        """None: no cap."""
        text = (self.cap_usd.data or "").strip()
        return parse_usd(text) if text else None

    def validate_cap_usd(self, field: Field) -> None:
        try:
            _ = self.cap_nanos
        except InvalidAmount:
            raise ValidationError(
                gettext("Write an amount such as 5 or 12.50, or leave it empty for no cap.")
            ) from None


class ApprovalForm(CapForm):
    """Approves a key; the last six characters prove that the owner's product uses it."""

    last_six = StringField(
        lazy_gettext("Last six characters of the key"),
        filters=[lambda text: text.strip() if text else text],
    )

    def validate_last_six(self, field: Field) -> None:
        if field.data and len(field.data) != TAIL_LENGTH:
            raise ValidationError(gettext("Write exactly the last six characters."))
