"""What the register call and the rules of partners refuse."""

from app.core.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized


class InvalidNetwork(BadRequest):
    number = 70
    reason = "invalid_network"
    message = "Write a network in CIDR notation, such as 203.0.113.0/24."


class InvalidPartnerName(BadRequest):
    number = 71
    reason = "invalid_partner_name"
    message = "A partner's name is a line of 1 to 64 printable characters, without a link."


class SignatureInvalid(Unauthorized):
    number = 70
    reason = "signature_invalid"
    message = (
        "The signature is not valid. Check the partner id, the secret and the signed text: see the "
        "documentation of signed calls."
    )


class SignatureExpired(Unauthorized):
    number = 71
    reason = "signature_expired"
    message = (
        "X-Timestamp is more than 300 seconds away from our clock. Sign again with the time now."
    )


class NonceUsed(Unauthorized):
    number = 72
    reason = "nonce_used"
    message = "This X-Nonce was used before. Sign each call with a nonce of its own."


class SignatureRequired(Unauthorized):
    number = 73
    reason = "signature_required"
    message = "This call must be signed by the partner that it names: see the documentation."


class BearerNotAccepted(Unauthorized):
    number = 74
    reason = "bearer_not_accepted"
    message = (
        "The Authorization header must carry a full key of the account in the body. "
        "Leave it out for an anonymous call."
    )


class RegisterOff(Forbidden):
    number = 70
    reason = "register_off"
    message = "Registration by API is switched off."


class InviterNotAccepted(Forbidden):
    """One text for every reason: unknown, no partner, disabled."""

    number = 71
    reason = "inviter_not_accepted"
    message = "inviter_id is not the id of an active partner."


class PartnerNotFound(NotFound):
    number = 70
    reason = "partner_not_found"
    message = "There is no such partner."


class NetworkNotFound(NotFound):
    number = 71
    reason = "network_not_found"
    message = "This network is not listed."


class AlreadyPartner(Conflict):
    number = 70
    reason = "already_partner"
    message = "This user is a partner already."
