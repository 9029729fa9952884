"""What the books refuse."""

from app.core.errors import Conflict, NotFound, PaymentRequired, TooManyRequests


class InsufficientBalance(PaymentRequired):
    number = 1
    reason = "insufficient_balance"
    message = "The balance does not cover this request."


class KeyCapReached(PaymentRequired):
    number = 2
    reason = "key_cap_reached"
    message = "This key's spend cap for the month does not cover this request."


class TooManyRunning(TooManyRequests):
    number = 1
    reason = "concurrency_limit_reached"
    message = "This key already has as many running requests as it may. Wait for one to end."


class NoWallet(NotFound):
    number = 1
    reason = "no_wallet"
    message = "This user has no wallet."


class HoldPending(Conflict):
    number = 1
    reason = "hold_pending"
    message = "A request is still running. Try again when it has ended."
