"""A tiny request of our own to one channel: does it answer? Nobody is billed, no call is recorded.

It asks what an operator would try first, "Say ok.", and costs a fraction of a cent at most; a
picture would cost more, so none is asked for.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from app.core import clock
from app.domain.catalog.kinds import Ability, ModelKind
from app.domain.channels.offers import Route
from app.gateway.answer import Answer, UnreadableAnswer, read_answer
from app.gateway.error_texts import Names, clean_sentence, names_of_route
from app.gateway.exchange import Exchange, Timeouts
from app.gateway.gateway import Gateway
from app.gateway.protocols import CHAT, EMBEDDINGS, Protocol
from app.gateway.provider_errors import BODY_MAX_BYTES, Sort, fails_inside, judge, judge_document
from app.gateway.provider_errors.bodies import read_body, read_document
from app.gateway.upstream_errors import ProxyFailed, UpstreamError

PROBE_S = 20.0
ANSWER_MAX_BYTES = 1 << 20
TEXT_LENGTH = 80

OUTPUT_LIMIT = 16
REASONING_OUTPUT_LIMIT = 512
"""A model that thinks first may refuse a limit that its thoughts alone would reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What came back. `sentence` says it to the operator; no key, host or account stands in it.

    `status` is the provider's, None where it did not answer. `text` is the reply's beginning.
    `sort` and `word` are the judgement over a failure, None where the channel works.
    """

    is_ok: bool
    latency_ms: int
    sentence: str
    status: int | None = None
    text: str | None = None
    sort: Sort | None = None
    word: str | None = None


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """How one kind of model is probed."""

    protocol: Protocol
    members: Callable[[Route, bool], Mapping[str, Any]]


def _chat_members(route: Route, is_reasoning: bool) -> Mapping[str, Any]:
    return {
        "messages": [{"role": "user", "content": "Say ok."}],
        route.limit_field.value: REASONING_OUTPUT_LIMIT if is_reasoning else OUTPUT_LIMIT,
    }


def _embedding_members(route: Route, is_reasoning: bool) -> Mapping[str, Any]:
    return {"input": "ok"}


PROBES: Mapping[ModelKind, ProbeRow] = MappingProxyType(
    {
        ModelKind.CHAT: ProbeRow(CHAT, _chat_members),
        ModelKind.EMBEDDING: ProbeRow(EMBEDDINGS, _embedding_members),
    }
)
"""The kinds that can be probed; every other costs too much or is not served."""


def probe(
    gateway: Gateway, route: Route, *, kind: ModelKind, model_name: str, timeout_s: float = PROBE_S
) -> ProbeResult:
    """Ask once, within `timeout_s` in all. Nothing that the provider does raises.

    `ValueError` for a kind that is not in `PROBES`, or a base URL that cannot be used.
    """
    row = PROBES.get(kind)
    if row is None:
        raise ValueError(f"A model of the kind {kind} is not probed.")
    offer = gateway.offers.offers().get(model_name)
    is_reasoning = offer is None or Ability.REASONING in offer.abilities
    body = json.dumps({"model": route.upstream_name, **row.members(route, is_reasoning)}).encode()
    started_s = clock.monotonic()
    try:
        with _send(gateway, route, row.protocol, body, timeout_s) as exchange:
            status, headers = exchange.status, exchange.headers
            answered = exchange.read_whole(ANSWER_MAX_BYTES)
    except UpstreamError as error:
        return _unanswered(error, latency_ms=_since_ms(started_s))
    latency_ms = _since_ms(started_s)
    names = names_of_route(route, sold=model_name, host=gateway.wire(route).target.host)
    if status != 200:
        return _refused(route, names, status, headers, answered, latency_ms)
    return _answered(route, names, row.protocol, headers, answered, latency_ms)


def _send(
    gateway: Gateway, route: Route, protocol: Protocol, body: bytes, timeout_s: float
) -> Exchange:
    wire = gateway.wire(route)
    connect_s = min(gateway.boot["UPSTREAM_CONNECT_S"], timeout_s)
    return gateway.pool.send(
        wire.target,
        method="POST",
        path=wire.prefix + protocol.upstream_path,
        headers=wire.headers,
        body=body,
        timeouts=Timeouts(connect_s, timeout_s, timeout_s, timeout_s),
    )


def _answered(
    route: Route,
    names: Names,
    protocol: Protocol,
    headers: Mapping[str, str],
    body: bytes,
    latency_ms: int,
) -> ProbeResult:
    try:
        answer = read_answer(body, list_member=protocol.list_member)
    except UnreadableAnswer as error:
        return ProbeResult(
            is_ok=False,
            latency_ms=latency_ms,
            status=200,
            sort=Sort.ELSEWHERE,
            word="unreadable",
            sentence=f"The provider answered, but not as its protocol says: {error}.",
        )
    if answer.error is None and not fails_inside(answer.members):
        return ProbeResult(
            is_ok=True,
            latency_ms=latency_ms,
            status=200,
            text=_beginning(answer),
            sentence="The channel answered.",
        )
    judgement = judge_document(route.dialect, headers, dict(answer.members))
    said = read_document(200, dict(answer.members)).sentence
    return ProbeResult(
        is_ok=False,
        latency_ms=latency_ms,
        status=200,
        sort=judgement.sort,
        word=judgement.word,
        sentence=_told(names, "an error inside 200", judgement.word, said),
    )


def _refused(
    route: Route,
    names: Names,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    latency_ms: int,
) -> ProbeResult:
    judgement = judge(route.dialect, status, headers, body[:BODY_MAX_BYTES])
    said = read_body(status, body).sentence
    return ProbeResult(
        is_ok=False,
        latency_ms=latency_ms,
        status=status,
        sort=judgement.sort,
        word=judgement.word,
        sentence=_told(names, str(status), judgement.word, said),
    )


def _unanswered(error: UpstreamError, *, latency_ms: int) -> ProbeResult:
    kind = type(error).__name__
    told = f"The provider did not answer ({kind})."
    return ProbeResult(
        is_ok=False,
        latency_ms=latency_ms,
        sort=Sort.ELSEWHERE,
        word=kind,
        sentence=str(error) if isinstance(error, ProxyFailed) else told,
    )


def _told(names: Names, what: str, word: str, said: str) -> str:
    """What the provider answered, with its own words only as far as they are clean."""
    cleaned = clean_sentence(said, names) if said else None
    ending = f": {cleaned}" if cleaned else "."
    return f"The provider answered {what} ({word}){ending}"


def _beginning(answer: Answer) -> str | None:
    """The reply's first characters on one line, without any that would move a terminal's cursor."""
    text = " ".join(answer.delivered_text().split())
    shown = "".join(character for character in text if character.isprintable())[:TEXT_LENGTH]
    return shown or None


def _since_ms(started_s: float) -> int:
    return int((clock.monotonic() - started_s) * 1000)
