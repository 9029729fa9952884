"""The ``/v1`` proxy. Neighbours and the app import from here alone."""

from app.gateway.gateway import Gateway
from app.gateway.inbound import Inbound
from app.gateway.lane import FlowHub, bp, open_lane
from app.gateway.model_lists import Provider, list_models
from app.gateway.probe import PROBES, ProbeResult
from app.gateway.probe import probe as probe_channel
from app.gateway.protocols import PROTOCOLS, Protocol
from app.gateway.quoting import Quote, quote

__all__ = [
    "PROBES",
    "PROTOCOLS",
    "FlowHub",
    "Gateway",
    "Inbound",
    "ProbeResult",
    "Protocol",
    "Provider",
    "Quote",
    "bp",
    "list_models",
    "open_lane",
    "probe_channel",
    "quote",
]
