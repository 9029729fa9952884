"""A usage, and whether it can be believed."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from app.domain.catalog.units import Unit


class Verdict(StrEnum):
    """Whether a reported usage can be believed, else the first reason why not."""

    PLAUSIBLE = "plausible"
    NOT_COUNTS = "not_counts"  # something else than a JSON integer >= 0
    PARTS_ABOVE_WHOLE = "parts_above_whole"
    PROMPT_ABOVE_BOUND = "prompt_above_bound"
    COMPLETION_ABOVE_BOUND = "completion_above_bound"
    ZERO_WITH_CONTENT = "zero_with_content"


class Usage(NamedTuple):
    """One reported usage.

    `units` are disjoint and hold no zeros. `prompt_tokens` and `completion_tokens` are the wholes
    they add up to. `unexplained_tokens` is how much `total_tokens` exceeds both: they are not
    billed, the operator may want to know. `verdict` is what the numbers say about themselves.
    `raw` is the object as it came.
    """

    units: Mapping[Unit, int] = MappingProxyType({})
    prompt_tokens: int = 0
    completion_tokens: int = 0
    unexplained_tokens: int = 0
    verdict: Verdict = Verdict.PLAUSIBLE
    raw: Mapping[str, Any] = MappingProxyType({})


class Implausible(Exception):
    """What is reported contradicts itself."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict)
        self.verdict = verdict


def plausible(
    usage: Usage, *, input_bound_tokens: int, output_bound_tokens: int, carried_content: bool
) -> Verdict:
    """Judge a usage against the call it reports.

    `input_bound_tokens` is the bound in bytes, never the tokenised one; `output_bound_tokens` is
    the output limit x the number of choices. A call always has an input; `carried_content` says
    whether it also delivered output that is counted in tokens.
    """
    if usage.verdict is not Verdict.PLAUSIBLE:
        return usage.verdict
    if usage.prompt_tokens > input_bound_tokens:
        return Verdict.PROMPT_ABOVE_BOUND
    if usage.completion_tokens > output_bound_tokens:
        return Verdict.COMPLETION_ABOVE_BOUND
    if usage.prompt_tokens == 0 or (carried_content and usage.completion_tokens == 0):
        return Verdict.ZERO_WITH_CONTENT
    return Verdict.PLAUSIBLE
