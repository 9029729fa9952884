"""The register call: one POST that gives a partner's user an account, trial money and a key.

The endpoint is public, so it must not be a way into anyone's money, data or mailbox. `register`
tells the story; what a call may get is decided by who calls, whether the account is claimed, and
whether it has a key of that name.
"""

from dataclasses import dataclass
from datetime import timedelta

from app.core import clock
from app.core.database import in_session
from app.domain.accounts import keys, users
from app.domain.accounts.emails import domain_of, local_part
from app.domain.accounts.errors import AccountNotAllowed, KeyNameTaken, TooManyKeys
from app.domain.accounts.keys import IssuedKey, NewKey
from app.domain.accounts.models import (
    ApiKey,
    InviterState,
    KeyOrigin,
    KeyScope,
    KeyState,
    User,
)
from app.domain.billing import ledger
from app.domain.mail import MailMessage, queue
from app.domain.partners import claiming, membership, opening, signatures, trials
from app.domain.partners.callers import Caller, RegisterCall, Tools, identify
from app.domain.partners.errors import BearerNotAccepted, RegisterOff, SignatureRequired
from app.domain.partners.models import Partner
from app.domain.partners.trials import TrialSource

APPROVAL_MAIL_PAUSE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Registration:
    """The answer. `secret` is there only where this very call made it."""

    user_id: int
    email: str
    nickname: str
    inviter_id: int
    key_id: int
    key_name: str
    key_prefix: str
    secret: str | None
    balance_nanos: int
    is_new_user: bool

    def __repr__(self) -> str:
        return f"Registration(user_id={self.user_id}, key_id={self.key_id})"


@dataclass(frozen=True, slots=True)
class _Visit:
    """One register call behind the user's lock."""

    tools: Tools
    call: RegisterCall
    caller: Caller
    inviter: Partner
    user: User
    is_new: bool

    @property
    def source(self) -> TrialSource:
        return TrialSource(self.inviter if self.caller.is_vouched else None, self.call.network)

    @property
    def origin(self) -> KeyOrigin:
        return KeyOrigin.ANONYMOUS if self.caller.signer is None else KeyOrigin.SIGNED

    @property
    def language(self) -> str:
        """Of mails to somebody who never chose one."""
        return self.inviter.language or self.tools.default_language


def register(tools: Tools, call: RegisterCall) -> Registration:
    """Answer one register call; the caller commits, or rolls back where this raises an AppError."""
    _refuse_when_off(tools)
    caller = identify(tools, call)
    inviter = membership.accepted(tools.session, call.inviter_id)
    _refuse_unsigned(tools, call, caller, inviter)
    _refuse_blocked_domain(tools, call)
    if caller.signer is not None:
        signatures.spend_nonce(tools.session, caller.signer)
    visit = _enter(tools, call, caller, inviter)
    _refuse_account(visit)
    key = _named_key(visit)
    if key is None:
        return _make_key(visit)
    if call.reissue and not visit.user.is_claimed:
        return _reissue(visit, key)
    return _known_key(visit, key)


def _refuse_when_off(tools: Tools) -> None:
    if tools.settings["register_mode"] == "off":
        raise RegisterOff


def _refuse_unsigned(tools: Tools, call: RegisterCall, caller: Caller, inviter: Partner) -> None:
    must_be_signed = (
        tools.settings["register_mode"] == "signed" or inviter.require_signature or call.reissue
    )
    if must_be_signed and caller.signer is None:
        raise SignatureRequired(field=signatures.SIGNATURE_HEADER)


def _refuse_blocked_domain(tools: Tools, call: RegisterCall) -> None:
    """A blocked domain blocks its subdomains."""
    labels = domain_of(call.email).split(".")
    parents = {".".join(labels[start:]) for start in range(len(labels))}
    if not parents.isdisjoint(tools.settings["blocked_email_domains"]):
        raise AccountNotAllowed(field="email")


def _enter(tools: Tools, call: RegisterCall, caller: Caller, inviter: Partner) -> _Visit:
    """Open or find the account and hold its lock: identical calls take turns from here."""
    is_signed = caller.signer is not None
    user, is_new = opening.open_account(
        tools.session,
        email=call.email,
        inviter_id=inviter.user_id,
        inviter_state=InviterState.CONFIRMED if is_signed else InviterState.PROVISIONAL,
        language=inviter.language,
        actor=caller.actor,
    )
    return _Visit(tools, call, caller, inviter, user, is_new)


def _refuse_account(visit: _Visit) -> None:
    """Disabled, staff, or an inviter of whom the owner said that it wasn't them: one text."""
    user, owner_key = visit.user, visit.caller.owner_key
    if owner_key is not None and owner_key.user_id != user.id:
        raise BearerNotAccepted(field="Authorization")  # the email changed hands meanwhile
    is_blocked = users.is_blocked(
        visit.tools.session, user_id=user.id, inviter_id=visit.inviter.user_id
    )
    if not user.active or user.is_staff or is_blocked:
        raise AccountNotAllowed(field="email")


def _named_key(visit: _Visit) -> ApiKey | None:
    session = visit.tools.session
    days = visit.tools.settings["pending_key_days"]
    keys.remove_stale_pending(session, older_than_days=days, user_id=visit.user.id)
    return keys.find_by_name(session, user_id=visit.user.id, name=visit.call.key_name)


def _make_key(visit: _Visit) -> Registration:
    """The account has no key of that name."""
    if visit.caller.owner_key is not None:
        return _make_child(visit, visit.caller.owner_key)
    return _make_pending(visit) if visit.user.is_claimed else _make_trial(visit)


def _make_child(visit: _Visit, parent: ApiKey) -> Registration:
    """The owner's call: a full key that shares the Bearer's cap and is revoked with it."""
    new = NewKey(
        name=visit.call.key_name,
        scope=KeyScope.FULL,
        origin=KeyOrigin.OWNER,
        inviter_id=visit.inviter.user_id,
        parent=parent,
    )
    issued = _issue(visit, new)
    return _answer(
        visit, issued.key, secret=issued.secret, balance_nanos=_balance(visit, issued.key)
    )


def _make_trial(visit: _Visit) -> Registration:
    """An unclaimed account: money once, at its opening; keys as many as one inviter may make."""
    _refuse_too_many(
        visit,
        limit_name="max_trial_keys_per_inviter",
        states=(KeyState.ACTIVE, KeyState.REVOKED),
    )
    if visit.is_new:
        trials.grant(
            visit.tools.session,
            visit.tools.digester,
            visit.tools.settings,
            user=visit.user,
            source=visit.source,
            actor=visit.caller.actor,
        )
    new = NewKey(
        name=visit.call.key_name,
        scope=KeyScope.TRIAL,
        origin=visit.origin,
        inviter_id=visit.inviter.user_id,
    )
    issued = _issue(visit, new)
    _mail_claim(visit)
    return _answer(
        visit, issued.key, secret=issued.secret, balance_nanos=_balance(visit, issued.key)
    )


def _make_pending(visit: _Visit) -> Registration:
    """A claimed account: the key spends nothing until its owner approves it."""
    _refuse_too_many(visit, limit_name="max_pending_keys_per_inviter", states=(KeyState.PENDING,))
    new = NewKey(
        name=visit.call.key_name,
        scope=KeyScope.TRIAL,
        origin=visit.origin,
        state=KeyState.PENDING,
        inviter_id=visit.inviter.user_id,
    )
    issued = _issue(visit, new)
    _mail_owner(visit, issued.key)
    return _answer(visit, issued.key, secret=issued.secret, balance_nanos=0)


def _known_key(visit: _Visit, key: ApiKey) -> Registration:
    """The name is taken: no secret, and of the money what a stranger may know."""
    if not visit.user.is_claimed and key.state is KeyState.ACTIVE:
        _mail_claim(visit)
    return _answer(visit, key, secret=None, balance_nanos=_balance(visit, key))


def _reissue(visit: _Visit, key: ApiKey) -> Registration:
    """A lost answer, repaired: the signer's own key of that name gets a new secret.

    A same-named key that somebody made anonymously in the signer's name is replaced alike.
    """
    if not _is_inviters_own(key, visit.inviter):
        raise KeyNameTaken(field="key_name")
    issued = keys.replace_secret(
        visit.tools.session,
        visit.tools.digester,
        key=key,
        origin=KeyOrigin.SIGNED,
        actor=visit.caller.actor,
    )
    _mail_claim(visit)
    return _answer(visit, key, secret=issued.secret, balance_nanos=_balance(visit, key))


def _is_inviters_own(key: ApiKey, inviter: Partner) -> bool:
    """A live trial key that came of a register call which named this inviter."""
    return (
        key.inviter_id == inviter.user_id
        and key.state is KeyState.ACTIVE
        and key.scope is KeyScope.TRIAL
        and key.origin in (KeyOrigin.ANONYMOUS, KeyOrigin.SIGNED)
    )


def _refuse_too_many(visit: _Visit, *, limit_name: str, states: tuple[KeyState, ...]) -> None:
    count = keys.count_of_inviter(
        visit.tools.session,
        user_id=visit.user.id,
        inviter_id=visit.inviter.user_id,
        states=states,
    )
    if count >= visit.tools.settings[limit_name]:
        raise TooManyKeys(field="key_name")


def _issue(visit: _Visit, new: NewKey) -> IssuedKey:
    return keys.issue(
        visit.tools.session,
        visit.tools.digester,
        user=visit.user,
        new=new,
        actor=visit.caller.actor,
    )


def _balance(visit: _Visit, key: ApiKey) -> int:
    """What the key may spend, as far as this caller may know: paid money is the owner's to see."""
    if key.state is not KeyState.ACTIVE:
        return 0
    wallet = ledger.look(in_session(visit.tools.session), user_id=visit.user.id)
    return wallet.available(key.scope if visit.caller.owner_key is not None else KeyScope.TRIAL)


def _mail_claim(visit: _Visit) -> None:
    claiming.mail_onboarded(
        visit.tools.session,
        visit.tools.digester,
        visit.tools.settings,
        user=visit.user,
        inviter=visit.inviter,
        source=visit.source,
        language=visit.language,
        base_url=visit.tools.base_url,
        actor=visit.caller.actor,
    )


def _mail_owner(visit: _Visit, key: ApiKey) -> None:
    """Once a day at most, however many keys wait."""
    user, now = visit.user, clock.now()
    mailed_at = user.approval_mailed_at
    if mailed_at is not None and mailed_at > now - APPROVAL_MAIL_PAUSE:
        return
    user.approval_mailed_at = now
    queue(
        visit.tools.session,
        message=MailMessage.KEY_WAITING,
        recipient=user.email,
        language=user.language or visit.tools.default_language,
        values={
            "inviter_id": visit.inviter.user_id,
            "inviter_name": membership.approved_name(visit.tools.session, visit.inviter.user_id),
            "keys_url": f"{visit.tools.base_url}/account/keys",
            "gone_at": key.created_at + timedelta(days=visit.tools.settings["pending_key_days"]),
        },
    )


def _answer(visit: _Visit, key: ApiKey, *, secret: str | None, balance_nanos: int) -> Registration:
    """To all but the owner, nothing about the person that the caller did not send."""
    call = visit.call
    is_owner = visit.caller.owner_key is not None
    return Registration(
        user_id=visit.user.id,
        email=call.email,
        nickname=visit.user.nickname if is_owner else local_part(call.email),
        inviter_id=call.inviter_id,
        key_id=key.id,
        key_name=call.key_name,
        key_prefix=key.prefix,
        secret=secret,
        balance_nanos=balance_nanos,
        is_new_user=visit.is_new,
    )
