"""Each mail in each of its states, with made-up values: for a page that shows them and tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.core.money import NANOS_PER_USD
from app.domain.alerts import AlertKind
from app.domain.mail.messages import MailMessage


@dataclass(frozen=True, slots=True)
class MailExample:
    """`state` tells what is special about it."""

    message: MailMessage
    state: str
    values: Mapping[str, Any]


_SOON = datetime(2026, 11, 25, 12, 2, tzinfo=UTC)
_CLAIM = {
    "inviter_id": 10001,
    "inviter_name": "GoodHR",
    "trial_nanos": NANOS_PER_USD // 5,
    "claim_url": "https://example.com/claim/0123456789abcdef",
    "refuse_url": "https://example.com/claim/0123456789abcdef/refuse",
    "expires_at": _SOON,
}
_KEY_WAITING = {
    "inviter_id": 10001,
    "inviter_name": "GoodHR",
    "keys_url": "https://example.com/account/keys",
    "gone_at": _SOON,
}
_ALERT = {
    "kind": AlertKind.CHANNEL_DEAD,
    "about": "channel 3",
    "details": "The provider answered 401 to our own probe.",
    "occurrences": 4,
    "opened_at": datetime(2026, 11, 24, 3, 0, tzinfo=UTC),
    "last_seen_at": datetime(2026, 11, 24, 5, 30, tzinfo=UTC),
}

EXAMPLES: tuple[MailExample, ...] = (
    MailExample(MailMessage.CLAIM, "partner with an approved name", _CLAIM),
    MailExample(MailMessage.CLAIM, "partner without one", _CLAIM | {"inviter_name": None}),
    MailExample(MailMessage.CLAIM, "trial money of the day used up", _CLAIM | {"trial_nanos": 0}),
    MailExample(
        MailMessage.SIGN_UP,
        "own sign-up",
        {"claim_url": _CLAIM["claim_url"], "expires_at": _SOON},
    ),
    MailExample(MailMessage.KEY_WAITING, "partner with an approved name", _KEY_WAITING),
    MailExample(
        MailMessage.KEY_WAITING, "partner without one", _KEY_WAITING | {"inviter_name": None}
    ),
    MailExample(MailMessage.ALERT, "seen several times", _ALERT),
    MailExample(MailMessage.ALERT, "seen once", _ALERT | {"occurrences": 1}),
)
