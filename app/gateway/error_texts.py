"""A provider's sentence, fit to be shown to our caller, or not shown at all.

What may name the provider account, its servers or its logs is cut out: URLs, hosts, IPs, paths,
emails, keys, ids, long runs of letters and digits. Where too much would be missing, or a word is
left that must stay inside, there is no sentence.
"""

import re
from dataclasses import dataclass

from app.domain.channels.offers import Route

LENGTH_MAX = 300
READ_LENGTH = 1_000
HOLE = "…"
HOLES_MAX = 6
LETTERS_MIN = 12
TELLING_LENGTH = 4

_NOUNS = (
    "organi[sz]ation|org|account|team|project|workspace|tenant|subscription|deployment|tid|"
    "(?:request|trace|response|correlation)[ _-]?id"
)
_PREFIXES = (
    "org|proj|project|req|request|user|acct|team|wrkspc|workspace|chatcmpl|cmpl|gen|msg|asst|run|"
    "resp|cus|sub|file|key|api[-_]key|trace"
)

# A place inside of a request, which looks like a host: messages.0.content, tools[0].function.name.
_PLACE = (
    r"\b(?:messages|tools|functions|input|contents|prompt|stop)(?:\.\d{1,6}|\[\d{1,6}\])"
    r"(?:\.[a-z_]{1,32}\b|\.\d{1,6}|\[\d{1,6}\]){0,8}"
)

_HOLES = (
    r"[a-z][a-z0-9+.-]{1,20}://\S+",
    r"www\.\S+",
    r"\S{1,128}@\S{1,128}",
    # A key with its middle masked.
    r"\S*\*{2,}\S*",
    # A noun and its name: quoted, or with a digit or a dash in it.
    rf"\b(?:{_NOUNS})\b(?:\s+(?:id|name|called|named))?\s*[:=]?\s*"
    r"(?:[`'\"<(\[{][^\s]{1,128}|(?=[\w.:-]{0,64}[\d_-])[\w.:-]{3,128})",
    r"\b(?:sk|pk|rk|gsk|xai)[-_][\w-]{4,}",
    r"\bAIza[\w-]{8,}",
    rf"\b(?:{_PREFIXES})[-_:](?=[\w-]{{0,64}}\d)[\w-]{{4,}}",
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
    r"\b[0-9a-f]{12,}\b",
    r"[\w+/=-]{32,}",
    r"(?=[A-Za-z+/=_-]{0,64}\d)[\w+/=-]{20,}",
    r"(?=[A-Za-z_-]{0,32}\d)(?=[\d_-]{0,32}[A-Za-z])(?=(?:[A-Za-z_-]{0,32}\d){3})\w[\w-]{9,}",
    r"\b\d{9,}\b",
    r"\[?[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){3,}\]?",
    r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b",
    r"\blocalhost\b(?::\d+)?",
    r"\b(?:[a-z0-9-]+\.)+[a-z]{2,}\b(?::\d+)?(?:/\S*)?",
    r"\b[a-z][\w-]*:\d{2,5}\b",
    r"(?<!\w)~?(?:/[\w.@-]+){2,}",
    r"\b[a-z]:\\\S+",
)
_HOLE = re.compile(
    "|".join((f"(?P<place>{_PLACE})", *(f"(?:{pattern})" for pattern in _HOLES))),
    re.IGNORECASE | re.ASCII,
)
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]+")
_HOLES_IN_A_ROW = re.compile(rf"{HOLE}(?:[\s,;:'\"`()<>\[\]]*{HOLE})+")


@dataclass(frozen=True, slots=True)
class Names:
    """What is called how: the caller sees `sold` where the provider writes `upstream`. A sentence
    that holds one of `secrets`, or one of `words` as a word, is not shown. Both in lower case."""

    sold: str
    upstream: str
    secrets: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def names_of(*, sold: str, upstream: str, api_key: str, host: str, channel_name: str) -> Names:
    """The names of one channel's model. A key is known by either end: providers mask the middle."""
    key, host = api_key.casefold(), host.casefold()
    # The last two labels are the provider's own name, which is no secret alone.
    words = (channel_name.casefold(), *host.split(".")[:-2])
    return Names(
        sold=sold,
        upstream=upstream,
        secrets=tuple(part for part in (key, key[:12], key[-8:], host) if _is_telling(part)),
        words=tuple(word for word in words if _is_telling(word)),
    )


def names_of_route(route: Route, *, sold: str, host: str) -> Names:
    """The names of one way to a model, whose provider listens on `host`."""
    return names_of(
        sold=sold,
        upstream=route.upstream_name,
        api_key=route.api_key,
        host=host,
        channel_name=route.channel_name,
    )


def clean_sentence(sentence: str, names: Names) -> str | None:
    """The sentence without what must stay inside, at most `LENGTH_MAX` characters; None where
    nothing worth showing is left."""
    # A frame may hold half a character, which no JSON of ours could.
    whole = sentence[:READ_LENGTH].encode("utf-8", "replace").decode()
    flat = _BLANKS.sub(" ", whole).strip()
    cleaned = names.sold.join(_HOLE.sub(_hole, part) for part in _parted(flat, names.upstream))
    cleaned = _HOLES_IN_A_ROW.sub(HOLE, cleaned).strip()
    if _says_little(cleaned) or _tells(cleaned.casefold(), names):
        return None
    return cleaned if len(cleaned) <= LENGTH_MAX else _cut(cleaned)


def _parted(text: str, name: str) -> list[str]:
    """The text between the places where the whole name stands."""
    return re.split(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) if name else [text]


def _hole(found: re.Match[str]) -> str:
    return found["place"] or HOLE


def _is_telling(part: str) -> bool:
    return len(part) >= TELLING_LENGTH


def _says_little(text: str) -> bool:
    letters = sum(character.isalpha() for character in text)
    return letters < LETTERS_MIN or text.count(HOLE) > HOLES_MAX


def _tells(folded: str, names: Names) -> bool:
    upstream = names.upstream.casefold()
    is_other = upstream not in names.sold.casefold() and _is_telling(upstream)
    return (
        any(secret in folded for secret in names.secrets)
        or (is_other and upstream in folded)
        or any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", folded) for word in names.words)
    )


def _cut(text: str) -> str:
    """Cut at a blank, where there is one near the end."""
    kept = text[: LENGTH_MAX - 1]
    blank = kept.rfind(" ", LENGTH_MAX // 2)
    return (kept if blank < 0 else kept[:blank]).rstrip() + HOLE
