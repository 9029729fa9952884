"""Checks of what the database holds: who runs it, what is sold, whether the books agree."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from flask_security.utils import verify_password
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.cli import demonstration
from app.cli.doctor.values import Finding, Patient, fail, ok, skip, some_of, warn
from app.core import clock, ids
from app.core.crypto import SealBroken
from app.domain.accounts.models import Role, User, WebAuthn
from app.domain.accounts.roles import RoleName
from app.domain.alerts import open_alerts
from app.domain.audit import AuditAction
from app.domain.audit.models import AuditEntry
from app.domain.billing.models import Call, CallState
from app.domain.billing.verify import examine
from app.domain.channels.costs import channel_costs, dearest_enabled
from app.domain.channels.margins import shortfalls
from app.domain.channels.models import Channel
from app.domain.channels.offers import Offer, Route
from app.domain.mail import transport_for
from app.domain.mail.models import OutboxMail
from app.domain.mail.outbox import GIVE_UP_AFTER
from app.domain.payments.models import Voucher
from app.gateway import PROBES, probe_channel

RATE_AGE = timedelta(days=30)
MAIL_PATIENCE = timedelta(hours=1)
CHANNEL_AGE = timedelta(hours=24)
BACKUP_AGE = timedelta(hours=26)

NOTORIOUS = ("admin", "password", "123456", "12345678", "changeme", "flowhub", "letmein")
BANK = ("bank_name", "bank_account_number", "bank_account_holder")
LEGAL = ("legal_name", "legal_tax_code", "legal_address")
RATES = ("rate_cny", "rate_vnd")


def demonstration_gone(patient: Patient) -> Finding:
    accounts = select(func.count()).where(
        User.email.in_((demonstration.ADMIN_EMAIL, demonstration.USER_EMAIL)), User.active
    )
    is_left = (
        demonstration.is_there(patient.session)
        or demonstration.has_active_partner(patient.session)
        or patient.session.scalar(accounts)
    )
    return fail("it is there, with its accounts and its sandbox") if is_left else ok("not there")


def admin(patient: Patient) -> Finding:
    """Somebody can sign in to the desk, and not by a password that anybody would try."""
    found = patient.session.scalars(
        select(User)
        .join(User.roles)
        .where(
            Role.name == RoleName.ADMIN.value,
            User.active,
            User.claimed_at.is_not(None),
            User.email != demonstration.ADMIN_EMAIL,
        )
    ).all()
    able = [user for user in found if user.password is not None or _has_passkey(patient, user)]
    if not able:
        return fail("no admin but the demonstration's can sign in")
    weak = [user.email for user in able if _is_weak(user)]
    if weak:
        return fail(f"a notorious password opens {some_of(weak)}")
    return ok(some_of([user.email for user in able]))


def mail_server(patient: Patient) -> Finding:
    if not patient.boot["SMTP_URL"]:
        return fail("SMTP_URL is empty: nobody gets a link to claim an account with")
    try:
        transport_for(patient.boot)
    except ValueError:
        return fail("SMTP_URL cannot be read")
    if "@localhost" in patient.boot["MAIL_FROM"]:
        return fail("MAIL_FROM is still the example")
    return ok("SMTP_URL and MAIL_FROM are set")


def outbox(patient: Patient) -> Finding:
    if not patient.boot["SMTP_URL"]:
        return skip("no mail is sent")
    unsent = select(func.count()).where(OutboxMail.sent_at.is_(None))
    given_up = patient.session.scalar(unsent.where(OutboxMail.attempts >= GIVE_UP_AFTER))
    stuck = patient.session.scalar(
        unsent.where(
            OutboxMail.attempts < GIVE_UP_AFTER,
            OutboxMail.created_at < clock.now() - MAIL_PATIENCE,
        )
    )
    last = patient.session.scalar(select(func.max(OutboxMail.sent_at)))
    if stuck:
        return fail(f"{stuck} mails have waited for more than an hour")
    if given_up:
        return warn(f"{given_up} mails were refused for good")
    return warn("no mail was sent within a week") if last is None else ok(f"last mail {_at(last)}")


def rates(patient: Patient) -> Finding:
    set_at = {name: patient.settings.set_at(name) for name in RATES}
    unset = [name for name, moment in set_at.items() if moment is None]
    if unset:
        return warn(f"{', '.join(unset)} is the example that came with the program")
    old = [
        f"{name} of {moment:%Y-%m-%d}"
        for name, moment in set_at.items()
        if moment is not None and moment < clock.now() - RATE_AGE
    ]
    return warn(f"{', '.join(old)} is older than 30 days") if old else ok("set within 30 days")


def provider_keys(patient: Patient) -> Finding:
    """Every enabled channel's key can be opened: where SEALING_KEYS changed, it sells nothing."""
    shut = []
    for channel in patient.session.scalars(select(Channel).where(Channel.is_enabled)):
        try:
            patient.services.sealer.open(channel.sealed_key)
        except SealBroken:
            shut.append(channel.name)
    return fail(f"SEALING_KEYS do not open {some_of(shut)}") if shut else ok("each can be opened")


def models_sold(patient: Patient) -> Finding:
    count = len(patient.sold)
    return ok(f"{count} are sold") if count else fail("no model can be sold")


def below_cost(patient: Patient) -> Finding:
    """No sellable model is dearer to buy, on any enabled channel, than it is sold."""
    costs = channel_costs(patient.session)
    below = []
    for offer in patient.sold:
        price = offer.prices.in_force(clock.now_ms())
        cost = dearest_enabled(costs.get(offer.model_id, ()))
        if price is not None and cost is not None and shortfalls(price.sheet, cost):
            below.append(offer.name)
    return fail(f"below cost: {some_of(below)}") if below else ok("no price is below a known cost")


def unknown_cost(patient: Patient) -> Finding:
    costs = channel_costs(patient.session)
    unknown = [
        offer.name
        for offer in patient.sold
        if any(each.is_enabled and each.sheet is None for each in costs.get(offer.model_id, ()))
    ]
    if unknown:
        return warn(f"no cost price for {some_of(unknown)}")
    return ok("every channel's cost is known") if patient.sold else skip("nothing is sold")


def channels(patient: Patient) -> Finding:
    """Every channel but the sandbox's answered lately, or answers a probe now."""
    routes = _real_routes(patient.sold)
    if not routes:
        return fail("no provider's channel serves a model that is sold")
    if patient.may_probe:
        silent = [name for name, served in routes.items() if not _answers(patient, *served)]
        how = "a probe"
    else:
        answered = _answered_since(patient.session, clock.now() - CHANNEL_AGE)
        silent = [name for name, (_, route) in routes.items() if route.channel_id not in answered]
        how = "a request within 24 hours"
    if len(silent) == len(routes):
        return fail(f"none answered {how}: {some_of(silent)}")
    if silent:
        return warn(f"did not answer {how}: {some_of(silent)}")
    return ok(f"{len(routes)} answered {how}")


def payment(patient: Patient) -> Finding:
    if all(patient.settings[name] for name in BANK):
        return ok("bank transfer")
    vouchers = patient.session.scalar(
        select(func.count()).where(Voucher.redeemed_at.is_(None), Voucher.cancelled_at.is_(None))
    )
    if vouchers:
        return ok(f"{vouchers} vouchers, no bank account")
    return warn("nobody can pay: no bank account, no vouchers")


def legal_identity(patient: Patient) -> Finding:
    missing = [name for name in LEGAL if not patient.settings[name]]
    return warn(f"empty: {', '.join(missing)}") if missing else ok(patient.settings["legal_name"])


def contact(patient: Patient) -> Finding:
    email: str = patient.settings["contact_email"]
    return ok(email) if email else warn("contact_email is empty")


def backup(patient: Patient) -> Finding:
    last = patient.session.scalar(
        select(func.max(AuditEntry.at)).where(AuditEntry.action == AuditAction.BACKUP_MADE.value)
    )
    if last is None:
        return warn("none is on record")
    if last < clock.now() - BACKUP_AGE:
        return warn(f"the last one is of {_at(last)}")
    return ok(f"made {_at(last)}")


def ledger(patient: Patient) -> Finding:
    with Session(patient.services.engine) as session:
        results = examine(session)
    drifting = [result.check for result in results if result.drifts]
    if drifting:
        return fail(f"the books drift: {some_of(drifting)}")
    return ok(f"{len(results)} proofs hold")


def alerts(patient: Patient) -> Finding:
    found = open_alerts(patient.session)
    if not found:
        return ok("none is open")
    kinds = sorted({alert.kind for alert in found})
    return warn(f"{len(found)} open: {some_of(kinds)}")


def _has_passkey(patient: Patient, user: User) -> bool:
    owned = select(WebAuthn.id).where(WebAuthn.user_id == user.id).limit(1)
    return patient.session.scalar(owned) is not None


def _is_weak(user: User) -> bool:
    tried = (*NOTORIOUS, user.email, user.email.partition("@")[0])
    return user.password is not None and any(verify_password(word, user.password) for word in tried)


def _real_routes(sold: Sequence[Offer]) -> dict[str, tuple[Offer, Route]]:
    """A route of each channel but the sandbox's, by its name: one that can be probed, if any."""
    routes: dict[str, tuple[Offer, Route]] = {}
    for offer in sorted(sold, key=lambda offer: offer.kind not in PROBES):
        for route in offer.routes:
            if route.channel_name != demonstration.CHANNEL:
                routes.setdefault(route.channel_name, (offer, route))
    return routes


def _answered_since(session: Session, since: datetime) -> set[int | None]:
    """Ids are time-ordered: a range of the primary key."""
    answered = select(Call.channel_id).where(
        Call.id >= ids.first_id_at(clock.ms_of(since)),
        Call.state == CallState.POSTED,
        Call.status == 200,
        Call.reason.is_(None),
    )
    return set(session.scalars(answered.distinct()))


def _answers(patient: Patient, offer: Offer, route: Route) -> bool:
    if offer.kind not in PROBES:
        return False
    gateway = patient.services.gateway
    return probe_channel(gateway, route, kind=offer.kind, model_name=offer.name).is_ok


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
