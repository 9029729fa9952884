"""Dollars as an operator types them: refused in words that name the option and the value."""

import click

from app.core.money import InvalidAmount, parse_usd

HOW_TO_WRITE = "write dollars such as 0.2 or 15, with a decimal point and at most 9 decimals"


def nanos_of(text: str, *, hint: str) -> int:
    """Nano-USD of what was typed for `hint`, such as ``--amount``. Raises `ClickException`."""
    try:
        return parse_usd(text)
    except InvalidAmount:
        raise click.ClickException(f"{hint} {text[:40]!r}: {HOW_TO_WRITE}.") from None
