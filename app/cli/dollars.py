"""Dollars as an operator types them: refused in words that name the option and the value."""

import click

from app.core.money import InvalidAmount, format_usd, parse_usd

HOW_TO_WRITE = "write dollars such as 0.2 or 15, with a decimal point and at most 9 decimals"


def nanos_of(text: str, *, hint: str) -> int:
    """Nano-USD of what was typed for `hint`, such as ``--amount``. Raises `ClickException`."""
    try:
        return parse_usd(text)
    except InvalidAmount:
        raise click.ClickException(f"{hint} {text[:40]!r}: {HOW_TO_WRITE}.") from None


def nanos_above_zero(text: str, *, hint: str) -> int:
    """The same for an amount that moves: nothing is none. Raises `BadParameter` too."""
    amount_nanos = nanos_of(text, hint=hint)
    if amount_nanos == 0:
        raise click.BadParameter("must be above zero.", param_hint=hint)
    return amount_nanos


def bucket_facts(balance_nanos: int, held_nanos: int) -> dict[str, str]:
    """A bucket of a wallet as JSON shows it."""
    return {"balance": format_usd(balance_nanos), "held": format_usd(held_nanos)}
