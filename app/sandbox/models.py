"""GET /v1/models: the names the sandbox suggests. It answers to any name."""

from collections.abc import Mapping
from typing import Any

from app.sandbox.draft import Draft
from app.sandbox.request import Request
from app.sandbox.wish import Wish

NAMES = ("sandbox-chat", "sandbox-embedding", "sandbox-image")
CREATED = 1_767_225_600


def draft_models(request: Request, document: Mapping[str, Any], _wish: Wish) -> Draft:
    data = [
        {"id": name, "object": "model", "created": CREATED, "owned_by": "sandbox"} for name in NAMES
    ]
    answer = {"object": "list", "data": data}
    return Draft(request=request, document=document, events=(answer,))
