"""How the turn of a breaker reads to somebody who asks whether calls go through."""

from collections.abc import Mapping
from types import MappingProxyType

from app.domain.channels.models import BreakerTurn

STANDING: Mapping[BreakerTurn, str] = MappingProxyType(
    {
        BreakerTurn.CLOSED: "serves",
        BreakerTurn.OPEN: "rests",
        BreakerTurn.HALF_OPEN: "is tried",
    }
)
