"""Counting tokens here, where a provider's count is missing or a token a byte is unaffordable.

One vocabulary, o200k (OpenAI since GPT-4o), stands for all vendors; it ships inside the package
`rs-bpe` and needs no network. How far another one is off, ``bench/token_counting.py`` measures
against cl100k (OpenAI's embeddings): English and code within 2 %, Chinese 29 % and Vietnamese 67 %
more tokens than counted here; other vendors keep theirs to themselves. So a count is an estimate,
marked as one on the receipt, and a bound made from it (× 1.3) holds money but proves nothing:
what is plausible usage stays measured in bytes.

Where the package has no wheel for this platform, a token is taken to be three bytes, once logged as
a warning; bounds then stay a token a byte.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from app.core.money import ceil_div
from app.domain.billing.content_parts import ContentSurvey, names_of, survey_content, text_of

log = logging.getLogger(__name__)

# The tokenizer holds the interpreter's lock while it counts: 4 KiB are 0.1 ms.
PIECE_BYTES_MAX = 4_096
UTF8_BYTES_MAX = 4

BYTES_PER_TOKEN_WITHOUT_VOCABULARY = 3

# Role and separators of a message, and the opening of the answer, in OpenAI's chat template.
TOKENS_PER_MESSAGE = 4
TOKENS_BEFORE_ANSWER = 3

# What of a request becomes the prompt; the rest are its options.
INPUT_MEMBERS = ("input", "prompt")
DEFINITION_MEMBERS = ("tools", "functions", "response_format")
# Names and ids that structure a message and are not read by the model.
UNREAD_MEMBERS = frozenset({"role", "type", "id", "tool_call_id"})


def count_text(text: str) -> int:
    """Tokens of `text`, cut into pieces; each cut may add one to what the whole would count."""
    counter = _counter() or _count_without_vocabulary
    return sum(counter(piece) for piece in _pieces(_storable(text)))


def count_request(members: Mapping[str, Any]) -> int:
    """Tokens of a request's prompt: messages, tools, schema, or an embeddings input.

    Pictures, sounds and files count nothing here: their size in tokens is the provider's secret.
    """
    survey = survey_content(members)
    total = sum(_count_input(members.get(name), survey) for name in INPUT_MEMBERS)
    total += sum(_count_definition(members.get(name), survey) for name in DEFINITION_MEMBERS)
    messages = members.get("messages")
    if isinstance(messages, list):
        total += TOKENS_BEFORE_ANSWER + TOKENS_PER_MESSAGE * len(messages)
        total += _count_all(text_of(messages, survey=survey, unread=UNREAD_MEMBERS))
    return total


def text_bound_tokens(members: Mapping[str, Any]) -> int:
    """An upper estimate, count × 1.3, of everything in the request but base64 payloads.

    Names and options are counted too: any of them may reach a prompt. Without a vocabulary it is
    the text's size in bytes, a token a byte.
    """
    document = dict(members)
    texts = [*names_of(document), *text_of(document, survey=survey_content(document))]
    if not has_vocabulary():
        return sum(_size_bytes(text) + 1 for text in texts)
    # One more for each, for the marks around it.
    return ceil_div((_count_all(texts) + len(texts)) * 13, 10)


def has_vocabulary() -> bool:
    """Whether counts come from a vocabulary rather than from the number of bytes."""
    return _counter() is not None


def _count_all(texts: Iterable[str]) -> int:
    return sum(count_text(text) for text in texts)


def _count_definition(value: Any, survey: ContentSurvey) -> int:
    return _count_all(names_of(value)) + _count_all(text_of(value, survey=survey))


def _count_input(value: Any, survey: ContentSurvey) -> int:
    """Text, token ids (one token each), or lists of either."""
    elements = value if isinstance(value, list) else [value]
    flat = [
        inner
        for element in elements
        for inner in (element if isinstance(element, list) else [element])
    ]
    token_ids = sum(type(element) is int for element in flat)
    rest = [element for element in flat if type(element) is not int]
    return token_ids + _count_all(text_of(rest, survey=survey, unread=UNREAD_MEMBERS))


def _storable(text: str) -> str:
    """`text` with lone surrogates, which no UTF-8 can carry, replaced by question marks."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _pieces(text: str) -> Iterator[str]:
    """`text` cut between characters into pieces of at most 4 KiB of UTF-8."""
    length = PIECE_BYTES_MAX if text.isascii() else PIECE_BYTES_MAX // UTF8_BYTES_MAX
    return (text[at : at + length] for at in range(0, len(text), length))


@cache
def _counter() -> Callable[[str], int] | None:
    """The tokenizer's count, loaded at first use (0.1 s, 70 MB that stay); None where missing."""
    try:
        from rs_bpe.bpe import openai
    except ImportError:
        log.warning("rs-bpe is not installed: tokens are estimated as bytes / 3")
        return None
    count: Callable[[str], int] = openai.o200k_base().count
    return count


def _count_without_vocabulary(text: str) -> int:
    return ceil_div(_size_bytes(text), BYTES_PER_TOKEN_WITHOUT_VOCABULARY)


def _size_bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
