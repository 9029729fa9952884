"""The examples of the document; those of register and chat are the published page's."""

from typing import Any

Example = dict[str, Any]


def _enveloped(data: Example) -> Example:
    return {"code": 0, "message": "success", "data": data}


REGISTER: Example = {"email": "user@example.com", "inviter_id": 10001, "key_name": "goodhr"}

REGISTERED = _enveloped(
    {
        "user": {
            "id": 20001,
            "email": "user@example.com",
            "nickname": "user",
            "role": "user",
            "inviter_id": 10001,
        },
        "api_key": {"id": 30001, "name": "goodhr", "key": "sk-xxxx", "key_prefix": "sk-xxxx"},
        "balance": "0.2",
        "cny_balance": "1.44",
        "is_new_user": True,
    }
)

CHAT: Example = {
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": "Write a short product introduction"}],
}

CHAT_ANSWER: Example = {
    "id": "chatcmpl-xxx",
    "object": "chat.completion",
    "created": 1776746375,
    "model": "gpt-4o",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Here is the generated response"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 48, "total_tokens": 60},
}

EMBEDDINGS: Example = {"model": "text-embedding-3-small", "input": "A short text"}

EMBEDDINGS_ANSWER: Example = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.0123, -0.0456]}],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 3, "total_tokens": 3},
}

IMAGES: Example = {"model": "gpt-image-1", "prompt": "A red hat on a table", "size": "1024x1024"}

IMAGES_ANSWER: Example = {"created": 1776746375, "data": [{"b64_json": "iVBORw0KGgo="}]}

MODEL: Example = {
    "id": "gpt-4o", "object": "model", "created": 1776746375, "owned_by": "openai"
}  # fmt: skip

MODELS: Example = {"object": "list", "data": [MODEL]}

BALANCE = _enveloped(
    {"balance": "1.7", "trial": "0.2", "paid": "1.5", "held": "0", "cny_balance": "12.24"}
)

CURRENT_KEY = _enveloped(
    {
        "id": 30001,
        "name": "goodhr",
        "prefix": "sk-xxxx",
        "scope": "full",
        "state": "active",
        "created_at": "2026-11-24T09:30:00.000Z",
        "expires_at": None,
        "parent_id": None,
        "limits": {
            "cap_usd": "5",
            "cap_period": "month",
            "max_running": None,
            "requests_per_minute": 60,
            "tokens_per_minute": None,
            "models": ["gpt-4o"],
            "networks": None,
            "expires_at": None,
        },
        "cap": {
            "period": "2026-11",
            "limit_usd": "5",
            "spent_usd": "1.25",
            "held_usd": "0",
            "left_usd": "3.75",
            "starts_anew_at": "2026-12-01T00:00:00.000Z",
        },
        "rates": {"requests": {"limit": 60, "remaining": 59, "reset_s": 61}, "tokens": None},
        "available_usd": "1.7",
    }
)

LIMIT_CHANGES: Example = {"cap_usd": "5", "requests_per_minute": 60, "models": ["gpt-4o"]}

_REQUEST: Example = {
    "request_id": "req_aznzj2wlyaaaa",
    "client_request_id": None,
    "created_at": "2026-11-24T09:30:00.000Z",
    "model": "gpt-4o",
    "state": "posted",
    "status": 200,
    "reason": None,
    "is_streamed": False,
    "is_estimated": False,
    "held_usd": "0.0125",
    "cost_usd": "0.00051",
    "charged_usd": "0.00051",
    "trial_usd": "0.00051",
    "paid_usd": "0",
    "first_content_ms": 640,
    "duration_ms": 1210,
}

USAGE_PAGE = _enveloped({"requests": [_REQUEST], "next_cursor": None})

RECEIPT = _enveloped(
    {
        **_REQUEST,
        "lines": [
            {"unit": "input", "quantity": 12, "usd_per_million": "2.5"},
            {"unit": "output", "quantity": 48, "usd_per_million": "10"},
        ],
        "refunded_usd": "0",
    }
)

QUOTE_REQUEST: Example = {"endpoint": "/v1/chat/completions", "request": CHAT}

QUOTE = _enveloped(
    {
        "model": "gpt-4o",
        "prices": [
            {"unit": "input", "usd_per_million": "2.5"},
            {"unit": "output", "usd_per_million": "10"},
        ],
        "tiers": [],
        "estimated_input_tokens": 12,
        "needed_usd": "0.16692",
        "available_usd": "1.7",
        "held_usd": "0",
        "affordable": True,
        "output_limit": 16384,
        "affordable_max_tokens": 16384,
    }
)

SUBSCRIPTION: Example = {
    "object": "billing_subscription",
    "has_payment_method": True,
    "soft_limit_usd": 2.95,
    "hard_limit_usd": 2.95,
    "system_hard_limit_usd": 2.95,
    "access_until": 0,
}

BILLED_USAGE: Example = {
    "object": "list",
    "total_usage": 125.0,
    "daily_costs": [{"timestamp": 1795478400.0, "line_items": [{"name": "gpt-4o", "cost": 125.0}]}],
}
