"""Where a request carries something other than text, and what of its body is base64 payload.

Reads decoded JSON that anyone may have written: it trusts no type, never raises, and in doubt
counts more. A part is judged by its type *and* by its members, because providers differ in which
of the two they obey.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Media(StrEnum):
    PICTURE = "picture"
    SOUND = "sound"
    UNKNOWN = "unknown"


# What a member of this name carries: in a content part, a message, or at the top of a request.
MEDIA_BY_MEMBER = {
    "image_url": Media.PICTURE,
    "image_urls": Media.PICTURE,
    "image": Media.PICTURE,
    "images": Media.PICTURE,
    "image_file": Media.PICTURE,
    "mask": Media.PICTURE,
    "reference_images": Media.PICTURE,
    "input_audio": Media.SOUND,
    "audio": Media.SOUND,
    "audio_url": Media.SOUND,
    "file": Media.UNKNOWN,
    "file_url": Media.UNKNOWN,
    "file_data": Media.UNKNOWN,
    "document": Media.UNKNOWN,
    "document_url": Media.UNKNOWN,
    "video": Media.UNKNOWN,
    "video_url": Media.UNKNOWN,
    "input_video": Media.UNKNOWN,
}

MEDIA_BY_TYPE = {
    "image_url": Media.PICTURE,
    "input_image": Media.PICTURE,
    "image": Media.PICTURE,
    "input_audio": Media.SOUND,
    "audio": Media.SOUND,
    "audio_url": Media.SOUND,
}

# Parts whose cost is in their text; anything not in one of the two tables is unknown.
TEXT_TYPES = frozenset(
    {
        "text",
        "input_text",
        "output_text",
        "refusal",
        "thinking",
        "reasoning",
        "redacted_thinking",
        "tool_use",
        "tool_result",
    }
)

PAYLOAD_MEMBERS = frozenset({"data", "file_data", "b64_json"})
BASE64_MARK = ";base64,"
# A data URL's media type stands before the mark and is short; a mark further in is content.
MARK_WITHIN_LENGTH = 256
# Shorter strings are left in the text. CPython shares one object for equal tiny strings, and
# `text_of` tells payloads apart by identity.
PAYLOAD_LENGTH_MIN = 64


@dataclass
class ContentSurvey:
    """What was found. `payloads` are the very string objects that hold base64."""

    pictures: int = 0
    sounds: int = 0
    unknown_parts: int = 0
    has_remote_url: bool = False
    payloads: list[str] = field(default_factory=list)

    @property
    def payload_bytes(self) -> int:
        """At most what the payloads take in the body: escapes only make them longer there."""
        return sum(payload_length(text) for text in self.payloads)

    def add(self, media: Media, *, count: int = 1) -> None:
        match media:
            case Media.PICTURE:
                self.pictures += count
            case Media.SOUND:
                self.sounds += count
            case Media.UNKNOWN:
                self.unknown_parts += count


def survey_content(members: Mapping[str, Any]) -> ContentSurvey:
    """Pictures, sounds, unknown parts and payloads of a request's top-level members."""
    survey = ContentSurvey()
    _survey_members(members, survey)
    for message in _as_list(members.get("messages")):
        if isinstance(message, dict):
            _survey_members(message, survey)
            _survey_parts(message.get("content"), survey)
    _survey_parts(members.get("input"), survey)
    _survey_parts(members.get("prompt"), survey)
    return survey


def text_of(
    value: Any, *, survey: ContentSurvey, unread: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Scalars anywhere in `value` as text, all but its survey's payloads and `unread` members."""
    payloads = {id(text) for text in survey.payloads}
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, dict):
            pending.extend(member for name, member in current.items() if name not in unread)
        elif isinstance(current, list):
            pending.extend(current)
        elif isinstance(current, str):
            if id(current) not in payloads:
                yield current
        elif current is not None:
            yield str(current)


def names_of(value: Any) -> Iterator[str]:
    """The names of all members anywhere in `value`."""
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, dict):
            yield from current
            pending.extend(current.values())
        elif isinstance(current, list):
            pending.extend(current)


def payload_length(text: str) -> int:
    """Characters of base64 in a data URL, or of the whole text where it is no data URL."""
    if not text.startswith("data:"):
        return len(text)
    mark = text.find(BASE64_MARK, 0, MARK_WITHIN_LENGTH)
    return 0 if mark < 0 else len(text) - mark - len(BASE64_MARK)


def _survey_parts(content: Any, survey: ContentSurvey) -> None:
    """`content` is text, a part, or a list of either; parts of tool results hold further parts."""
    pending = _as_list(content)
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending.extend(part)
        elif isinstance(part, dict):
            _survey_part(part, survey)
            pending.extend(_as_list(part.get("content")))


def _survey_part(part: dict[str, Any], survey: ContentSurvey) -> None:
    kind = part.get("type")
    kind = kind if isinstance(kind, str) else None
    if kind in TEXT_TYPES or (kind is None and "text" in part):
        _survey_members(part, survey)
        return
    _count_members(part, survey)
    found = {MEDIA_BY_MEMBER[name] for name in part.keys() & MEDIA_BY_MEMBER.keys()}
    # A part without a type is what its members say it is.
    media = MEDIA_BY_TYPE.get(kind or "", Media.UNKNOWN)
    if media not in found and (kind is not None or not found):
        survey.add(media)
    _survey_media({name: value for name, value in part.items() if name != "text"}, survey)


def _survey_members(owner: Mapping[str, Any], survey: ContentSurvey) -> None:
    names = owner.keys() & MEDIA_BY_MEMBER.keys()
    if names:
        _count_members(owner, survey)
        _survey_media({name: owner[name] for name in names}, survey)


def _count_members(owner: Mapping[str, Any], survey: ContentSurvey) -> None:
    for name in owner.keys() & MEDIA_BY_MEMBER.keys():
        value = owner[name]
        if value is not None:
            survey.add(MEDIA_BY_MEMBER[name], count=len(value) if isinstance(value, list) else 1)


def _survey_media(owner: dict[str, Any], survey: ContentSurvey) -> None:
    """Payloads and URLs anywhere below `owner`, all of which describes media."""
    pending: list[tuple[str, Any]] = list(owner.items())
    while pending:
        name, value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.items())
        elif isinstance(value, list):
            pending.extend((name, element) for element in value)
        elif isinstance(value, str):
            if _is_payload(name, value):
                survey.payloads.append(value)
            elif _is_remote(name, value):
                survey.has_remote_url = True


def _is_payload(name: str, text: str) -> bool:
    if len(text) < PAYLOAD_LENGTH_MIN:
        return False
    if text.startswith("data:"):
        return payload_length(text) > 0
    return name in PAYLOAD_MEMBERS and ":" not in text


def _is_remote(name: str, text: str) -> bool:
    """Whether a server might fetch `text`: base64 and options hold no colon, a URL does, and
    behind a URL's name even a bare path may be followed."""
    if text.startswith("data:"):
        return False
    is_url_member = name == "url" or name.endswith(("_url", "_urls", "uri"))
    return is_url_member or ":" in text or text.startswith("//")


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return list(value)
    return [value] if isinstance(value, dict) else []
