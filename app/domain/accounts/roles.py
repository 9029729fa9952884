"""Roles: ``admin`` is the operator."""

from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.accounts.models import Role, User
from app.domain.audit import AuditAction, record


class RoleName(StrEnum):
    """The roles there are."""

    ADMIN = "admin"


def give(session: Session, *, user: User, role: RoleName, actor: str) -> None:
    """Make the user staff; a role that they have is not given twice."""
    if any(each.name == role.value for each in user.roles):
        return
    session.execute(
        insert(Role).values(name=role.value).on_conflict_do_nothing(index_elements=["name"])
    )
    user.roles.append(session.scalars(select(Role).where(Role.name == role.value)).one())
    details = {"role": role.value}
    record(session, actor=actor, action=AuditAction.ROLE_GIVEN, user_id=user.id, details=details)
