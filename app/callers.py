"""Who calls, as far as rates are concerned: the caller's IP, and the process's limiter."""

from functools import cache
from typing import cast

from flask import current_app, request

from app.core.client_ip import IpAddress, IpNetwork, client_ip, parse_networks
from app.core.ratelimit import RateLimiter


def caller_ip() -> IpAddress:
    """The socket's peer, or what a proxy in TRUSTED_PROXIES says."""
    return client_ip(request.environ, _trusted(current_app.config["TRUSTED_PROXIES"]))


def rate_limiter() -> RateLimiter:
    """The app's one: see `Services.limiter`."""
    return cast(RateLimiter, current_app.extensions["flowhub"].limiter)


@cache
def _trusted(words: tuple[str, ...]) -> tuple[IpNetwork, ...]:
    return parse_networks(words)
