"""What the books refuse."""

from app.core.errors import Conflict, NotFound, PaymentRequired, TooManyRequests


class InsufficientBalance(PaymentRequired):
    number = 1
    reason = "insufficient_balance"
    message = "The balance does not cover this request."


class KeyCapReached(PaymentRequired):
    number = 2
    reason = "key_cap_reached"
    message = "This key's spend cap does not cover this request."


class TooManyRunning(TooManyRequests):
    number = 1
    reason = "too_many_running"
    message = "This key already has as many running requests as it may. Wait for one to end."


class NoWallet(NotFound):
    number = 1
    reason = "no_wallet"
    message = "This user has no wallet."


class HoldPending(Conflict):
    number = 1
    reason = "hold_pending"
    message = "A request is still running. Try again when it has ended."


class CallUnknown(NotFound):
    number = 36
    reason = "call_not_found"
    message = "There is no request of this id."


class RefundAboveCharge(Conflict):
    number = 36
    reason = "refund_above_charge"
    message = "That is more than is left of what this request was charged."


class NothingToRefund(Conflict):
    number = 37
    reason = "nothing_to_refund"
    message = "Nothing is left to refund of this request."


class ReferenceUsed(Conflict):
    number = 38
    reason = "reference_used"
    message = "This reference was used for another movement. Nothing changed."
