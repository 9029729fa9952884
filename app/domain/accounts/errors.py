"""What the rules of accounts and keys refuse."""

from app.core.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized


class InvalidEmail(BadRequest):
    number = 30
    reason = "invalid_email"
    message = "Send a valid email, such as user@example.com."


class InvalidKeyName(BadRequest):
    number = 31
    reason = "invalid_key_name"
    message = (
        "Send a key name of 1 to 64 ASCII letters, digits, spaces, dots, underscores or hyphens."
    )


class InviterNotOffered(BadRequest):
    number = 32
    reason = "inviter_not_offered"
    message = "Choose one of the partners who made a key for this account, or none."


class InvalidLimit(BadRequest):
    number = 21
    reason = "invalid_limit"
    message = "A limit has a value that is not accepted."


class UnknownLimit(BadRequest):
    number = 22
    reason = "unknown_limit"
    message = "There is no such limit."


class InvalidApiKey(Unauthorized):
    number = 30
    reason = "invalid_api_key"
    message = "The API key is missing or not valid. Send Authorization: Bearer sk-…"


class KeyPendingApproval(Forbidden):
    number = 30
    reason = "key_pending_approval"
    message = (
        "This key waits for approval. Its owner approves it at /account/keys, "
        "after claiming the account at /claim."
    )


class AccountNotAllowed(Forbidden):
    """One text for every reason: disabled, staff, blocked domain, blocked inviter."""

    number = 31
    reason = "account_not_allowed"
    message = "No key can be made for this email."


class TooManyKeys(Forbidden):
    number = 32
    reason = "too_many_keys"
    message = (
        "This account has as many keys of yours as it may. Use one of them, "
        "or ask the account's owner to approve or remove some."
    )


class KeyExpired(Forbidden):
    number = 52
    reason = "key_expired"
    message = "This key has expired. Make a new one."


class IpNotAllowed(Forbidden):
    number = 21
    reason = "ip_not_allowed"
    message = "This key may not be used from this IP. Its owner decides from which networks it may."


class LimitsOnlyNarrow(Forbidden):
    number = 22
    reason = "limits_only_narrow"
    message = "A key may only tighten its own limits."


class UserNotFound(NotFound):
    number = 30
    reason = "user_not_found"
    message = "There is no such user."


class KeyNotFound(NotFound):
    number = 31
    reason = "key_not_found"
    message = "There is no such key."


class ClaimLinkInvalid(NotFound):
    number = 32
    reason = "claim_link_invalid"
    message = "This link is used up, too old or incomplete. Ask for a fresh one at /claim."


class EmailTaken(Conflict):
    number = 30
    reason = "email_taken"
    message = "There is an account with this email."


class KeyNameTaken(Conflict):
    number = 31
    reason = "key_name_taken"
    message = "This account has another key of that name. Choose another name."


class KeyNotWaiting(Conflict):
    number = 32
    reason = "key_not_waiting"
    message = "This key does not wait for an approval."


class KeyNotChangeable(Conflict):
    number = 23
    reason = "key_not_changeable"
    message = "This key has expired, or was refused or revoked: its limits cannot be changed."


class LimitsOfFirstKey(Conflict):
    number = 22
    reason = "limits_of_first_key"
    message = "This key shares the limits of the key by which it was made: change them there."
