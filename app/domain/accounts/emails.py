"""Emails: the form in which an account keeps one, and the mailbox that a grant counts."""

from email_validator import EmailNotValidError, validate_email

from app.domain.accounts.errors import InvalidEmail

LENGTH_MAX = 254

_DOMAIN_ALIASES = {"googlemail.com": "gmail.com"}
_DOTS_IGNORED = frozenset({"gmail.com"})


def normalise_email(text: str, *, field: str = "email") -> str:
    """Trimmed and lower-cased, the local part ASCII, the domain as IDNA. Raises InvalidEmail."""
    trimmed = text.strip()
    if len(trimmed) > LENGTH_MAX:
        raise InvalidEmail(f"An email has at most {LENGTH_MAX} characters.", field=field)
    if not trimmed.partition("@")[0].isascii():
        raise InvalidEmail("The part before the @ must be ASCII.", field=field)
    try:
        valid = validate_email(
            trimmed, check_deliverability=False, allow_smtputf8=False, strict=True
        )
    except EmailNotValidError as error:
        raise InvalidEmail(f"Send a valid email. {error}", field=field) from None
    assert valid.ascii_email is not None
    if len(valid.ascii_email) > LENGTH_MAX:
        raise InvalidEmail(f"An email has at most {LENGTH_MAX} characters.", field=field)
    return valid.ascii_email.lower()


def local_part(email: str) -> str:
    return email.rpartition("@")[0]


def domain_of(email: str) -> str:
    return email.rpartition("@")[2]


def canonical_mailbox(email: str) -> str:
    """Whose mailbox a normalised email reaches: tags, and Gmail's dots and second name, removed.

    For grants only: an account keeps the email as its owner writes it.
    """
    domain = _DOMAIN_ALIASES.get(domain_of(email), domain_of(email))
    local = local_part(email)
    local = local.partition("+")[0] or local
    if domain in _DOTS_IGNORED:
        local = local.replace(".", "")
    return f"{local}@{domain}"


def mask_email(email: str) -> str:
    """Enough to recognise one's own: ``u***@example.com``."""
    return f"{email[:1]}***@{domain_of(email)}"
