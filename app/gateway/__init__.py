"""The ``/v1`` proxy. Neighbours and the app import from here alone."""

from app.gateway.gateway import Gateway
from app.gateway.lane import FlowHub, bp, open_lane
from app.gateway.protocols import PROTOCOLS

__all__ = ["PROTOCOLS", "FlowHub", "Gateway", "bp", "open_lane"]
