"""The keys of a user as the page shows them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from flask_babel import gettext
from sqlalchemy.orm import Session

from app.core import clock
from app.core.i18n import N_
from app.domain.accounts import approvals
from app.domain.accounts.models import ApiKey, KeyScope, KeyState
from app.web.account.inviters import inviter_name

_STATES: Mapping[KeyState, str] = MappingProxyType(
    {
        KeyState.ACTIVE: N_("Active"),
        KeyState.PENDING: N_("Waiting for approval"),
        KeyState.REFUSED: N_("Refused"),
        KeyState.REVOKED: N_("Revoked"),
    }
)

_SCOPES: Mapping[KeyScope, str] = MappingProxyType(
    {KeyScope.TRIAL: N_("Trial credit only"), KeyScope.FULL: N_("Trial credit, then balance")}
)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key. `is_waiting`: its owner may approve it; `needs_tail`: by typing its last six."""

    id: int
    name: str
    prefix: str
    state: str
    scope: str
    inviter: str | None
    created_at: datetime
    is_waiting: bool
    is_refusable: bool
    is_revocable: bool
    needs_tail: bool
    may_try_tail: bool


def key_rows(session: Session, keys: Iterable[ApiKey]) -> list[KeyRow]:
    """Newest first, in the reader's language."""
    rows = list(keys)
    ids = {key.inviter_id for key in rows if key.inviter_id is not None}
    inviters = {inviter_id: inviter_name(session, inviter_id) for inviter_id in ids}
    return [_row(key, inviters) for key in sorted(rows, key=lambda key: key.id, reverse=True)]


def _row(key: ApiKey, inviters: Mapping[int, str]) -> KeyRow:
    needs_tail = approvals.needs_tail(key)
    return KeyRow(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        state=_state(key),
        scope=_scope(key),
        inviter=None if key.inviter_id is None else inviters[key.inviter_id],
        created_at=key.created_at,
        is_waiting=approvals.is_waiting(key),
        is_refusable=key.state is KeyState.PENDING,
        is_revocable=key.state is KeyState.ACTIVE,
        needs_tail=needs_tail,
        may_try_tail=not needs_tail or key.tail_tries < approvals.TAIL_TRIES_MAX,
    )


def _state(key: ApiKey) -> str:
    shown = N_("Expired") if key.state is KeyState.ACTIVE and _is_over(key) else _STATES[key.state]
    return str(gettext(shown))


def _scope(key: ApiKey) -> str:
    """What it can spend now: a key that does not work spends nothing, whatever its scope."""
    if key.state is KeyState.PENDING:
        shown = N_("Nothing yet")
    elif key.state is KeyState.ACTIVE and not _is_over(key):
        shown = _SCOPES[key.scope]
    else:
        shown = N_("Nothing any more")
    return str(gettext(shown))


def _is_over(key: ApiKey) -> bool:
    return key.expires_at is not None and key.expires_at <= clock.now()
