"""Providers we know, one frozen row each: where they listen, and how their endpoint differs.

A channel made from a preset takes its base URL and its facts; each fact can be changed later by
model. Where a provider's documents leave a fact open, the row holds the value that cannot lose the
operator money: a bound too high, a stream read to its end, a limit that is sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from app.domain.channels.models import LimitField, StreamUsage


class Dialect(StrEnum):
    """How a provider reports usage and words its errors. `PLAIN` is whoever is not named."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    AZURE = "azure"
    DEEPSEEK = "deepseek"
    QWEN = "qwen"
    MISTRAL = "mistral"
    GROQ = "groq"
    XAI = "xai"
    MOONSHOT = "moonshot"
    ZHIPU = "zhipu"
    MINIMAX = "minimax"
    OPENROUTER = "openrouter"
    TOGETHER = "together"
    OLLAMA = "ollama"
    VLLM = "vllm"
    LLAMA_CPP = "llama_cpp"
    PLAIN = "plain"


class KeyHeader(StrEnum):
    """The header in which a provider's list of models wants the key."""

    BEARER = "bearer"
    X_API_KEY = "x-api-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """The facts of a channel model, as `ChannelModel` stores them; the defaults are those of a
    plain OpenAI-compatible server."""

    limit_field: LimitField = LimitField.MAX_TOKENS
    limit_includes_reasoning: bool = True
    enforces_limit: bool = True
    stream_usage: StreamUsage = StreamUsage.ASK
    cancel_stops_billing: bool = False
    cut_member: str | None = None
    base64_embeddings: bool = False
    knows_service_tier: bool = False
    knows_safety_identifier: bool = False
    retry_after_timeout: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One provider. `base_url` is None where it differs by account: then `base_url_hint` shows its
    form. `is_clean`: the sentences of its errors speak to the caller and may be quoted.

    `models_query` is added to its list of models, whose key goes in `models_key`; `models_prefix`
    stands before each name there and nowhere else.
    """

    name: str
    title: str
    dialect: Dialect
    base_url: str | None = None
    base_url_hint: str = ""
    allow_private: bool = False
    needs_key: bool = True
    is_clean: bool = False
    facts: ModelFacts = ModelFacts()
    models_query: str = ""
    models_key: KeyHeader = KeyHeader.BEARER
    models_prefix: str = ""


# A server of one's own generates until the context is full, stops when the client goes, and sells
# nothing twice.
_LOCAL = ModelFacts(enforces_limit=False, cancel_stops_billing=True, retry_after_timeout=True)

# Thoughts have a ceiling of their own there, thinking_budget
# (https://www.alibabacloud.com/help/en/model-studio/deep-thinking).
_QWEN = ModelFacts(limit_includes_reasoning=False)

# It takes no stream_options, and max_tokens alone
# (https://java.agentscope.io/v2/en/integration/model/glm); usage rides on the last frame. Its
# documents do not say whether the limit bounds the thoughts.
_ZHIPU = ModelFacts(limit_includes_reasoning=False, stream_usage=StreamUsage.ALWAYS)

# It calls max_tokens deprecated (https://java.agentscope.io/v2/en/integration/model/minimax), and
# does not say what the limit bounds.
_MINIMAX = ModelFacts(limit_field=LimitField.MAX_COMPLETION_TOKENS, limit_includes_reasoning=False)

PLAIN = Preset(
    name="plain",
    title="OpenAI-compatible server",
    dialect=Dialect.PLAIN,
    base_url_hint="https://HOST/v1",
    facts=ModelFacts(base64_embeddings=True),
)

_ROWS = (
    Preset(
        name="openai",
        title="OpenAI",
        dialect=Dialect.OPENAI,
        base_url="https://api.openai.com/v1",
        is_clean=True,
        facts=ModelFacts(
            # Its reasoning models refuse max_tokens; the others take either.
            limit_field=LimitField.MAX_COMPLETION_TOKENS,
            base64_embeddings=True,
            knows_service_tier=True,
            knows_safety_identifier=True,
        ),
    ),
    Preset(
        name="anthropic",
        title="Anthropic",
        dialect=Dialect.ANTHROPIC,
        base_url="https://api.anthropic.com/v1",
        is_clean=True,
        # Only the chat endpoint speaks OpenAI; the list is Anthropic's own, 20 names a page.
        models_query="?limit=1000",
        models_key=KeyHeader.X_API_KEY,
    ),
    Preset(
        name="gemini",
        title="Google Gemini",
        dialect=Dialect.GEMINI,
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        is_clean=True,
        models_prefix="models/",
    ),
    Preset(
        name="azure",
        title="Azure OpenAI",
        dialect=Dialect.AZURE,
        base_url_hint="https://RESOURCE.openai.azure.com/openai/v1",
        is_clean=True,
        facts=ModelFacts(limit_field=LimitField.MAX_COMPLETION_TOKENS, base64_embeddings=True),
    ),
    Preset(
        name="deepseek",
        title="DeepSeek",
        dialect=Dialect.DEEPSEEK,
        base_url="https://api.deepseek.com/v1",
        is_clean=True,
    ),
    Preset(
        name="qwen",
        title="Alibaba Model Studio (international)",
        dialect=Dialect.QWEN,
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        facts=_QWEN,
    ),
    Preset(
        name="qwen-china",
        title="Alibaba Model Studio (China)",
        dialect=Dialect.QWEN,
        base_url="https://dashscope.aliyuncs.com/compatible-mode/v1",
        facts=_QWEN,
    ),
    Preset(
        name="mistral",
        title="Mistral",
        dialect=Dialect.MISTRAL,
        base_url="https://api.mistral.ai/v1",
        is_clean=True,
        # It reports usage unasked, and answers include_usage with 422 extra_forbidden
        # (https://github.com/BerriAI/litellm/issues/8978).
        facts=ModelFacts(stream_usage=StreamUsage.ALWAYS),
    ),
    Preset(
        name="groq",
        title="Groq",
        dialect=Dialect.GROQ,
        base_url="https://api.groq.com/openai/v1",
        is_clean=True,
        facts=ModelFacts(limit_field=LimitField.MAX_COMPLETION_TOKENS, cut_member="x_groq"),
    ),
    Preset(
        name="xai",
        title="xAI",
        dialect=Dialect.XAI,
        base_url="https://api.x.ai/v1",
        is_clean=True,
        # Reasoning is counted beside the completion
        # (https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/grok), and
        # nothing says that the limit bounds it.
        facts=ModelFacts(
            limit_field=LimitField.MAX_COMPLETION_TOKENS, limit_includes_reasoning=False
        ),
    ),
    Preset(
        name="moonshot",
        title="Moonshot AI (international)",
        dialect=Dialect.MOONSHOT,
        base_url="https://api.moonshot.ai/v1",
    ),
    Preset(
        name="moonshot-china",
        title="Moonshot AI (China)",
        dialect=Dialect.MOONSHOT,
        base_url="https://api.moonshot.cn/v1",
    ),
    Preset(
        name="zhipu",
        title="Z.ai (Zhipu, international)",
        dialect=Dialect.ZHIPU,
        base_url="https://api.z.ai/api/paas/v4",
        facts=_ZHIPU,
    ),
    Preset(
        name="zhipu-china",
        title="Zhipu BigModel (China)",
        dialect=Dialect.ZHIPU,
        base_url="https://open.bigmodel.cn/api/paas/v4",
        facts=_ZHIPU,
    ),
    Preset(
        name="minimax",
        title="MiniMax (international)",
        dialect=Dialect.MINIMAX,
        base_url="https://api.minimax.io/v1",
        facts=_MINIMAX,
    ),
    Preset(
        name="minimax-china",
        title="MiniMax (China)",
        dialect=Dialect.MINIMAX,
        base_url="https://api.minimaxi.com/v1",
        facts=_MINIMAX,
    ),
    Preset(
        name="openrouter",
        title="OpenRouter",
        dialect=Dialect.OPENROUTER,
        base_url="https://openrouter.ai/api/v1",
        # Some of the providers behind it stop billing when the client goes, others do not
        # (https://openrouter.ai/docs/api-reference/streaming), and each bounds in its own way.
        facts=ModelFacts(
            limit_includes_reasoning=False, enforces_limit=False, cut_member="provider"
        ),
    ),
    Preset(
        name="together",
        title="Together AI",
        dialect=Dialect.TOGETHER,
        base_url="https://api.together.xyz/v1",
        facts=ModelFacts(enforces_limit=False),
    ),
    Preset(
        name="ollama",
        title="Ollama",
        dialect=Dialect.OLLAMA,
        base_url="http://127.0.0.1:11434/v1",
        allow_private=True,
        needs_key=False,
        facts=_LOCAL,
    ),
    Preset(
        name="vllm",
        title="vLLM",
        dialect=Dialect.VLLM,
        base_url="http://127.0.0.1:8000/v1",
        allow_private=True,
        needs_key=False,
        facts=_LOCAL,
    ),
    Preset(
        name="llama-cpp",
        title="llama.cpp server",
        dialect=Dialect.LLAMA_CPP,
        base_url="http://127.0.0.1:8080/v1",
        allow_private=True,
        needs_key=False,
        facts=_LOCAL,
    ),
    PLAIN,
)

PRESETS: Mapping[str, Preset] = MappingProxyType({row.name: row for row in _ROWS})


def preset_of(name: str | None) -> Preset:
    """The preset that a channel names; `PLAIN` where it names none, or one that is no more."""
    return PLAIN if name is None else PRESETS.get(name, PLAIN)
