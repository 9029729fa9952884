"""From what a provider reported, or what was delivered, to units and their cost. Pure.

Usage is billed when it is plausible. Anything else is billed as *without usage*: our own count of
the prompt and of what was delivered, marked estimated, never above the hold.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import orjson

from app.domain.billing.estimates import fit_to_hold
from app.domain.billing.tokens import count_text
from app.domain.catalog.kinds import ModelKind
from app.domain.catalog.pricing import UnpricedUnit
from app.domain.catalog.units import INPUT_UNITS, OUTPUT_UNITS, Unit
from app.domain.channels.offers import Price, Route
from app.gateway.call import Call
from app.gateway.usage import Verdict, plausible, read_usage

Units = Mapping[Unit, int]


class Delivered(NamedTuple):
    """What reached, or could have reached, the client: the basis of an estimate.

    `read_text` is asked only where it is needed: it parses and joins what was kept of the answer.
    """

    has_content: bool
    read_text: Callable[[], str]
    uncounted_frames: int = 0
    pictures: int = 0


class Charge(NamedTuple):
    """What a call is billed. `verdict` says whether usage was believed, None where none came."""

    units: Units
    cost_nanos: int
    is_estimated: bool
    verdict: Verdict | None
    reported: object

    @property
    def prompt_tokens(self) -> int:
        return sum(count for unit, count in self.units.items() if unit in INPUT_UNITS)

    @property
    def completion_tokens(self) -> int:
        return sum(count for unit, count in self.units.items() if unit in OUTPUT_UNITS)

    def units_json(self) -> str:
        return orjson.dumps({str(unit): count for unit, count in self.units.items()}).decode()


def charge(call: Call, *, reported: object, delivered: Delivered) -> Charge:
    """Bill a call whose answer is whole."""
    assert call.route is not None
    usage = read_usage(call.protocol.usage_dialect, call.route.dialect, reported)
    if usage is None:
        return _without_usage(call, delivered, verdict=None, reported=None)
    verdict = plausible(
        usage,
        input_bound_tokens=call.bound.input_bound_tokens,
        output_bound_tokens=call.bound.output_bound_tokens,
        carried_content=call.protocol.kind is ModelKind.CHAT and delivered.has_content,
    )
    if verdict is not Verdict.PLAUSIBLE:
        return _without_usage(call, delivered, verdict=verdict, reported=reported)
    try:
        cost_nanos = call.price.sheet.cost_nanos(usage.units)
    except UnpricedUnit:
        # Sold by the picture alone: then the tokens reported are only the provider's way to count.
        disbelief = None if _is_sold_by_picture(call) else Verdict.NOT_COUNTS
        return _without_usage(call, delivered, verdict=disbelief, reported=reported)
    return Charge(usage.units, cost_nanos, False, Verdict.PLAUSIBLE, reported)


def estimate(call: Call, delivered: Delivered) -> Charge:
    """Bill what was delivered of an answer that did not become whole."""
    return _without_usage(call, delivered, verdict=None, reported=None)


def upstream_cost(route: Route, units: Units, *, at_ms: int) -> tuple[int | None, int | None]:
    """What the channel charges us: (cost version id, nanos); None where no cost is known."""
    cost: Price | None = route.costs.in_force(at_ms)
    if cost is None:
        return None, None
    try:
        return cost.version_id, cost.sheet.cost_nanos(units)
    except UnpricedUnit:
        return cost.version_id, None


def _without_usage(
    call: Call, delivered: Delivered, *, verdict: Verdict | None, reported: object
) -> Charge:
    sheet = call.price.sheet
    if _is_sold_by_picture(call):
        units: dict[Unit, int] = {Unit.IMAGE: delivered.pictures}
        is_estimated = verdict is not None
    else:
        units = _counted(call, delivered)
        is_estimated = True
    units = fit_to_hold(sheet, units, hold_nanos=call.hold.amount_nanos)
    cost_nanos = sheet.cost_nanos(units)
    return Charge(units, cost_nanos, is_estimated, verdict, reported)


def _is_sold_by_picture(call: Call) -> bool:
    makes_pictures = call.protocol.kind is ModelKind.IMAGE_GENERATION
    return makes_pictures and call.price.sheet.prices_for(0).price_of(Unit.IMAGE) is not None


def _counted(call: Call, delivered: Delivered) -> dict[Unit, int]:
    units = {Unit.INPUT: call.local_input_tokens}
    if delivered.pictures:
        each = call.bound.output_bound_tokens // max(call.envelope.shape.answers, 1)
        units[Unit.IMAGE_OUTPUT] = min(delivered.pictures * each, call.bound.output_bound_tokens)
    elif call.protocol.kind is ModelKind.CHAT:
        output = count_text(delivered.read_text()) + delivered.uncounted_frames
        units[Unit.OUTPUT] = min(output, call.bound.output_bound_tokens)
    return units
