"""What a provider says was used, turned into disjoint billable units.

A normaliser turns the `usage` object that a provider reports into a `Usage`: every token stands
under exactly one unit, so that cost is a plain sum. `plausible` then judges it against what the
call could have used at most. The caller bills a usage only when the verdict is
`Verdict.PLAUSIBLE`; anything else is billed like an answer without usage, and alarmed.
"""

from app.gateway.usage.dialects import NORMALISERS, read_usage, usage_in
from app.gateway.usage.values import Usage, Verdict, plausible

__all__ = ["NORMALISERS", "Usage", "Verdict", "plausible", "read_usage", "usage_in"]
