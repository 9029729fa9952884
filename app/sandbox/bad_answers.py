"""Misbehaviours of the answer as such: errors, redirects, other names, members too many."""

from dataclasses import replace
from typing import Any

from app.sandbox.bad_frames import map_frames
from app.sandbox.draft import Document, Draft, Framing, encode_json
from app.sandbox.embeddings import floats_of
from app.sandbox.errors import error_document
from app.sandbox.wish import Wish

REJECTED = "stream_options.include_usage"
COST = 0.000123


def status(draft: Draft, wish: Wish) -> Draft:
    """An error with the status, or `body` as given: text goes out as text, the rest as JSON."""
    code = wish.status or 500
    document = error_document(code, wish.message, code=wish.code)
    headers = (("Retry-After", wish.retry_after),) if wish.retry_after is not None else ()
    body = document if wish.body is None else wish.body
    return replace(_answering(draft, body), status=code, headers=(*draft.headers, *headers))


def redirect(draft: Draft, wish: Wish) -> Draft:
    is_redirect = wish.status is not None and 300 <= wish.status < 400
    answer = _answering(draft, "Moved, says the sandbox.")
    return replace(
        answer,
        status=wish.status if wish.status is not None and is_redirect else 302,
        headers=(*draft.headers, ("Location", wish.location)),
    )


def reject_stream_options(draft: Draft, _wish: Wish) -> Draft:
    if "stream_options" not in draft.document:
        return draft
    error = error_document(
        400, f"Unknown parameter: '{REJECTED}'.", field=REJECTED, code="unknown_parameter"
    )
    return replace(_answering(draft, error), status=400)


def error_after_200(draft: Draft, wish: Wish) -> Draft:
    """The error as OpenAI words it, or the object given as `body`."""
    made = error_document(wish.status or 500, wish.message, code=wish.code)
    error = wish.body if isinstance(wish.body, dict) else made
    return replace(draft, events=(error,), usage=None, ends_with_done=False)


def another_model(draft: Draft, wish: Wish) -> Draft:
    return map_frames(
        draft,
        lambda document: {**document, "model": wish.model} if "model" in document else document,
    )


def extra_members(draft: Draft, _wish: Wish) -> Draft:
    """What OpenRouter, xAI and Groq add; x_groq repeats the usage one level down."""

    def extended(document: Document) -> Document:
        more: dict[str, Any] = {"provider": "Sandbox Cloud", "x_groq": {"id": "req_sandbox"}}
        usage = document.get("usage")
        if isinstance(usage, dict):
            more["x_groq"] = {"id": "req_sandbox", "usage": usage}
            details = {"upstream_inference_cost": COST}
            costs = {"cost": COST, "is_byok": False, "cost_details": details}
            more["usage"] = {**usage, **costs, "cost_in_usd_ticks": 1_230_000}
        return {**document, **more}

    return map_frames(draft, extended)


def floats(draft: Draft, _wish: Wish) -> Draft:
    """Embeddings as arrays of numbers, whatever encoding_format says."""

    def as_floats(document: Document) -> Document:
        if "data" not in document:
            return document
        return {**document, "data": [_as_floats(item) for item in document["data"]]}

    return map_frames(draft, as_floats)


def _as_floats(item: Document) -> Document:
    vector = item.get("embedding")
    return {**item, "embedding": floats_of(vector)} if isinstance(vector, str) else item


def _answering(draft: Draft, body: Any) -> Draft:
    """The draft turned into a body that is not streamed."""
    is_text = isinstance(body, str)
    return replace(
        draft,
        events=(body.encode("utf-8", "replace") if is_text else encode_json(body),),
        is_stream=False,
        usage=None,
        framing=Framing.LENGTH,
        content_type="text/html; charset=utf-8" if is_text else "application/json",
    )
