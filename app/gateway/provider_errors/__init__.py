"""What a provider's error means: for the caller, for the next attempt, for the channel."""

from app.gateway.provider_errors.asked import Asked
from app.gateway.provider_errors.bodies import BODY_MAX_BYTES, fails_inside
from app.gateway.provider_errors.judging import UNKNOWN_INSIDE, Judgement, judge, judge_document
from app.gateway.provider_errors.rows import MODEL_UNKNOWN, Sort

__all__ = [
    "BODY_MAX_BYTES",
    "MODEL_UNKNOWN",
    "UNKNOWN_INSIDE",
    "Asked",
    "Judgement",
    "Sort",
    "fails_inside",
    "judge",
    "judge_document",
]
