"""What a key's holder may ask. Every answer shows only what the presenting key may spend, and its
own records."""

from flask import Response

from app.api import envelope
from app.api.authentication import authenticate
from app.core.database import db
from app.core.money import convert, format_usd
from app.domain.billing.spending import look_spending
from app.services import services


def balance() -> Response:
    """The balance that the key may spend from: both buckets for a full key, the trial bucket alone
    for a trial key; under a spend cap no more than what that leaves, trial first."""
    key = authenticate(db.session(), services().digester).key
    spending = look_spending(db.session(), user_id=key.user_id, scope=key.scope, cap_id=key.cap_id)
    total_nanos = spending.unspent_nanos
    trial_nanos = min(spending.wallet.trial_balance, total_nanos)
    rate = services().settings.current()["rate_cny"]
    return envelope.success(
        {
            "balance": format_usd(total_nanos),
            "trial": format_usd(trial_nanos),
            "paid": format_usd(total_nanos - trial_nanos),
            "held": format_usd(spending.held_nanos),
            "cny_balance": convert(total_nanos, rate),
        }
    )
