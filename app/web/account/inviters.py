"""How an inviter is called on pages: by the name that the operator approved, else by number."""

from flask_babel import gettext
from sqlalchemy.orm import Session

from app.domain.partners.membership import approved_name


def inviter_name(session: Session, inviter_id: int) -> str:
    named = approved_name(session, inviter_id)
    return named or gettext("Partner no. %(number)s", number=inviter_id)
