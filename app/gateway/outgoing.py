"""The request to a provider: the client's bytes with the few edits that a route asks for."""

import json
from typing import Any

from app.core.crypto import Digester
from app.domain.billing.bound import output_limit_to_send
from app.domain.channels.models import StreamUsage
from app.domain.channels.offers import Route
from app.gateway.call import Call
from app.gateway.envelope import Envelope
from app.gateway.model_facts import facts_of

_SALTED = ("user", "prompt_cache_key")


def body_for(call: Call, route: Route, *, digester: Digester, asks_usage: bool) -> bytes:
    """The body to send by this route; the very same bytes where nothing must change."""
    envelope = call.envelope
    replace, cut = _usage_edits(envelope, asks_usage=asks_usage)
    if route.upstream_name != envelope.model_name:
        replace["model"] = json.dumps(route.upstream_name).encode()
    limit = output_limit_to_send(call.bound.chosen_output_limit, facts_of(call.offer, route))
    if limit is not None:
        replace[route.limit_field.value] = str(limit).encode()
    for member in _SALTED:
        value = envelope.document.get(member)
        if isinstance(value, str):
            replace[member] = _salted(call.caller.user_id, member, value, digester)
    if route.knows_service_tier and envelope.document.get("service_tier") in (None, "auto"):
        replace["service_tier"] = b'"default"'
    if route.knows_safety_identifier:
        replace["safety_identifier"] = _salted(call.caller.user_id, "safety", "", digester)
    if envelope.wants_base64 and not route.base64_embeddings:
        replace["encoding_format"] = b'"float"'
    return envelope.document.edited(replace, cut)


def asks_for_usage(envelope: Envelope, route: Route) -> bool:
    """Whether the request to this channel says ``include_usage``, be it the client's wish or not.

    A channel that reports unasked, or never does, may refuse to be asked; a client that asked gets
    its usage from us.
    """
    return envelope.is_streamed and route.stream_usage is StreamUsage.ASK


def _usage_edits(
    envelope: Envelope, *, asks_usage: bool
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """``include_usage`` set or taken out, with what to cut; other stream options stay."""
    if not envelope.is_streamed or asks_usage == envelope.wants_usage:
        return {}, ()
    options: dict[str, Any] = dict(envelope.document.get("stream_options") or {})
    options.pop("include_usage", None)
    if asks_usage:
        options["include_usage"] = True
    if not options:
        return {}, ("stream_options",)
    # Not orjson: it refuses large numbers and half characters, which pass here like anything else.
    return {"stream_options": json.dumps(options, separators=(",", ":")).encode()}, ()


def _salted(user_id: int, member: str, value: str, digester: Digester) -> bytes:
    """A stand-in that is the same for one user and value, and tells a provider nothing."""
    text = value.encode("utf-8", "surrogatepass").hex()
    return f'"{digester.digest("at-provider", f"{user_id}:{member}:{text}")[:32]}"'.encode()
