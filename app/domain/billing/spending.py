"""What a key may spend now: its part of the wallet, within its cap. For showing, without a lock;
the reserve alone decides."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.core.database import in_session
from app.domain.accounts.models import KeyCap, KeyScope
from app.domain.billing import cap_periods, ledger
from app.domain.billing.cap_periods import CapState
from app.domain.billing.values import Balances


@dataclass(frozen=True, slots=True)
class Cap:
    """A spend cap, shared by a key's family, with what counts in the period of now."""

    limit_nanos: int
    counted: CapState

    @property
    def left_nanos(self) -> int:
        """A cap may have been lowered below what was spent."""
        return max(self.limit_nanos - self.counted.spent_nanos - self.counted.held_nanos, 0)


@dataclass(frozen=True, slots=True)
class Spending:
    """The wallet as a key of `scope` may know it, and its cap where spending is capped."""

    wallet: Balances
    scope: KeyScope
    cap: Cap | None

    @property
    def available_nanos(self) -> int:
        """What the next call may hold."""
        free = self.wallet.available(self.scope)
        return free if self.cap is None else min(free, self.cap.left_nanos)

    @property
    def unspent_nanos(self) -> int:
        """The balance within the cap, whatever running calls hold of it."""
        balance = self.wallet.balance(self.scope)
        if self.cap is None:
            return balance
        return max(min(balance, self.cap.limit_nanos - self.cap.counted.spent_nanos), 0)

    @property
    def held_nanos(self) -> int:
        """What running calls hold: of the wallet, or, under a cap, of that."""
        return self.wallet.held(self.scope) if self.cap is None else self.cap.counted.held_nanos


def look_spending(
    session: Session, *, user_id: int, scope: KeyScope, cap_id: int | None
) -> Spending:
    """Raises `NoWallet`."""
    wallet = ledger.look(in_session(session), user_id=user_id)
    row = None if cap_id is None else session.get(KeyCap, cap_id)
    if row is None or row.limit_nanos is None:
        return Spending(wallet, scope, None)
    return Spending(wallet, scope, Cap(row.limit_nanos, cap_periods.look(session, row)))
