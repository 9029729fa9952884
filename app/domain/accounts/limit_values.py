"""The limits of a key, one frozen row each: how a value is read, and when one is tighter. Pure.

Values come from outside: a command, a page, a JSON body. Whatever is no plain value of the right
kind is refused by name, so that no limit ever means something else than its author thought.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network, collapse_addresses, ip_network
from typing import Any

from app.core import clock
from app.core.client_ip import IpNetwork
from app.core.money import LARGEST_BIGINT
from app.domain.accounts.errors import InvalidLimit
from app.domain.accounts.models import CapPeriod

ENTRIES_MAX = 64
COUNT_MAX = 1_000_000_000
MODEL_NAME_MAX = 128
_MAPPED_PREFIX = 96

Read = Callable[[str, Any], Any]
IsTighter = Callable[[Any, Any], bool]


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A member of `KeyLimits`, and its name in JSON, in errors and in the audit trail.

    `read(shown, value)` gives the value as it is kept; `is_tighter(new, old)` compares two that
    differ. None stands for no bound and reaches neither, unless it is not `is_optional`.
    """

    name: str
    shown: str
    read: Read
    is_tighter: IsTighter
    is_optional: bool = True


def read_value(row: LimitRow, value: Any) -> Any:
    """Raises InvalidLimit."""
    return None if value is None and row.is_optional else row.read(row.shown, value)


def may_replace(row: LimitRow, *, new: Any, old: Any) -> bool:
    """Whether `new` allows nothing that `old` does not."""
    if new == old:
        return True
    if new is None or old is None:
        return old is None
    return row.is_tighter(new, old)


def _nanos(name: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST_BIGINT:
        raise InvalidLimit(f"{name} must be an amount of at least 0.", field=name)
    return value


def _count(name: str, value: Any) -> int:
    if type(value) is not int or not 1 <= value <= COUNT_MAX:
        raise InvalidLimit(f"{name} must be a whole number from 1 to {COUNT_MAX}.", field=name)
    return value


def _period(name: str, value: Any) -> CapPeriod:
    if not isinstance(value, str) or value not in tuple(CapPeriod):
        words = ", ".join(period.value for period in CapPeriod)
        raise InvalidLimit(f"{name} must be one of {words}.", field=name)
    return CapPeriod(value)


def _models(name: str, value: Any) -> tuple[str, ...]:
    words = _words(name, value)
    if any(not word or len(word) > MODEL_NAME_MAX or not word.isprintable() for word in words):
        raise InvalidLimit(f"{name} must hold names of models.", field=name)
    return tuple(dict.fromkeys(words))


def _networks(name: str, value: Any) -> tuple[str, ...]:
    words = _words(name, value)
    try:
        return tuple(dict.fromkeys(str(_network(word)) for word in words))
    except ValueError as error:
        raise InvalidLimit(
            f"{name} must hold networks such as 192.0.2.0/24 or 2001:db8::/32: {error}.", field=name
        ) from error


def _words(name: str, value: Any) -> Sequence[str]:
    """A list of texts. An empty one would allow nothing at all: that is what revoking is for."""
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise InvalidLimit(f"{name} must be a list of texts, or null for any.", field=name)
    if not 1 <= len(value) <= ENTRIES_MAX:
        raise InvalidLimit(
            f"{name} must have 1 to {ENTRIES_MAX} entries, or be null for any.", field=name
        )
    return value


def _network(word: str) -> IpNetwork:
    """IPv4 in IPv6's clothes (::ffff:192.0.2.0/120) is kept as IPv4: callers are seen so too.

    No zone (fe80::1%eth0): callers are seen without theirs, and it may be any text at all.
    """
    if "%" in word:
        raise ValueError("a network has no zone")
    network = ip_network(word.strip(), strict=False)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < _MAPPED_PREFIX:
        return network
    return IPv4Network((mapped.packed, network.prefixlen - _MAPPED_PREFIX))


def _moment(name: str, value: Any) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidLimit(f"{name} must be a moment with its time zone.", field=name)
    if value <= clock.now():
        raise InvalidLimit(f"{name} must be in the future; to end a key, revoke it.", field=name)
    moment = value.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)  # as the database keeps it


def _is_less(new: Any, old: Any) -> bool:
    return bool(new < old)


def _is_part(new: Sequence[str], old: Sequence[str]) -> bool:
    return set(new) <= set(old)


def _is_inside(new: Sequence[str], old: Sequence[str]) -> bool:
    outers = _collapsed(old)
    return all(any(_lies_in(inner, outer) for outer in outers) for inner in map(ip_network, new))


def _collapsed(words: Sequence[str]) -> list[IpNetwork]:
    """The same networks, neighbours joined: two halves hold whatever their whole holds."""
    networks = [ip_network(word) for word in words]
    four = [network for network in networks if network.version == 4]
    six = [network for network in networks if network.version == 6]
    return [*collapse_addresses(four), *collapse_addresses(six)]


def _lies_in(inner: IpNetwork, outer: IpNetwork) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def _never(new: Any, old: Any) -> bool:
    """Another period starts counting anew, so it never counts as tighter."""
    return False


ROWS = (
    LimitRow("cap_nanos", "cap_usd", _nanos, _is_less),
    LimitRow("period", "cap_period", _period, _never, is_optional=False),
    LimitRow("max_running", "max_running", _count, _is_less),
    LimitRow("requests_per_minute", "requests_per_minute", _count, _is_less),
    LimitRow("tokens_per_minute", "tokens_per_minute", _count, _is_less),
    LimitRow("models", "models", _models, _is_part),
    LimitRow("networks", "networks", _networks, _is_inside),
    LimitRow("expires_at", "expires_at", _moment, _is_less),
)
