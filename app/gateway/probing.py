"""What the serving process asks of channels on its own: of those that seem dead, and of those that
have rested and that nobody tries.

One customer's request can look as if the account were closed. So the attempt that failed only
raises a suspicion; a request of our own by the same channel decides. Called by a thread, each
second.
"""

import logging

from sqlalchemy.orm import Session

from app.domain.alerts.kinds import AlertKind
from app.domain.alerts.raising import raise_alert
from app.domain.audit import SYSTEM, AuditAction, record
from app.domain.channels.buying import set_enabled
from app.domain.channels.models import Channel
from app.domain.channels.offers import Offer, Route
from app.gateway.gateway import Gateway
from app.gateway.health import Suspicion
from app.gateway.probe import PROBES, ProbeResult, probe
from app.gateway.provider_errors import Sort

log = logging.getLogger(__name__)


def probe_channels(gateway: Gateway) -> None:
    """All there is to ask now."""
    probe_suspects(gateway)
    probe_idle(gateway)


def probe_suspects(gateway: Gateway) -> None:
    """Probe each channel that seems dead; disable it, or clear it of the suspicion.

    Commits each verdict by itself. A channel that fails in another way is left to its breaker.
    """
    for suspicion in gateway.health.take_suspicions():
        told: dict[str, object] = {
            "channel": suspicion.route.channel_name,
            "outcome": suspicion.outcome,
        }
        found = _cheapest(gateway, suspicion)
        if found is None:
            log.warning("a channel seems dead; none of its models can be probed", extra=told)
            continue
        offer, route = found
        result = probe(gateway, route, kind=offer.kind, model_name=offer.name)
        told |= {"is_ok": result.is_ok, "word": result.word}
        log.warning("a channel that seems dead was probed", extra=told)
        if result.is_ok:
            gateway.health.cleared(suspicion.route, suspicion.model_id)
        elif result.sort is Sort.DEAD:
            _disable(gateway, route, result)


def probe_idle(gateway: Gateway) -> None:
    """Try one of the channels whose pause is long over, as the one call that may: where customers
    stay away, nobody else would find out that it works again. One a round: a silent provider of
    many models takes its time for each, and whoever seems dead meanwhile must not wait for all."""
    pairs = gateway.health.overdue()
    if not pairs:
        return
    for offer in gateway.offers.offers().values():
        for route in offer.routes:
            is_meant = (route.channel_id, offer.model_id) in pairs and offer.kind in PROBES
            if is_meant and gateway.health.begin(route, offer.model_id):
                _try(gateway, offer, route)
                return


def _try(gateway: Gateway, offer: Offer, route: Route) -> None:
    result = probe(gateway, route, kind=offer.kind, model_name=offer.name)
    if result.is_ok:
        gateway.health.succeeded(route, offer.model_id)
        return
    gateway.health.failed(
        route,
        offer.model_id,
        # Our own request is no customer's fault, whatever the provider says.
        sort=Sort.DEAD if result.sort is Sort.DEAD else Sort.ELSEWHERE,
        outcome=result.word or "probe",
    )


def _cheapest(gateway: Gateway, suspicion: Suspicion) -> tuple[Offer, Route] | None:
    """The model under suspicion by the channel as it is now; another of its models where that
    cannot be probed. None where the channel is gone, was changed since, or sells only pictures."""
    channel_id = suspicion.route.channel_id
    found = [
        (offer, route)
        for offer in gateway.offers.offers().values()
        if offer.kind in PROBES
        for route in offer.routes
        if route.channel_id == channel_id and route.way == suspicion.route.way
    ]
    return min(found, key=lambda entry: entry[0].model_id != suspicion.model_id, default=None)


def _disable(gateway: Gateway, route: Route, result: ProbeResult) -> None:
    """In force within a second in every process."""
    with Session(gateway.engine) as session:
        channel = session.get(Channel, route.channel_id)
        if channel is None or not channel.is_enabled:
            return
        set_enabled(session, channel=channel, is_enabled=False)
        record(
            session,
            actor=SYSTEM,
            action=AuditAction.CHANNEL_DISABLED,
            details={"channel": channel.name, "word": result.word, "status": result.status},
        )
        raise_alert(
            session,
            kind=AlertKind.CHANNEL_DEAD,
            subject=channel.name,
            message=f"Our own request failed too. {result.sentence}",
        )
        session.commit()
    log.error("a dead channel was disabled", extra={"channel": route.channel_name})
