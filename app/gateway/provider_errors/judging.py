"""From a provider's answer to a judgement: read it, find its row, word our own error."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.core.errors import AppError
from app.domain.channels.presets import PRESETS, Dialect
from app.gateway.error_texts import clean_sentence
from app.gateway.provider_errors.asked import Asked
from app.gateway.provider_errors.bodies import ProviderError, read_body, read_document
from app.gateway.provider_errors.common_rows import COMMON, OTHER, STATUSES
from app.gateway.provider_errors.dialect_rows import DIALECTS
from app.gateway.provider_errors.rows import Row, Sort
from app.gateway.provider_errors.waits import wait_s

RETRY_S = 5
UNKNOWN_INSIDE = "error_inside"

_CLEAN = frozenset(row.dialect for row in PRESETS.values() if row.is_clean)
"""Dialects whose sentences speak to the caller."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an error means. `error` is for the caller, should no other channel do better.

    `wait_s` is how long the provider asks us to wait, from 1 to 60; None where it does not say.
    `word` names the cause, in our words. `counts`: whether it tells of the channel's health; the
    doing of one customer does not.
    """

    sort: Sort
    error: AppError
    wait_s: int | None
    word: str
    counts: bool = True


def judge(
    dialect: Dialect,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    asked: Asked | None = None,
) -> Judgement:
    """Judge an answer that is no success. `headers` have names in lower case.

    Without `asked` nothing that the provider wrote is shown. Never raises; nothing of the body is
    kept but a cleaned sentence in `error.message` and the client's own member in `error.field`.
    """
    return _judged(dialect, read_body(status, body), headers, asked)


def judge_document(
    dialect: Dialect,
    headers: Mapping[str, str],
    document: object,
    asked: Asked | None = None,
) -> Judgement:
    """Judge an error that stood, already parsed, in an answer of status 200."""
    return _judged(dialect, read_document(200, document), headers, asked)


def _judged(
    dialect: Dialect, found: ProviderError, headers: Mapping[str, str], asked: Asked | None
) -> Judgement:
    row = _row_of(dialect, found)
    word = row.word or (f"status_{found.status}" if found.status else UNKNOWN_INSIDE)
    if row.sort is Sort.CALLER:
        if _blames_us(row, found, asked):
            return Judgement(Sort.ELSEWHERE, row.error(), None, word, counts=False)
        error = _callers_error(row, dialect, found, asked)
        return Judgement(Sort.CALLER, error, None, word, counts=False)
    waited_s = wait_s(headers, delay=found.delay, sentence=found.sentence.casefold())
    error = row.error(retry_after_s=waited_s or RETRY_S)
    return Judgement(row.sort, error, waited_s, word, row.counts)


def _row_of(dialect: Dialect, found: ProviderError) -> Row:
    sentence = found.sentence.casefold()
    for rows in (DIALECTS.get(dialect, ()), COMMON):
        for row in rows:
            if _fits(row, found, sentence):
                return row
    return STATUSES.get(found.status, OTHER)


def _fits(row: Row, found: ProviderError, sentence: str) -> bool:
    """An error without a status fits by its words alone."""
    if row.statuses and found.status and found.status not in row.statuses:
        return False
    return (
        not row.codes.isdisjoint(found.codes)
        or sentence.startswith(row.begins)
        or any(phrase in sentence for phrase in row.says)
    )


def _blames_us(row: Row, found: ProviderError, asked: Asked | None) -> bool:
    """Whether the member at fault is one that we added: then another channel may do better."""
    if row.blames is None or asked is None:
        return False
    named = (found.param.partition(".")[0].partition("[")[0],) if found.param else row.blames
    return bool(named) and not asked.sent_any(named)


def _callers_error(
    row: Row, dialect: Dialect, found: ProviderError, asked: Asked | None
) -> AppError:
    if asked is None:
        return row.error()
    is_quoted = row.quotes and dialect in _CLEAN
    sentence = clean_sentence(found.sentence, asked.names) if is_quoted else None
    return row.error(sentence, field=asked.shown_param(found.param))
