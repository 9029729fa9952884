"""How often a key's holder may ask for what costs us more than a look."""

from app.callers import rate_limiter
from app.core.ratelimit import Quota

RETRY_AFTER_MAX_S = 60


def require_rate(*quotas: Quota) -> None:
    """Count one hit on each, the narrowest first. Raises TooManyRequests."""
    rate_limiter().require(*quotas, longest_wait_s=RETRY_AFTER_MAX_S)
