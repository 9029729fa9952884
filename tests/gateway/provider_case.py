"""What stands in a row of `provider_bodies`: a body, what it means, and the shapes of bodies.

Ids, teams and hosts in them are made up; the shapes and sentences are the providers'.
"""

from dataclasses import dataclass
from typing import Any

from app.domain.channels.presets import Dialect
from app.gateway.provider_errors import Sort

CALLER, ELSEWHERE, WAIT, DEAD = Sort.CALLER, Sort.ELSEWHERE, Sort.WAIT, Sort.DEAD


@dataclass(frozen=True)
class Case:
    """`ours` is the status and the code that the caller gets where no other channel serves."""

    name: str
    dialect: Dialect
    status: int
    body: Any
    sort: Sort
    ours: tuple[int, str]
    counts: bool = True


def openai(message: str, code: str | None, *, kind: str = "invalid_request_error", param=None):
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def anthropic(kind: str, message: str) -> dict[str, Any]:
    error = {"type": kind, "message": message}
    return {"type": "error", "error": error, "request_id": "req_011CbrFTcXhtiMzr3s6EocF7"}


def google(code: int, status: str, message: str, *details: dict[str, Any]) -> list[Any]:
    error = {"code": code, "message": message, "status": status, "details": list(details)}
    return [{"error": error}]


def reason(reason: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }


def minimax(code: int, message: str) -> dict[str, Any]:
    return {
        "id": "05997465cd2ee4bd",
        "choices": None,
        "base_resp": {"status_code": code, "status_msg": message},
    }


def openrouter(code: int, message: str, **metadata: Any) -> dict[str, Any]:
    error = {"message": message, "code": code, "metadata": metadata}
    return {"error": error, "user_id": "user_3D0IVsejFIV6kOYwkxFE9nKiq0g"}


UNAVAILABLE = (503, "upstream_unavailable")
FAILED = (502, "upstream_error")
REJECTED = (400, "rejected_by_provider")
CONTEXT = (400, "context_length_exceeded")
FILTERED = (400, "content_filter")
UNSUPPORTED = (400, "unsupported_parameter")
INVALID = (400, "invalid_parameter")
