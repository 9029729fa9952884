"""The form of the table that sorts providers' errors, and words to write it with."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from app.core.errors import AppError
from app.gateway.errors import NoChannel, ProviderFailed


class Sort(StrEnum):
    """Whose doing an error is, which says what may help.

    `CALLER`: the request itself. `ELSEWHERE`: another channel may serve it. `WAIT`: so may this
    one, later. `DEAD`: the provider account seems unusable; a probe of our own must confirm it.
    """

    CALLER = "caller"
    ELSEWHERE = "elsewhere"
    WAIT = "wait"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A pattern of errors, and what they mean.

    It fits an error whose status is among `statuses` (none: any) and, where the row names any, that
    holds one of `codes`, or whose sentence begins with one of `begins` or holds one of `says`, all
    in lower case. A provider may repeat in its sentence what a client wrote: what would harm the
    channel is therefore known by its codes, or by how the sentence begins.

    `counts`: whether it tells something of the channel's health; one customer's doing does not.
    `quotes`: whether the provider's sentence may say more than ours. `blames`: the members that a
    row is about, where it is the caller's fault only if the caller sent the one that is named: we
    add some ourselves.
    """

    sort: Sort
    word: str
    error: type[AppError]
    statuses: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()
    begins: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    counts: bool = True
    quotes: bool = True
    blames: tuple[str, ...] | None = None


REFUSALS = (400, 413, 422)
"""The statuses that say: change the request."""


def callers(
    word: str,
    error: type[AppError],
    *,
    statuses: Iterable[int] = REFUSALS,
    codes: str = "",
    begins: tuple[str, ...] = (),
    says: tuple[str, ...] = (),
    quotes: bool = True,
    blames: tuple[str, ...] | None = None,
) -> Row:
    """A fault of the request. `codes` are parted by blanks."""
    return Row(
        sort=Sort.CALLER,
        word=word,
        error=error,
        statuses=frozenset(statuses),
        codes=frozenset(codes.split()),
        begins=begins,
        says=says,
        counts=False,
        quotes=quotes,
        blames=blames,
    )


def channels(
    sort: Sort,
    word: str,
    *,
    error: type[AppError] = NoChannel,
    statuses: Iterable[int] = (),
    codes: str = "",
    begins: tuple[str, ...] = (),
    says: tuple[str, ...] = (),
    counts: bool = True,
) -> Row:
    """A fault of the channel, of whatever kind. `codes` are parted by blanks."""
    return Row(
        sort=sort,
        word=word,
        error=error,
        statuses=frozenset(statuses),
        codes=frozenset(codes.split()),
        begins=begins,
        says=says,
        counts=counts,
    )


MODEL_UNKNOWN = "model_unknown"


def unknown_model(
    *,
    statuses: Iterable[int] = (400, 403, 404, 410, 422),
    codes: str = "",
    begins: tuple[str, ...] = (),
    says: tuple[str, ...] = (),
) -> Row:
    """The provider does not have the model, or not for us."""
    return channels(
        Sort.ELSEWHERE,
        MODEL_UNKNOWN,
        error=ProviderFailed,
        statuses=statuses,
        codes=codes,
        begins=begins,
        says=says,
    )
