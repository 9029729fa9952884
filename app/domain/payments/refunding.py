"""Refunding a request, as the operator does it: what pages and commands call."""

from sqlalchemy.orm import Session

from app.core.database import in_session
from app.domain.audit import AuditAction, record
from app.domain.billing import ledger, refunds
from app.domain.billing.errors import CallUnknown
from app.domain.billing.models import Call
from app.domain.billing.refunds import Refunded
from app.domain.partners import trials


def refund_request(
    session: Session,
    *,
    call_id: int,
    amount_nanos: int | None,
    actor: str,
    reason: str,
    reference: str | None,
) -> Refunded:
    """Give back a part (None: all) of what a request was charged; see `billing.refunds.refund`.

    Trial money is given back while the account's grant runs: after that it would be credit without
    an end, outside of every budget. Audited; the caller commits.
    """
    execute = in_session(session)
    call = session.get(Call, call_id)
    if call is None:
        raise CallUnknown
    ledger.balances(execute, user_id=call.user_id)  # the sweep closes a grant behind the same lock
    given = refunds.refund(
        execute,
        call_id=call_id,
        amount_nanos=amount_nanos,
        actor=actor,
        reason=reason,
        reference=reference,
        is_trial_over=trials.is_over(session, call.user_id),
    )
    if given.is_first:
        record(
            session,
            actor=actor,
            action=AuditAction.REQUEST_REFUNDED,
            user_id=given.user_id,
            details={"call_id": call_id, "amount_nanos": given.given.total_nanos},
        )
    return given
