"""Vouchers: made in batches, redeemed once each, cancelled as a batch. Rules; the edge commits.

A code is money to whoever holds it: it is shown once, when it is made, and kept as a digest. The
ledger books what is redeemed, from the vouchers' account; a code that is not redeemed is no money
of anybody's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import exists, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from app.core import clock
from app.core.crypto import Digester
from app.core.database import in_session
from app.core.money import NANOS_PER_USD, format_usd
from app.domain.accounts import users
from app.domain.accounts.models import User
from app.domain.audit import AuditAction, record
from app.domain.billing import ledger
from app.domain.billing.ledger import Bucket, Movement
from app.domain.billing.models import (
    OPERATOR_ACCOUNTS,
    AccountKind,
    LedgerAccount,
    TransferKind,
)
from app.domain.payments import voucher_codes
from app.domain.payments.errors import (
    AccountCannotRedeem,
    InvalidVouchers,
    VoucherBatchExists,
    VoucherBatchUnknown,
    VoucherNotAccepted,
    VoucherRedeemedBefore,
)
from app.domain.payments.models import Voucher

MOST_AT_ONCE = 10_000
MOST_NANOS = 10_000 * NANOS_PER_USD
LONGEST_BATCH = 64
LONGEST_REASON = 254


class VoucherState(StrEnum):
    """What a code is good for at a moment."""

    OPEN = "open"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What a code brought its account, into the paid bucket."""

    voucher_id: int
    amount_nanos: int


def create(
    session: Session,
    digester: Digester,
    *,
    amount_nanos: int,
    count: int,
    batch: str,
    expires_at: datetime | None,
    author: str,
    reason: str,
) -> list[str]:
    """Make a batch of codes of one amount; they are returned in clear, and exist nowhere else.

    A batch is made once, so a command that was typed twice makes no second set of money. Raises
    InvalidVouchers, VoucherBatchExists.
    """
    _check(amount_nanos=amount_nanos, count=count, batch=batch, reason=reason)
    if expires_at is not None and expires_at <= clock.now():
        raise InvalidVouchers("The vouchers would be expired already.", field="expires_at")
    _queue(session)
    if session.scalar(select(exists().where(Voucher.batch == batch))):
        raise VoucherBatchExists(field="batch")
    made = [voucher_codes.make_symbols() for _ in range(count)]
    session.add_all(
        Voucher(
            digest=voucher_codes.digest_of(digester, symbols),
            hint=symbols[: voucher_codes.HINT_SYMBOLS],
            batch=batch,
            amount_nanos=amount_nanos,
            author=author,
            reason=reason.strip(),
            created_at=clock.now(),
            expires_at=expires_at,
        )
        for symbols in made
    )
    session.flush()
    details = {"batch": batch, "count": count, "amount_nanos": amount_nanos}
    record(session, actor=author, action=AuditAction.VOUCHERS_MADE, details=details)
    return [voucher_codes.shown(symbols) for symbols in made]


def redeem(
    session: Session, digester: Digester, *, code: str, user_id: int, actor: str
) -> Redeemed:
    """Credit the paid bucket with what the code is worth, once under any race.

    The guarded UPDATE decides which of many callers has it; it and the transfer are committed
    together. Raises AccountCannotRedeem; VoucherNotAccepted in one wording for what is unknown,
    used, expired or cancelled; VoucherRedeemedBefore to the account that used it itself.
    """
    user = users.lock(session, user_id)
    if not user.active or not user.is_claimed:
        raise AccountCannotRedeem
    symbols = voucher_codes.read(code)
    if symbols is None:
        raise VoucherNotAccepted(field="code")
    digest = voucher_codes.digest_of(digester, symbols)
    redeemed = _take(session, digest=digest, user_id=user_id)
    if redeemed is None:
        raise _refusal(session, digest=digest, user_id=user_id)
    moved = ledger.credit(in_session(session), _movement(redeemed, user_id=user_id, actor=actor))
    assert moved, "the books hold a transfer of a voucher that was never redeemed"
    details = {"voucher_id": redeemed.voucher_id, "amount_nanos": redeemed.amount_nanos}
    record(
        session,
        actor=actor,
        action=AuditAction.VOUCHER_REDEEMED,
        user_id=user_id,
        details=details,
    )
    return redeemed


def cancel(session: Session, *, batch: str, actor: str, reason: str) -> int:
    """End every code of the batch that was not redeemed; returns how many. What was redeemed stays.

    Raises VoucherBatchUnknown.
    """
    if not session.scalar(select(exists().where(Voucher.batch == batch))):
        raise VoucherBatchUnknown
    ended = session.execute(
        update(Voucher)
        .where(
            Voucher.batch == batch,
            Voucher.redeemed_at.is_(None),
            Voucher.cancelled_at.is_(None),
        )
        .values(cancelled_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    assert isinstance(ended, CursorResult)
    details = {"batch": batch, "count": ended.rowcount, "reason": reason}
    record(session, actor=actor, action=AuditAction.VOUCHERS_CANCELLED, details=details)
    return ended.rowcount


def listed(
    session: Session, *, batch: str | None = None, count: int | None = None
) -> Sequence[tuple[Voucher, str | None]]:
    """Vouchers, the newest first, each with the email of who redeemed it."""
    rows = select(Voucher, User.email).outerjoin(User, User.id == Voucher.redeemed_by)
    if batch is not None:
        rows = rows.where(Voucher.batch == batch)
    found = session.execute(rows.order_by(Voucher.id.desc()).limit(count))
    return [(voucher, email) for voucher, email in found]


def state_of(voucher: Voucher, *, at: datetime) -> VoucherState:
    if voucher.redeemed_at is not None:
        return VoucherState.REDEEMED
    if voucher.cancelled_at is not None:
        return VoucherState.CANCELLED
    is_over = voucher.expires_at is not None and voucher.expires_at <= at
    return VoucherState.EXPIRED if is_over else VoucherState.OPEN


def _check(*, amount_nanos: int, count: int, batch: str, reason: str) -> None:
    if not 0 < amount_nanos <= MOST_NANOS:
        raise InvalidVouchers(
            f"A voucher is worth more than 0 and at most {format_usd(MOST_NANOS)} USD.",
            field="amount",
        )
    if not 0 < count <= MOST_AT_ONCE:
        raise InvalidVouchers(f"Make 1 to {MOST_AT_ONCE} vouchers at once.", field="count")
    if not 0 < len(batch) <= LONGEST_BATCH or batch != batch.strip() or not batch.isprintable():
        raise InvalidVouchers(
            f"Name the batch with 1 to {LONGEST_BATCH} printable characters.", field="batch"
        )
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        raise InvalidVouchers(
            f"Give a reason of 1 to {LONGEST_REASON} characters; it is kept with the vouchers.",
            field="reason",
        )


def _queue(session: Session) -> None:
    """Two batches of one name at once would each find that there is none yet."""
    account_id = OPERATOR_ACCOUNTS[AccountKind.VOUCHERS]
    session.execute(
        select(LedgerAccount.id).where(LedgerAccount.id == account_id).with_for_update()
    )


def _take(session: Session, *, digest: str, user_id: int) -> Redeemed | None:
    """Mark the code as this account's, where it is still anybody's."""
    now = clock.now()
    row = session.execute(
        update(Voucher)
        .where(
            Voucher.digest == digest,
            Voucher.redeemed_at.is_(None),
            Voucher.cancelled_at.is_(None),
            or_(Voucher.expires_at.is_(None), Voucher.expires_at > now),
        )
        .values(redeemed_at=now, redeemed_by=user_id)
        .returning(Voucher.id, Voucher.amount_nanos)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return None if row is None else Redeemed(row.id, row.amount_nanos)


def _refusal(
    session: Session, *, digest: str, user_id: int
) -> VoucherNotAccepted | VoucherRedeemedBefore:
    own = select(Voucher.redeemed_at).where(
        Voucher.digest == digest, Voucher.redeemed_by == user_id
    )
    redeemed_at = session.scalar(own)
    if redeemed_at is None:
        return VoucherNotAccepted(field="code")
    return VoucherRedeemedBefore(f"You redeemed this code on {redeemed_at:%Y-%m-%d}.", field="code")


def _movement(redeemed: Redeemed, *, user_id: int, actor: str) -> Movement:
    return Movement(
        user_id=user_id,
        bucket=Bucket.PAID,
        amount_nanos=redeemed.amount_nanos,
        counterpart=AccountKind.VOUCHERS,
        kind=TransferKind.VOUCHER,
        reference=f"voucher:{redeemed.voucher_id}",
        actor=actor,
        reason="voucher redeemed",
    )
