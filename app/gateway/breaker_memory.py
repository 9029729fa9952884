"""What outlives the process of its breakers: their last turns, stored for people and for the next
start.
"""

import logging

from sqlalchemy.orm import Session

from app.core import clock
from app.core.errors import AppError
from app.domain.channels.states import breaker_states
from app.gateway.gateway import Gateway

log = logging.getLogger(__name__)


def store_turns(gateway: Gateway) -> None:
    """Store what turned since the last time. Where the database is out, it is tried again."""
    turns = list(gateway.health.take_turns())
    while turns:
        try:
            gateway.writer.submit(turns[-1])
        except AppError:
            log.exception("the turns of breakers were not stored")
            gateway.health.keep_turns(turns)
            return
        turns.pop()


def recall_turns(gateway: Gateway) -> None:
    """Start with the breakers open that were: the first call tries, the others go elsewhere."""
    with Session(gateway.engine) as session:
        stored = [view.state for view in breaker_states(session, is_troubled=True)]
    routes = {
        (route.channel_id, offer.model_id): route
        for offer in gateway.offers.offers().values()
        for route in offer.routes
    }
    for state in stored:
        route = routes.get((state.channel_id, state.model_id))
        if route is not None:
            opened_ms = clock.ms_of(state.opened_at or state.turned_at)
            gateway.health.recall(
                route, state.model_id, opened_ms=opened_ms, failure=state.last_failure
            )
