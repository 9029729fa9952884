"""Who makes a register call: nobody we know, the partner that signed it, or the account's owner."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.core.client_ip import IpAddress, network_of, rate_subject
from app.core.crypto import Digester, Sealer
from app.core.errors import Unauthorized
from app.core.ratelimit import Quota, RateLimiter
from app.domain.accounts import keys
from app.domain.accounts.limits import require_usable
from app.domain.accounts.models import ApiKey, KeyScope
from app.domain.audit import ANONYMOUS, partner_actor
from app.domain.partners import networks, signatures
from app.domain.partners.errors import BearerNotAccepted, SignatureInvalid
from app.domain.partners.signatures import SignedRequest, Signer
from app.domain.settings import SettingsView


@dataclass(frozen=True, slots=True)
class RegisterCall:
    """The call as it came, normalised. `bearer` is what Authorization holds, "" for nonsense."""

    email: str
    inviter_id: int
    key_name: str
    reissue: bool
    bearer: str | None
    signed: SignedRequest
    ip: IpAddress

    @property
    def network(self) -> str:
        return network_of(self.ip)


@dataclass(frozen=True, slots=True)
class Tools:
    """What the rules of the register call need from the process; they never commit `session`."""

    session: Session
    digester: Digester
    sealer: Sealer
    limiter: RateLimiter
    settings: SettingsView
    base_url: str
    default_language: str


@dataclass(frozen=True, slots=True)
class Caller:
    """`owner_key` is the full key presented; a call may be the owner's and signed at once.

    Vouched for means signed, or from a network that the named partner listed: it decides about
    floods and budgets, and about nothing else.
    """

    owner_key: ApiKey | None
    signer: Signer | None
    is_vouched: bool

    @property
    def actor(self) -> str:
        """For the audit trail."""
        if self.owner_key is not None:
            return self.owner_key.user.email
        return ANONYMOUS if self.signer is None else partner_actor(self.signer.partner_id)


def identify(tools: Tools, call: RegisterCall) -> Caller:
    """Credentials that are present must be right: nothing falls back to anonymous.

    Raises an Unauthorized, a Forbidden for a key that its own limits refuse, or TooManyRequests.
    What is refused counts towards the floods too.
    """
    try:
        signer = _signer(tools, call)
    except Unauthorized:
        _refuse_flood(tools, _quotas_of_strangers(tools.settings, call))
        raise
    is_vouched = signer is not None or networks.vouches(
        tools.session, partner_id=call.inviter_id, ip=call.ip
    )
    quotas_of = _quotas_of_vouched if is_vouched else _quotas_of_strangers
    _refuse_flood(tools, quotas_of(tools.settings, call))
    return Caller(_owner_key(tools, call), signer, is_vouched)


def _signer(tools: Tools, call: RegisterCall) -> Signer | None:
    if not call.signed.is_signed:
        return None
    signer = signatures.verify(tools.session, tools.sealer, call.signed)
    if signer.partner_id != call.inviter_id:
        raise SignatureInvalid("inviter_id must be the partner that signs.", field="inviter_id")
    return signer


def _owner_key(tools: Tools, call: RegisterCall) -> ApiKey | None:
    if call.bearer is None:
        return None
    key = keys.find_by_secret(tools.session, tools.digester, call.bearer)
    if key is None or not keys.is_active(key) or key.scope is not KeyScope.FULL:
        raise BearerNotAccepted(field="Authorization")
    require_usable(key, ip=call.ip)
    if key.user.email != call.email:
        raise BearerNotAccepted(field="Authorization")
    return key


def _quotas_of_vouched(settings: SettingsView, call: RegisterCall) -> tuple[Quota, ...]:
    limit = settings["register_per_minute_vouched_inviter"]
    return (Quota("register-inviter", str(call.inviter_id), limit),)


def _quotas_of_strangers(settings: SettingsView, call: RegisterCall) -> tuple[Quota, ...]:
    return (
        Quota("register-ip", rate_subject(call.ip), settings["register_per_minute_ip"]),
        Quota("register-network", call.network, settings["register_per_minute_network"]),
        Quota("register-email", call.email, settings["register_per_minute_email"]),
    )


def _refuse_flood(tools: Tools, quotas: tuple[Quota, ...]) -> None:
    tools.limiter.require(*quotas)
