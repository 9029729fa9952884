"""What payments refuse."""

from app.core.errors import BadRequest, Conflict, Forbidden, NotFound


class VoucherNotAccepted(BadRequest):
    """One text for every reason, so that nobody learns which codes there are."""

    number = 33
    reason = "voucher_not_accepted"
    message = "This code is not valid, or it cannot be used any more."


class InvalidVouchers(BadRequest):
    number = 34
    reason = "invalid_vouchers"
    message = "These vouchers cannot be made."


class AccountCannotRedeem(Forbidden):
    number = 33
    reason = "account_cannot_redeem"
    message = "Only an active account that its owner has claimed can redeem a code."


class VoucherBatchUnknown(NotFound):
    number = 33
    reason = "voucher_batch_not_found"
    message = "There is no batch of vouchers of this name. `flask vouchers list` shows all."


class VoucherRedeemedBefore(Conflict):
    """Told to the account that redeemed it, and to no other."""

    number = 33
    reason = "voucher_redeemed_before"
    message = "You redeemed this code before."


class VoucherBatchExists(Conflict):
    number = 34
    reason = "voucher_batch_exists"
    message = "There is a batch of this name already. Choose another name."
