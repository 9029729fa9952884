"""What a provider's error status means for the caller and for the next attempt.

The provider's own words never reach the caller: they may name hosts, keys and accounts.
"""

from dataclasses import dataclass
from enum import StrEnum

from app.core.errors import AppError
from app.gateway.errors import NoChannel, ProviderFailed, UpstreamRejected, UpstreamRejectedSize


class Sort(StrEnum):
    """Whose fault it is, which says whether another channel may do better."""

    CALLER = "caller"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class StatusRow:
    """The verdict over one status, and the error for the caller where no channel does better."""

    sort: Sort
    error: type[AppError]


STATUSES: dict[int, StatusRow] = {
    400: StatusRow(Sort.CALLER, UpstreamRejected),
    413: StatusRow(Sort.CALLER, UpstreamRejectedSize),
    422: StatusRow(Sort.CALLER, UpstreamRejected),
    401: StatusRow(Sort.ELSEWHERE, NoChannel),
    402: StatusRow(Sort.ELSEWHERE, NoChannel),
    403: StatusRow(Sort.ELSEWHERE, NoChannel),
    404: StatusRow(Sort.ELSEWHERE, ProviderFailed),
    408: StatusRow(Sort.ELSEWHERE, NoChannel),
    409: StatusRow(Sort.ELSEWHERE, NoChannel),
    429: StatusRow(Sort.ELSEWHERE, NoChannel),
    503: StatusRow(Sort.ELSEWHERE, NoChannel),
    529: StatusRow(Sort.ELSEWHERE, NoChannel),
}
_OTHER = StatusRow(Sort.ELSEWHERE, ProviderFailed)
RETRY_AFTER_MAX_S = 60


def judge(status: int) -> StatusRow:
    """The row of a status that is no success; an unknown one is the provider's fault."""
    return STATUSES.get(status, _OTHER)


def retry_after_s(text: str | None) -> int:
    """A provider's ``Retry-After`` in whole seconds, kept between 1 and 60; a date counts as 5."""
    seconds = "" if text is None else text.strip()
    if not seconds.isdecimal():
        return 5
    # More than nine digits are cut: Python refuses to read thousands of them.
    return min(max(int(seconds[:9]), 1), RETRY_AFTER_MAX_S)
