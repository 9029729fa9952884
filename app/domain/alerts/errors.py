"""What alerts refuse."""

from app.core.errors import NotFound


class AlertUnknown(NotFound):
    number = 39
    reason = "alert_not_found"
    message = "There is no alert of this number. `flask alerts list --all` shows them."
