"""The operations under ``/v1``, and the quote, which reads what a call would read."""

from typing import Any

from app import gateway
from app.api.openapi import examples
from app.api.openapi.api_operations import BODY_ERRORS, KEY_ERRORS, UNKNOWN_ENDPOINT_ERRORS
from app.api.openapi.api_schemas import enveloped
from app.api.openapi.operations import (
    STREAM,
    Answer,
    Body,
    Dialect,
    Errors,
    Operation,
    Parameter,
    Tag,
    errors_of,
)
from app.api.openapi.shapes import Schema, ref, text
from app.core.errors import TooManyRequests, UpstreamFailed, UpstreamTimeout
from app.core.moments import InvalidMoment
from app.core.query_parameters import InvalidQuery
from app.domain.billing import errors as billing
from app.domain.billing.request_shape import ConflictingOutputLimits, InvalidCount
from app.domain.catalog.errors import ModelUnknown

_RECEIPT_HEADERS = {
    "X-Cost-Usd": "What the request cost.",
    "X-Balance-Usd": "What is left, as far as this key may know.",
}

# Of an event's fields: a stream has no schema of its own in OpenAPI 3.1.
STREAMED: Schema = {
    "description": "Server-sent events: `data:` holds a chunk of the answer, `data: [DONE]` ends "
    "it. With `stream_options.include_usage` the last chunk says what it cost."
}

_LABEL = Parameter(
    "X-Client-Request-Id", "header", text(maxLength=128), "A label of your own, kept as it is."
)


def call_operations() -> tuple[Operation, ...]:
    """Every operation of the gateway; its errors are found where it defines them."""
    return (
        *(_call(protocol) for protocol in gateway.PROTOCOLS),
        *_listings(),
        *_dashboards("/v1/dashboard/billing", ("show_subscription", "show_billed_usage")),
        *_dashboards("/dashboard/billing", ("bare_subscription", "bare_usage")),
        _quote(),
    )


def _judging_errors() -> Errors:
    """What a request may be refused for before anything is held."""
    return (
        *KEY_ERRORS,
        *BODY_ERRORS,
        *errors_of("app.gateway"),
        InvalidCount,
        ConflictingOutputLimits,
        ModelUnknown,
        TooManyRequests,
    )


_CALLS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "chat": ("ChatRequest", "ChatCompletion", examples.CHAT, examples.CHAT_ANSWER),
    "embeddings": (
        "EmbeddingsRequest", "Embeddings", examples.EMBEDDINGS, examples.EMBEDDINGS_ANSWER
    ),
    "images": ("ImagesRequest", "Images", examples.IMAGES, examples.IMAGES_ANSWER),
}  # fmt: skip

_SUMMARIES = {
    "chat": "Answer a conversation, whole or as a stream",
    "embeddings": "Embed texts",
    "images": "Make pictures",
}


def _call(protocol: gateway.Protocol) -> Operation:
    asked, answered, request, answer = _CALLS[protocol.name]
    answers = [
        Answer(200, "The answer.", ref(answered), answer, headers=_RECEIPT_HEADERS),
    ]
    if protocol.streams:
        answers.append(
            Answer(200, "The answer.", STREAMED, media_type=STREAM),
        )
    return Operation(
        endpoint=f"gateway.{protocol.name}",
        method="POST",
        path=protocol.path,
        tag=Tag.CALLS,
        summary=_SUMMARIES[protocol.name],
        description="OpenAI's format. The most it can cost is held first; what it did not use "
        "returns, and what failed before any content costs nothing.",
        dialect=Dialect.OPENAI,
        parameters=(_LABEL,),
        body=Body(ref(asked), request),
        answers=tuple(answers),
        errors=(
            *_judging_errors(),
            billing.InsufficientBalance,
            billing.KeyCapReached,
            billing.TooManyRunning,
            UpstreamFailed,
            UpstreamTimeout,
        ),
    )


def _listings() -> tuple[Operation, ...]:
    errors = (*KEY_ERRORS, *_credential_errors())
    return (
        Operation(
            endpoint="gateway.list_models",
            method="GET",
            path="/v1/models",
            tag=Tag.CALLS,
            summary="The models that this key may use",
            description="What is sold now.",
            dialect=Dialect.OPENAI,
            answers=(Answer(200, "The models.", ref("ModelList"), examples.MODELS),),
            errors=errors,
        ),
        Operation(
            endpoint="gateway.show_model",
            method="GET",
            path="/v1/models/{model}",
            tag=Tag.CALLS,
            summary="One model",
            description="404 also for one that this key may not use. An id may hold slashes.",
            dialect=Dialect.OPENAI,
            parameters=(
                Parameter("model", "path", text(minLength=1), "Its id.", is_required=True),
            ),
            answers=(Answer(200, "The model.", ref("Model"), examples.MODEL),),
            errors=(*errors, ModelUnknown),
        ),
    )


def _dashboards(prefix: str, endpoints: tuple[str, str]) -> tuple[Operation, ...]:
    errors = (*KEY_ERRORS, *_credential_errors(), TooManyRequests, InvalidQuery)
    subscription, usage = endpoints
    day = {"type": "string", "format": "date"}
    return (
        Operation(
            endpoint=f"gateway.{subscription}",
            method="GET",
            path=f"{prefix}/subscription",
            tag=Tag.QUERIES,
            summary="The limit, as older chat clients read it",
            description="For new programs: `GET /api/user/balance`.",
            dialect=Dialect.OPENAI,
            answers=(Answer(200, "The limit.", ref("BillingSubscription"), examples.SUBSCRIPTION),),
            errors=errors,
        ),
        Operation(
            endpoint=f"gateway.{usage}",
            method="GET",
            path=f"{prefix}/usage",
            tag=Tag.QUERIES,
            summary="The usage, as older chat clients read it",
            description="This key's alone. Without dates, this month's up to today (UTC). For new "
            "programs: `GET /api/usage`.",
            dialect=Dialect.OPENAI,
            parameters=(
                Parameter("start_date", "query", day, "The first day."),
                Parameter("end_date", "query", day, "The last day, at most 100 days later."),
            ),
            answers=(Answer(200, "The usage.", ref("BillingUsage"), examples.BILLED_USAGE),),
            errors=(*errors, InvalidMoment, *_parameter_errors()),
        ),
    )


def _quote() -> Operation:
    return Operation(
        endpoint="api.quote",
        method="POST",
        path="/api/quote",
        tag=Tag.QUERIES,
        summary="What would this request cost me?",
        description="By the rules of the call itself, but nothing is held, sent or written. The "
        "very bytes of `request` are measured: sent with other spaces, the call may hold a little "
        "more or less. 60 a minute for each key; at most 1 MiB.",
        dialect=Dialect.ENVELOPE,
        body=Body(ref("QuoteRequest"), examples.QUOTE_REQUEST),
        answers=(Answer(200, "The quote.", enveloped(ref("Quote")), examples.QUOTE),),
        errors=(*_judging_errors(), *UNKNOWN_ENDPOINT_ERRORS, billing.NoWallet),
    )


def _credential_errors() -> Errors:
    wanted = ("conflicting_credentials", "account_disabled")
    return tuple(error for error in errors_of("app.gateway") if error.reason in wanted)


def _parameter_errors() -> Errors:
    return tuple(error for error in errors_of("app.gateway") if error.reason == "invalid_parameter")
