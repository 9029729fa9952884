"""The alerts about channels: raised while the cause lasts, resolved by themselves when it is gone.

Looked at each minute, by what the breakers stored: whichever process saw it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.alerts.kinds import AlertKind
from app.domain.alerts.models import Alert
from app.domain.alerts.raising import SUBJECT_LENGTH, raise_alert, resolve
from app.domain.channels.models import Channel, ChannelModel
from app.domain.channels.offers import Offer
from app.domain.channels.states import StateView, breaker_states

BREAKER_PATIENCE = timedelta(minutes=5)
MODEL_PATIENCE = timedelta(minutes=1)
"""A short fault of the only channel is no reason to wake anybody."""

_Causes = Mapping[str, str]


def watch_channels(session: Session, offers: Collection[Offer]) -> None:
    """Raise and resolve `BREAKER_OPEN` and `MODEL_WITHOUT_CHANNEL`, and resolve `CHANNEL_DEAD` once
    the operator enabled the channel again; the caller commits.

    `offers` are the published models as the gateway sees them now.
    """
    served = {(route.channel_id, offer.model_id) for offer in offers for route in offer.routes}
    troubled = [
        view
        for view in breaker_states(session, is_troubled=True)
        if (view.state.channel_id, view.state.model_id) in served
    ]
    _settle(session, AlertKind.BREAKER_OPEN, _failing_channels(troubled))
    _settle(session, AlertKind.MODEL_WITHOUT_CHANNEL, _unserved(session, offers, troubled))
    _resolve_living(session)


def _resolve_living(session: Session) -> None:
    """A channel that is enabled again is dead no longer."""
    enabled = select(Channel.name).where(Channel.is_enabled)
    living = {name[:SUBJECT_LENGTH] for name in session.scalars(enabled)}
    for subject in living.intersection(_open_subjects(session, AlertKind.CHANNEL_DEAD)):
        resolve(session, kind=AlertKind.CHANNEL_DEAD, subject=subject)


def _failing_channels(troubled: Collection[StateView]) -> _Causes:
    return {
        f"{view.channel_name}/{view.model_name}": (
            f"Since {view.state.opened_at:%Y-%m-%d %H:%M} UTC; last failure: "
            f"{view.state.last_failure or 'unknown'}."
        )
        for view in troubled
        if _has_lasted(view, BREAKER_PATIENCE)
    }


def _unserved(
    session: Session, offers: Collection[Offer], troubled: Collection[StateView]
) -> _Causes:
    """Models that are or were on sale, and that no healthy channel serves."""
    failing = {
        (view.state.channel_id, view.state.model_id)
        for view in troubled
        if _has_lasted(view, MODEL_PATIENCE)
    }
    once_served = frozenset(session.scalars(select(ChannelModel.model_id).distinct()))
    at_ms = clock.now_ms()
    causes: dict[str, str] = {}
    for offer in offers:
        if not offer.is_for_sale(at_ms):
            continue
        if not offer.routes:
            if offer.model_id in once_served:
                causes[offer.name] = "None of its channels is enabled."
        elif all((route.channel_id, offer.model_id) in failing for route in offer.routes):
            names = ", ".join(sorted(route.channel_name for route in offer.routes))
            causes[offer.name] = f"All of its channels are failing: {names}."
    return causes


def _has_lasted(view: StateView, patience: timedelta) -> bool:
    opened_at = view.state.opened_at
    return opened_at is not None and clock.now() - opened_at >= patience


def _settle(session: Session, kind: AlertKind, causes: _Causes) -> None:
    """Raise what is, resolve what was."""
    current = {subject[:SUBJECT_LENGTH] for subject in causes}
    for subject in _open_subjects(session, kind):
        if subject not in current:
            resolve(session, kind=kind, subject=subject)
    for subject, message in causes.items():
        raise_alert(session, kind=kind, subject=subject, message=message)


def _open_subjects(session: Session, kind: AlertKind) -> Sequence[str]:
    is_open = select(Alert.subject).where(Alert.kind == kind.value, Alert.resolved_at.is_(None))
    return session.scalars(is_open).all()
