"""The shapes under ``/api`` and of the machines' addresses, member for member."""

from app.api.openapi.shapes import (
    Schema,
    at_least,
    exactly,
    flag,
    many,
    maybe,
    moment,
    one_of,
    ref,
    text,
    usd,
    whole,
)
from app.domain.accounts.models import CapPeriod, KeyScope, KeyState
from app.domain.catalog.units import Unit


def enveloped(data: Schema) -> Schema:
    """How ``/api`` answers what went well."""
    return exactly(code=whole("0: success.", const=0), message=text(const="success"), data=data)


_PRICE = exactly(
    "What a unit costs. One that is not named costs what its kind does: cached input what input "
    "does, reasoning what output does.",
    unit=one_of(Unit),
    usd_per_million=usd("US dollars per million of the unit."),
)

_REQUEST_MEMBERS: dict[str, Schema] = {
    "request_id": text("As in `X-Request-Id` of the call.", pattern="^req_[a-z2-7]{13}$"),
    "client_request_id": maybe(text("Your own label, sent as `X-Client-Request-Id`.")),
    "created_at": moment(),
    "model": text(),
    "state": one_of(("running", "posted", "voided"), "`posted` was charged, `voided` was not."),
    "status": maybe(whole("The HTTP status that the call was answered with; null while it runs.")),
    "reason": maybe(text("Why it failed or ended early, in a word.")),
    "is_streamed": flag(),
    "is_estimated": flag("The provider reported no usage, so it was counted here."),
    "held_usd": usd("What was held before the provider was asked."),
    "cost_usd": maybe(usd("What its usage cost; null while it runs.")),
    "charged_usd": maybe(usd("What was taken from the balance; null while it runs.")),
    "trial_usd": usd("How much of it was trial money."),
    "paid_usd": usd("How much of it was paid money."),
    "first_content_ms": maybe(whole()),
    "duration_ms": maybe(whole()),
}

_LIMITS = exactly(
    "Null stands for no bound.",
    cap_usd=maybe(usd("What may be spent in one period.")),
    cap_period=one_of(CapPeriod, "When the cap starts anew: at midnight, on Mondays, on the first "
    "of the month (UTC)."),
    max_running=maybe(whole("Requests at the same time.")),
    requests_per_minute=maybe(whole()),
    tokens_per_minute=maybe(whole()),
    models=maybe(many(text(), "The only models it may call.")),
    networks=maybe(many(text(), "The only networks (CIDR) it may be used from.")),
    expires_at=maybe(moment()),
)  # fmt: skip

_RATE = maybe(
    exactly(limit=whole("A minute."), remaining=whole("Now."), reset_s=whole("Until all is free."))
)

API_SCHEMAS: dict[str, Schema] = {
    "ApiError": exactly(
        "How `/api` refuses: a stable code (HTTP status × 100 + n), what to do, and for machines "
        "`data.reason`.",
        code=whole("HTTP status × 100 + n.", minimum=40000),
        message=text("What to do, in English. May change: do not match it."),
        data=at_least(
            reason=text("A machine word. It stays."),
            optional={"field": text("The member, parameter or header at fault.")},
        ),
    ),
    "Balance": exactly(
        balance=usd("What this key may know of: trial and paid, for a trial key the trial alone."),
        trial=usd(),
        paid=usd("\"0\" for a trial key."),
        held=usd("Held by running requests."),
        cny_balance=usd("The balance in CNY, at the operator's rate."),
    ),
    "CurrentKey": exactly(
        id=whole(),
        name=text(),
        prefix=text("The first characters of the secret."),
        scope=one_of(KeyScope, "A trial key spends trial money alone."),
        state=one_of(KeyState),
        created_at=moment(),
        expires_at=maybe(moment()),
        parent_id=maybe(whole("The key that made this one: they share cap and limits.")),
        limits=_LIMITS,
        cap=maybe(
            exactly(
                "The spend cap in the present period; all keys that share it count.",
                period=text("Such as 2026-11-24, 2026-W48, 2026-11."),
                limit_usd=usd(),
                spent_usd=usd(),
                held_usd=usd("Held by running requests."),
                left_usd=usd(),
                starts_anew_at=moment(),
            )
        ),
        rates=exactly(requests=_RATE, tokens=_RATE),
        available_usd=usd("What the next request may hold: balance and cap both allow it."),
    ),
    "UsedRequest": exactly("One request of this key.", **_REQUEST_MEMBERS),
    "UsagePage": exactly(
        requests=many(ref("UsedRequest"), "Newest first."),
        next_cursor=maybe(
            text("Send it as `cursor` for the next page; null at the end. A page may hold fewer "
                 "than `limit`, even none, before the end.")
        ),
    ),
    "Receipt": exactly(
        "A request with the arithmetic of its cost.",
        **_REQUEST_MEMBERS,
        lines=many(
            exactly(unit=one_of(Unit), quantity=whole(), usd_per_million=usd()),
            "Their products are summed, divided by a million and rounded up once.",
        ),
        refunded_usd=usd("What was given back of it later."),
    ),
    "QuoteRequest": exactly(
        endpoint=text("The path of the call, such as /v1/chat/completions."),
        request={"type": "object", "description": "The body of the call, as it would be sent."},
    ),
    "Quote": exactly(
        model=text(),
        prices=many(_PRICE),
        tiers=many(
            exactly(
                "Prices of a request whose whole input is above.",
                above_input_tokens=whole(),
                prices=many(_PRICE),
            )
        ),
        estimated_input_tokens=whole("Counted here. The provider's own count decides."),
        needed_usd=usd("The most it can cost: what would be held. What it does not use returns."),
        available_usd=usd("What this key may spend now."),
        held_usd=usd("Held by running requests."),
        affordable=flag("Whether the call would be admitted now, as far as money is concerned."),
        output_limit=maybe(whole("Yours, or the one that would be sent for you.")),
        affordable_max_tokens=maybe(whole("The largest output limit that is affordable now; null "
                                          "where the model has none.")),
    ),
    "Health": exactly(status=text(const="ok")),
    "Readiness": at_least(
        status=one_of(("ready", "not_ready")),
        optional={"reasons": many(one_of(("draining", "database", "migrations")))},
    ),
}  # fmt: skip
