"""What the operator must act on."""

from app.domain.alerts.kinds import ALERTS, AlertKind, AlertRow
from app.domain.alerts.raising import (
    AlertWrite,
    alert_write,
    open_alerts,
    raise_alert,
    resolve,
    take_alerts_to_mail,
)

__all__ = [
    "ALERTS",
    "AlertKind",
    "AlertRow",
    "AlertWrite",
    "alert_write",
    "open_alerts",
    "raise_alert",
    "resolve",
    "take_alerts_to_mail",
]
