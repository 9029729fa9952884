"""What of a request decides its price, read once from its decoded members. Pure.

The values come from outside. Whatever has the wrong type and could change the price is refused;
everything else passes and is counted as text.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from app.core.errors import BadRequest
from app.domain.billing.content_parts import ContentSurvey, survey_content
from app.domain.catalog.kinds import ModelKind

# Far above anything a provider takes; it keeps products of such numbers small.
COUNT_MAX = 1_000_000_000

OUTPUT_LIMIT_MEMBERS = ("max_completion_tokens", "max_tokens")


class InvalidCount(BadRequest):
    number = 42
    reason = "invalid_count"
    message = "This parameter must be a whole number above zero."


class ConflictingOutputLimits(BadRequest):
    number = 43
    reason = "conflicting_output_limits"
    message = "Send max_tokens or max_completion_tokens, not both with different values."


class RequestShape(NamedTuple):
    """The numbers that bound a request's cost.

    `text_bytes` is the body without base64 payloads; `text_tokens` an upper estimate of the same
    text, present only after it was tokenised. `prompts` counts the inputs of one embeddings call.
    `picture_size` and `picture_quality` are as sent, None where the provider chooses.
    """

    kind: ModelKind
    text_bytes: int
    text_tokens: int | None = None
    pictures: int = 0
    sounds: int = 0
    unknown_parts: int = 0
    n: int = 1
    best_of: int = 1
    prompts: int = 1
    output_limit: int | None = None
    partial_pictures: int = 0
    picture_size: str | None = None
    picture_quality: str | None = None
    has_remote_url: bool = False

    @property
    def answers(self) -> int:
        """How many answers of the output limit's length, or pictures, may be billed."""
        return max(self.n, self.best_of) * self.prompts


def measure_request(
    members: Mapping[str, Any], *, kind: ModelKind, body_bytes: int
) -> RequestShape:
    """The shape of a request of `body_bytes`, whose top-level members are `members`.

    Raises InvalidCount and ConflictingOutputLimits.
    """
    survey = survey_content(members)
    is_picture_request = kind is ModelKind.IMAGE_GENERATION
    return RequestShape(
        kind=kind,
        text_bytes=_text_bytes(body_bytes, survey),
        pictures=survey.pictures,
        sounds=survey.sounds,
        unknown_parts=survey.unknown_parts,
        n=_count(members, "n") or 1,
        best_of=_count(members, "best_of") or 1,
        prompts=_prompts(members.get("input")) if kind is ModelKind.EMBEDDING else 1,
        output_limit=_output_limit(members) if kind is ModelKind.CHAT else None,
        partial_pictures=_count(members, "partial_images", least=0) or 0,
        picture_size=_choice(members.get("size")) if is_picture_request else None,
        picture_quality=_choice(members.get("quality")) if is_picture_request else None,
        has_remote_url=survey.has_remote_url,
    )


def _text_bytes(body_bytes: int, survey: ContentSurvey) -> int:
    return max(body_bytes - survey.payload_bytes, 0)


def _count(members: Mapping[str, Any], name: str, *, least: int = 1) -> int | None:
    """An optional whole number; null is as good as absent. `true` and `1.0` are none."""
    value = members.get(name)
    if value is None:
        return None
    if type(value) is not int or not least <= value <= COUNT_MAX:
        raise InvalidCount(f"{name} must be a whole number of at least {least}.", field=name)
    return value


def _output_limit(members: Mapping[str, Any]) -> int | None:
    limits = {
        limit for name in OUTPUT_LIMIT_MEMBERS if (limit := _count(members, name)) is not None
    }
    if len(limits) > 1:
        raise ConflictingOutputLimits(field="max_completion_tokens")
    return next(iter(limits), None)


def _prompts(value: Any) -> int:
    """Inputs of an embeddings call: text, or one list of token ids, is one; else one an element."""
    if not isinstance(value, list) or all(type(element) is int for element in value):
        return 1
    return len(value)


def _choice(value: Any) -> str | None:
    """What the caller asked for; `auto` and anything that is no text leave it to the provider."""
    return value if isinstance(value, str) and value != "auto" else None
