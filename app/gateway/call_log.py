"""The line of each request to ``/v1`` in the log, and its count.

Whoever comes to know something of a call notes it in `Inbound.facts`; the line is written when the
answer is over, a stream's at its end. Nothing that a client sent is in it but its own label. An IP
is not either: the key says who it was, and a log is kept longer than an IP should be.
"""

from typing import Any

import orjson

from app.core import logs
from app.core.money import format_usd
from app.domain.billing.settle import CallRecord, Settled
from app.gateway.call import Call
from app.gateway.charge import Charge
from app.gateway.inbound import Inbound, Reply
from app.gateway.measures import OK, Measures
from app.gateway.protocols import PROTOCOLS

_PROTOCOL_NAMES = {protocol.path: protocol.name for protocol in PROTOCOLS}


def note_posted(
    measures: Measures, call: Call, record: CallRecord, *, bill: Charge, settled: Settled
) -> None:
    """A call was charged."""
    measures.posted(call, record, bill=bill, settled=settled)
    facts = _note_settled(call, record)
    assert record.units is not None
    facts["units"] = orjson.Fragment(record.units)
    facts["cost_usd"] = format_usd(settled.cost_nanos)
    if bill.is_estimated:
        facts["is_estimated"] = True
    if record.first_content_ms is not None:
        facts["first_content_ms"] = record.first_content_ms


def note_voided(measures: Measures, call: Call, record: CallRecord) -> None:
    """A call's hold went back."""
    measures.voided(call, record)
    _note_settled(call, record)


def end(measures: Measures, inbound: Inbound, reply: Reply) -> None:
    """An answer of known bytes goes out. What was not settled was refused: it is counted here."""
    if not inbound.is_settled:
        protocol = _PROTOCOL_NAMES.get(inbound.environ["PATH_INFO"])
        outcome = inbound.facts.setdefault("outcome", OK)
        if protocol is not None:
            inbound.facts["protocol"] = protocol
            model = inbound.facts.get("model", "")
            measures.refused(protocol=protocol, model=model, status=reply.status, outcome=outcome)
    write(inbound, status=reply.status)


def write(inbound: Inbound, *, status: int) -> None:
    """The one line. For a stream: at its end, with the status it began with."""
    label = inbound.client_request_id
    if label:
        inbound.facts["client_request_id"] = label
    logs.write_request(
        request_id=inbound.request_id,
        method=inbound.environ["REQUEST_METHOD"],
        path=inbound.environ["PATH_INFO"],
        status=status,
        started_s=inbound.started_s,
        facts=inbound.facts,
    )


def _note_settled(call: Call, record: CallRecord) -> dict[str, Any]:
    inbound = call.inbound
    inbound.is_settled = True
    facts = inbound.facts
    facts["protocol"] = call.protocol.name
    facts["model"] = call.offer.name
    if call.route is not None:
        facts["channel"] = call.route.channel_name
    facts["is_streamed"] = call.envelope.is_streamed
    facts["outcome"] = record.reason or OK
    if record.attempts is not None:
        facts["attempts"] = orjson.Fragment(record.attempts)
    return facts
