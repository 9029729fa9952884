"""Under which names a key's rates are counted: for its whole family, by their cap."""

from app.core.ratelimit import Quota


def request_quota(cap_id: int | None, per_minute: int) -> Quota:
    """The requests that a key's family may make in a minute."""
    return Quota("key-requests", str(cap_id), per_minute)


def token_quota(cap_id: int | None, per_minute: int) -> Quota:
    """The tokens that a key's family may use in a minute."""
    return Quota("key-tokens", str(cap_id), per_minute)
