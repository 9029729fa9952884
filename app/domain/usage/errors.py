"""What reading calls refuses."""

from app.core.errors import NotFound


class RequestNotFound(NotFound):
    number = 9
    reason = "request_not_found"
    message = "This key made no request of that id."
