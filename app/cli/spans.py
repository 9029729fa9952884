"""A span of time as a command's option: ``30m``, ``24h``, ``7d``."""

import re
from datetime import timedelta
from typing import Any

import click

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_SPAN = re.compile(r"([1-9][0-9]{0,5})([mhd])")


class Span(click.ParamType[timedelta]):
    """Minutes, hours or days back from now."""

    name = "span"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = _SPAN.fullmatch(str(value))
        if match is None:
            self.fail(f"{str(value)[:20]!r} is no span such as 30m, 24h or 7d.", param, ctx)
        count, unit = match.groups()
        span = int(count) * _UNITS[unit]
        if span > timedelta(days=3650):
            self.fail(f"{str(value)[:20]!r} is longer than ten years.", param, ctx)
        return span
