"""A stream on its way to the client, and its settlement however it ends.

The server iterates a `StreamBody` and closes it. The end of the answer is not sent before the
settlement is committed, so an answer delivered whole is charged even if the process dies then.
"""

import logging
from collections.abc import Iterator
from typing import Any

import orjson

from app.core.errors import AppError, UpstreamTimeout
from app.core.money import format_usd
from app.domain.channels.offers import Route
from app.gateway import call_log, settlement
from app.gateway.call import Call
from app.gateway.charge import Charge, Delivered, charge, estimate
from app.gateway.errors import ProviderFailed, error_object
from app.gateway.gateway import Gateway
from app.gateway.limits import Places
from app.gateway.opening import OpenedStream
from app.gateway.provider_errors import judge_document
from app.gateway.stream import FailureKind, Relay
from app.gateway.upstream_errors import (
    FirstContentTimeout,
    IdleTimeout,
    TotalTimeout,
    UpstreamError,
)
from app.gateway.usage import Verdict

log = logging.getLogger(__name__)

LINGER_S = 0.05
LAST_WORD_S = 0.2
"""How long a provider that reported usage may take to say more: another usage, or [DONE]."""
_LATE = (FirstContentTimeout, IdleTimeout, TotalTimeout)


class StreamBody:
    """What the server sends. `close` before the end means that the client left."""

    def __init__(self, gateway: Gateway, call: Call, opened: OpenedStream, places: Places) -> None:
        self._gateway = gateway
        self._call = call
        self._opened = opened
        self._relay: Relay = opened.relay
        self._places = places
        self._is_settled = False
        gateway.running[call.call_id] = self
        # Primed, so that closing it before the first frame was asked for runs its ending too.
        self._frames = self._run()
        next(self._frames)

    @property
    def call_id(self) -> int:
        return self._call.call_id

    @property
    def delivered_frames(self) -> int:
        return self._relay.meter.content_frames

    def local_input_tokens(self) -> int:
        return self._call.local_input_tokens

    def __iter__(self) -> Iterator[bytes]:
        return self._frames

    def close(self) -> None:
        self._frames.close()  # type: ignore[attr-defined]

    def _run(self) -> Iterator[bytes]:
        try:
            yield b""
            if self._opened.first:
                yield self._opened.first
            yield from self._passed_on()
            ending = self._ending(None)
            yield ending
            self._opened.exchange.linger(LINGER_S)
        except GeneratorExit:
            if not self._is_settled:
                self._client_left()
        except UpstreamError as error:
            yield self._ending(error)
        finally:
            try:
                self._release()
            finally:
                call_log.write(self._call.inbound, status=200)

    def _passed_on(self) -> Iterator[bytes]:
        """What the client gets while the provider speaks; ends when only the settlement is left."""
        relay = self._relay
        while not relay.is_at_end:
            piece = self._next_piece()
            passed = relay.end() if piece is None else relay.feed(piece)
            if passed:
                yield passed

    def _next_piece(self) -> bytes | None:
        """What arrives next; None at the end, or where only [DONE] can be missing and does not
        come: some providers report usage twice, so the first is not yet the last."""
        if not self._relay.may_settle:
            return next(self._opened.pieces, None)
        self._opened.exchange.hurry(LAST_WORD_S)
        try:
            return next(self._opened.pieces, None)
        except UpstreamError:
            return None

    def _ending(self, broken: UpstreamError | None) -> bytes:
        """Settle, then say how it ended: usage and [DONE], or the error event."""
        relay = self._relay
        if relay.failure is None and relay.meter.is_whole:
            bill = self._settle_whole()
            return relay.finish(
                cost_usd=format_usd(bill.cost_nanos), own_usage=_own_usage(relay, bill)
            )
        self._settle_broken(broken)
        error = UpstreamTimeout() if isinstance(broken, _LATE) else ProviderFailed()
        return relay.fail(orjson.dumps(self._shown(error)))

    def _shown(self, error: AppError) -> dict[str, Any]:
        shown = error_object(error)
        if self._relay.meter.has_content:
            shown["message"] = "The answer broke off. What was delivered is charged as estimated."
        return shown

    def _settle_whole(self, reason: str | None = None) -> Charge:
        bill = charge(self._call, reported=self._relay.meter.usage, delivered=self._delivered())
        self._post(bill, reason=reason)
        head = self._relay.meter.head
        settlement.warn_of_substitute(
            self._gateway, self._call, model=head.get("model"), tier=head.get("service_tier")
        )
        return bill

    def _settle_broken(self, broken: UpstreamError | None) -> None:
        """After content: what was delivered, estimated. Without content: nothing."""
        reason = _reason(self._relay, broken)
        self._report(broken, reason)
        if self._relay.meter.has_content:
            self._post(estimate(self._call, self._delivered()), reason=reason)
        else:
            self._is_settled = True
            settlement.void(self._gateway, self._call, status=200, reason=reason)

    def _report(self, broken: UpstreamError | None, reason: str) -> None:
        """An answer that broke off counts against its channel, but not where it says that the
        request is at fault, nor where it was only longer than we wait."""
        route = self._call.route
        assert route is not None
        if not isinstance(broken, TotalTimeout) and not _is_callers_fault(self._relay, route):
            self._gateway.health.broke(route, self._call.offer.model_id, outcome=reason)

    def _post(self, bill: Charge, *, reason: str | None) -> None:
        self._is_settled = True
        settlement.post(
            self._gateway,
            self._call,
            bill,
            reason=reason,
            provider_facts=self._relay.provider_facts,
        )

    def _delivered(self) -> Delivered:
        meter = self._relay.meter
        return Delivered(
            has_content=meter.has_content,
            read_text=meter.delivered_text,
            uncounted_frames=meter.frames_not_kept,
        )

    def _client_left(self) -> None:
        """Read on to learn the real usage, where there is a place and it costs us anyway."""
        relay, route = self._relay, self._call.route
        assert route is not None
        is_worth_it = relay.meter.is_whole or not route.cancel_stops_billing
        is_read_out = is_worth_it and self._drain()
        if relay.failure is None and relay.meter.is_whole:
            self._settle_whole(reason="client_left")
        elif is_read_out and not relay.meter.has_content:
            # The provider broke off without content: free, as for a client that stayed.
            self._is_settled = True
            settlement.void(self._gateway, self._call, status=200, reason="client_left")
        else:
            self._post(estimate(self._call, self._delivered()), reason="client_left")

    def _drain(self) -> bool:
        """Read to the provider's end, whatever it is; False where no place is free."""
        if not self._gateway.drains.acquire(blocking=False):
            return False
        try:
            for _ in self._passed_on():
                pass
        except UpstreamError:
            log.info("a drained stream broke", extra={"call": self._call.inbound.request_id})
        finally:
            self._gateway.drains.release()
        return True

    def _release(self) -> None:
        self._opened.exchange.close()
        self._gateway.running.pop(self._call.call_id, None)
        self._places.release()
        if not self._is_settled:
            # Only a fault of our own gets here: the hold goes back, the sweeper need not wait.
            settlement.void(self._gateway, self._call, status=500, reason="internal_error")


def _is_callers_fault(relay: Relay, route: Route) -> bool:
    failure = relay.failure
    if failure is None or failure.kind is not FailureKind.PROVIDER_ERROR:
        return False
    return not judge_document(route.dialect, {}, {"error": failure.error}).counts


def _own_usage(relay: Relay, bill: Charge) -> dict[str, Any] | None:
    """Usage as billed, where the provider's was missing or not believed."""
    if relay.meter.usage is not None and bill.verdict is Verdict.PLAUSIBLE:
        return None
    return {
        "prompt_tokens": bill.prompt_tokens,
        "completion_tokens": bill.completion_tokens,
        "total_tokens": bill.prompt_tokens + bill.completion_tokens,
    }


def _reason(relay: Relay, broken: UpstreamError | None) -> str:
    if broken is not None:
        return "upstream_timeout" if isinstance(broken, _LATE) else "upstream_broken"
    return "upstream_truncated" if relay.failure is None else str(relay.failure.kind)
