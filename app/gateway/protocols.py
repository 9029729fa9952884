"""The protocols of ``/v1``, one frozen row each: routes, refusals and tests walk this table."""

from dataclasses import dataclass

from app.domain.catalog.kinds import ModelKind


@dataclass(frozen=True, slots=True)
class Protocol:
    """How one endpoint is spoken.

    `list_member` is where a whole answer puts what was made. `known` are the members that the
    protocol defines: a name that differs from one only in case is refused, since some providers
    would take it for the real one. `required` must be there.
    """

    name: str
    path: str
    upstream_path: str
    kind: ModelKind
    streams: bool
    usage_dialect: str
    list_member: str
    required: tuple[str, ...]
    known: frozenset[str]
    frame_cap_bytes: int = 1 << 20
    answer_cap_bytes: int = 64 << 20


_COMMON = frozenset({"model", "user", "n", "safety_identifier", "metadata", "service_tier"})

CHAT = Protocol(
    name="chat",
    path="/v1/chat/completions",
    upstream_path="/chat/completions",
    kind=ModelKind.CHAT,
    streams=True,
    usage_dialect="openai_chat",
    list_member="choices",
    required=("model", "messages"),
    known=_COMMON
    | {
        "audio", "best_of", "frequency_penalty", "function_call", "functions", "logit_bias",
        "logprobs", "max_completion_tokens", "max_tokens", "messages", "modalities",
        "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key",
        "reasoning_effort", "response_format", "seed", "stop", "store", "stream", "stream_options",
        "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "verbosity",
    },
)  # fmt: skip

EMBEDDINGS = Protocol(
    name="embeddings",
    path="/v1/embeddings",
    upstream_path="/embeddings",
    kind=ModelKind.EMBEDDING,
    streams=False,
    usage_dialect="openai_embeddings",
    list_member="data",
    required=("model", "input"),
    known=_COMMON | {"dimensions", "encoding_format", "input"},
)

IMAGES = Protocol(
    name="images",
    path="/v1/images/generations",
    upstream_path="/images/generations",
    kind=ModelKind.IMAGE_GENERATION,
    streams=False,
    usage_dialect="openai_images",
    list_member="data",
    required=("model", "prompt"),
    known=_COMMON
    | {
        "background", "moderation", "output_compression", "output_format", "partial_images",
        "prompt", "quality", "response_format", "size", "stream", "style",
    },
    frame_cap_bytes=16 << 20,
)  # fmt: skip

PROTOCOLS = (CHAT, EMBEDDINGS, IMAGES)
