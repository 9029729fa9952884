"""The shapes under ``/v1``: what we read and promise. Other members pass through unread, both ways,
so none of these objects is closed."""

from typing import Any

from app.api.openapi.shapes import (
    Schema,
    at_least,
    exactly,
    flag,
    many,
    maybe,
    number,
    one_of,
    ref,
    text,
    usd,
    whole,
)

_MODEL = text("An id of `GET /v1/models`.", minLength=1, maxLength=128)
_COUNT: dict[str, Any] = {"minimum": 1, "maximum": 1_000_000_000}

_OPENAI_ERROR = at_least(
    message=text("What to do, in English. May change: do not match it."),
    type=one_of(
        (
            "invalid_request_error", "authentication_error", "insufficient_balance",
            "permission_error", "rate_limit_error", "server_error",
        )
    ),
    param=maybe(text("The member at fault.")),
    code=text("A machine word. It stays."),
    optional={
        "needed_usd": usd("402: the most the request can cost."),
        "available_usd": usd("402: what this key may spend now."),
        "held_usd": usd("402: held by running requests."),
        "affordable_max_tokens": whole("402: the largest output limit that is affordable."),
    },
)  # fmt: skip

_USAGE = at_least(
    prompt_tokens=whole(minimum=0),
    total_tokens=whole(minimum=0),
    optional={
        "completion_tokens": whole(minimum=0),
        "cost_usd": usd("Streams: what the request cost."),
    },
)

_CHAT_MESSAGE = at_least(
    role=text("system, developer, user, assistant or tool."),
    optional={"content": {"description": "A text, or a list of parts: text, pictures, sounds."}},
)

CALL_SCHEMAS: dict[str, Schema] = {
    "OpenAIError": exactly("How `/v1` refuses: OpenAI's shape.", error=_OPENAI_ERROR),
    "ChatRequest": at_least(
        "Parameters that are not listed pass to the provider as they are, except those that would "
        "change what is billed or who answers: they are refused.",
        model=_MODEL,
        messages=many(_CHAT_MESSAGE, minItems=1),
        optional={
            "stream": maybe(flag()),
            "stream_options": maybe(at_least(optional={"include_usage": maybe(flag())})),
            "max_completion_tokens": maybe(whole("The output limit.", **_COUNT)),
            "max_tokens": maybe(whole("The same under its older name.", **_COUNT)),
            "n": maybe(whole("Answers to one request; each is billed.", **_COUNT)),
            "temperature": maybe(number()),
            "top_p": maybe(number()),
            "tools": maybe(many(at_least("Of type function or custom: they run at your side."))),
        },
    ),
    "ChatCompletion": at_least(
        choices=many(
            at_least(
                optional={
                    "index": whole(),
                    "message": at_least("The answer."),
                    "finish_reason": maybe(text()),
                }
            )
        ),
        optional={
            "id": text(),
            "object": text(),
            "created": whole(),
            "model": text("The id you asked for."),
            "usage": maybe(_USAGE),
        },
    ),
    "EmbeddingsRequest": at_least(
        model=_MODEL,
        input={"description": "A text, token ids, or a list of either."},
        optional={
            "encoding_format": maybe(one_of(("float", "base64"))),
            "dimensions": maybe(whole(**_COUNT)),
        },
    ),
    "Embeddings": at_least(
        data=many(
            at_least(
                embedding={
                    "anyOf": [
                        many(number()),
                        text("base64: little-endian 32-bit floats."),
                    ]
                },
                optional={"index": whole(), "object": text()},
            )
        ),
        optional={"object": text(), "model": text(), "usage": maybe(_USAGE)},
    ),
    "ImagesRequest": at_least(
        model=_MODEL,
        prompt=text(),
        optional={
            "n": maybe(whole("Pictures; each is billed.", **_COUNT)),
            "size": maybe(text("Such as 1024x1024; `auto` and none leave it to the model.")),
            "quality": maybe(text()),
        },
    ),
    "Images": at_least(
        data=many(
            at_least(optional={"b64_json": text(), "url": text("At the provider, for a while.")})
        ),
        optional={"created": whole(), "usage": maybe(at_least("Where it is sold by tokens."))},
    ),
    "Model": exactly(
        id=text(), object=text(const="model"), created=whole("Unix time."), owned_by=text()
    ),
    "ModelList": exactly(object=text(const="list"), data=many(ref("Model"))),
    "BillingSubscription": exactly(
        "What is left is `hard_limit_usd` less `total_usage` / 100 of the present month.",
        object=text(const="billing_subscription"),
        has_payment_method=flag("True: clients then count the usage of the calendar month."),
        soft_limit_usd=number(),
        hard_limit_usd=number(
            "What this key may still spend, and what it spent this calendar month (UTC)."
        ),
        system_hard_limit_usd=number(),
        access_until=whole("When the key expires, in Unix time; 0 for never."),
    ),
    "BillingUsage": exactly(
        object=text(const="list"),
        total_usage=number("In cents."),
        daily_costs=many(
            exactly(
                timestamp=number("Midnight (UTC), in Unix time."),
                line_items=many(exactly(name=text("A model."), cost=number("In cents."))),
            )
        ),
    ),
}
