"""What a key's holder may ask. Every answer shows only what the presenting key may spend, and its
own records."""

from flask import Response

from app.api import envelope
from app.api.authentication import authenticate
from app.core.database import db, in_session
from app.core.money import convert, format_usd
from app.domain.accounts.models import KeyScope
from app.domain.billing import ledger
from app.services import services


def balance() -> Response:
    """The balance: both buckets for a full key, the trial bucket alone for a trial key."""
    holder = authenticate(db.session(), services().digester)
    wallet = ledger.look(in_session(db.session()), user_id=holder.user.id)
    scope = holder.key.scope
    total_nanos = wallet.balance(scope)
    rate = services().settings.current()["rate_cny"]
    return envelope.success(
        {
            "balance": format_usd(total_nanos),
            "trial": format_usd(wallet.trial_balance),
            "paid": "0" if scope is KeyScope.TRIAL else format_usd(wallet.paid_balance),
            "held": format_usd(wallet.held(scope)),
            "cny_balance": convert(total_nanos, rate),
        }
    )
