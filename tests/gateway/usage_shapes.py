"""What each provider's documents and clients show as usage, and the units it means."""

from typing import Any, NamedTuple

from app.domain.catalog.units import Unit
from app.domain.channels.presets import Dialect

CHAT, EMBEDDINGS, IMAGES = "openai_chat", "openai_embeddings", "openai_images"


class Shape(NamedTuple):
    """What a provider reports, and the units it means; the units are None where it means none."""

    dialect: Dialect
    reported: dict[str, Any]
    units: dict[Unit, int] | None
    protocol: str = CHAT
    unexplained_tokens: int = 0


SHAPES = {
    # https://platform.openai.com/docs/api-reference/chat/object
    "OpenAI": Shape(
        Dialect.OPENAI,
        {
            "prompt_tokens": 1117,
            "completion_tokens": 46,
            "total_tokens": 1163,
            "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 30,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        {Unit.INPUT: 93, Unit.CACHED_INPUT: 1024, Unit.OUTPUT: 16, Unit.REASONING: 30},
    ),
    # https://docs.claude.com/en/api/openai-sdk: the details are always empty
    "Anthropic's endpoint": Shape(
        Dialect.ANTHROPIC,
        {
            "prompt_tokens": 12,
            "completion_tokens": 34,
            "total_tokens": 46,
            "prompt_tokens_details": None,
            "completion_tokens_details": {},
        },
        {Unit.INPUT: 12, Unit.OUTPUT: 34},
    ),
    # https://github.com/anthropics/anthropic-sdk-python/blob/main/src/anthropic/types/usage.py
    "Anthropic's own names": Shape(
        Dialect.ANTHROPIC,
        {
            "input_tokens": 50,
            "cache_read_input_tokens": 1000,
            "cache_creation_input_tokens": 300,
            "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 100},
            "output_tokens": 90,
            "server_tool_use": None,
            "service_tier": "standard",
        },
        {
            Unit.INPUT: 50,
            Unit.CACHED_INPUT: 1000,
            Unit.CACHE_WRITE: 200,
            Unit.CACHE_WRITE_1H: 100,
            Unit.OUTPUT: 90,
        },
    ),
    # https://github.com/mozilla-ai/any-llm/issues/1290: prompt 20, answer 198, thoughts 405
    "Gemini thinks in the total": Shape(
        Dialect.GEMINI,
        {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623},
        {Unit.INPUT: 20, Unit.OUTPUT: 198, Unit.REASONING: 405},
    ),
    # https://github.com/router-for-me/CLIProxyAPI/issues/5733
    "Gemini does nothing but think": Shape(
        Dialect.GEMINI,
        {
            "completion_tokens": 0,
            "total_tokens": 81,
            "prompt_tokens": 21,
            "completion_tokens_details": {"reasoning_tokens": 60},
        },
        {Unit.INPUT: 21, Unit.REASONING: 60},
    ),
    "Gemini counts thoughts inside": Shape(
        Dialect.GEMINI,
        {
            "prompt_tokens": 20,
            "completion_tokens": 533,
            "total_tokens": 553,
            "completion_tokens_details": {"reasoning_tokens": 382},
        },
        {Unit.INPUT: 20, Unit.OUTPUT: 151, Unit.REASONING: 382},
    ),
    "Gemini says no total": Shape(
        Dialect.GEMINI,
        {"prompt_tokens": 20, "completion_tokens": 5},
        {Unit.INPUT: 20, Unit.OUTPUT: 5},
    ),
    # https://api-docs.deepseek.com/api/create-chat-completion
    "DeepSeek": Shape(
        Dialect.DEEPSEEK,
        {
            "completion_tokens": 10,
            "prompt_tokens": 16,
            "prompt_cache_hit_tokens": 4,
            "prompt_cache_miss_tokens": 12,
            "total_tokens": 26,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
        {Unit.INPUT: 12, Unit.CACHED_INPUT: 4, Unit.OUTPUT: 7, Unit.REASONING: 3},
    ),
    # https://www.alibabacloud.com/help/en/model-studio/context-cache
    "Qwen writes the cache": Shape(
        Dialect.QWEN,
        {
            "prompt_tokens": 3019,
            "completion_tokens": 104,
            "total_tokens": 3123,
            "prompt_tokens_details": {
                "cached_tokens": 2048,
                "cache_creation_input_tokens": 500,
                "cache_creation": {"ephemeral_5m_input_tokens": 500},
                "cache_type": "ephemeral",
            },
        },
        {Unit.INPUT: 471, Unit.CACHED_INPUT: 2048, Unit.CACHE_WRITE: 500, Unit.OUTPUT: 104},
    ),
    # https://www.alibabacloud.com/help/en/model-studio/qwen-omni
    "Qwen sees and speaks": Shape(
        Dialect.QWEN,
        {
            "prompt_tokens": 140,
            "completion_tokens": 60,
            "total_tokens": 200,
            "prompt_tokens_details": {
                "text_tokens": 20,
                "image_tokens": 100,
                "audio_tokens": 20,
                "video_tokens": None,
            },
            "completion_tokens_details": {"text_tokens": 10, "audio_tokens": 50},
        },
        {
            Unit.INPUT: 20,
            Unit.IMAGE_INPUT: 100,
            Unit.AUDIO_INPUT: 20,
            Unit.OUTPUT: 10,
            Unit.AUDIO_OUTPUT: 50,
        },
    ),
    # https://github.com/mistralai/client-ts/issues/240
    "Mistral": Shape(
        Dialect.MISTRAL,
        {
            "prompt_tokens": 1013,
            "total_tokens": 1043,
            "completion_tokens": 30,
            "prompt_tokens_details": {"cached_tokens": 1008},
        },
        {Unit.INPUT: 5, Unit.CACHED_INPUT: 1008, Unit.OUTPUT: 30},
    ),
    # https://github.com/vercel/ai/issues/14382: the same count under three names
    "Mistral says it thrice": Shape(
        Dialect.MISTRAL,
        {
            "prompt_tokens": 16,
            "completion_tokens": 34,
            "total_tokens": 50,
            "prompt_audio_seconds": {},
            "num_cached_tokens": 8,
            "prompt_token_details": {"cached_tokens": 8},
            "prompt_tokens_details": {"cached_tokens": 8},
        },
        {Unit.INPUT: 8, Unit.CACHED_INPUT: 8, Unit.OUTPUT: 34},
    ),
    # https://github.com/groq/groq-typescript/blob/HEAD/src/resources/completions.ts
    "Groq keeps time": Shape(
        Dialect.GROQ,
        {
            "queue_time": 0.037493756,
            "prompt_tokens": 4641,
            "prompt_time": 0.006,
            "completion_tokens": 1817,
            "completion_time": 0.022,
            "total_tokens": 6458,
            "total_time": 0.028,
            "prompt_tokens_details": {"cached_tokens": 4608},
            "completion_tokens_details": {"reasoning_tokens": 1000},
        },
        {Unit.INPUT: 33, Unit.CACHED_INPUT: 4608, Unit.OUTPUT: 817, Unit.REASONING: 1000},
    ),
    # https://docs.rs/crate/xai-openapi/latest/source/src/usage.rs; beside the completion:
    # https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/grok
    "xAI reasons beside the completion": Shape(
        Dialect.XAI,
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 135,
            "prompt_tokens_details": {
                "text_tokens": 32,
                "audio_tokens": 0,
                "image_tokens": 0,
                "cached_tokens": 6,
            },
            "completion_tokens_details": {
                "reasoning_tokens": 94,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
            "num_sources_used": 0,
            "cost_in_usd_ticks": 1234500,
        },
        {Unit.INPUT: 26, Unit.CACHED_INPUT: 6, Unit.OUTPUT: 9, Unit.REASONING: 94},
    ),
    "xAI says no total": Shape(
        Dialect.XAI,
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
        {Unit.INPUT: 32, Unit.OUTPUT: 9, Unit.REASONING: 5},
    ),
    # https://docs.x.ai/developers/advanced-api-usage/prompt-caching/usage-and-pricing
    "xAI without a thought": Shape(
        Dialect.XAI,
        {
            "prompt_tokens": 125,
            "completion_tokens": 48,
            "total_tokens": 173,
            "prompt_tokens_details": {
                "text_tokens": 125,
                "audio_tokens": 0,
                "image_tokens": 0,
                "cached_tokens": 98,
            },
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        {Unit.INPUT: 27, Unit.CACHED_INPUT: 98, Unit.OUTPUT: 48},
    ),
    "xAI from the cache, with a picture": Shape(
        Dialect.XAI,
        {
            "prompt_tokens": 600,
            "completion_tokens": 1,
            "total_tokens": 601,
            "prompt_tokens_details": {
                "text_tokens": 100,
                "image_tokens": 500,
                "cached_tokens": 550,
            },
        },
        {Unit.CACHED_INPUT: 550, Unit.IMAGE_INPUT: 50, Unit.OUTPUT: 1},
    ),
    # https://platform.kimi.ai/docs/api/chat
    "Moonshot": Shape(
        Dialect.MOONSHOT,
        {"prompt_tokens": 19, "completion_tokens": 21, "total_tokens": 40, "cached_tokens": 10},
        {Unit.INPUT: 9, Unit.CACHED_INPUT: 10, Unit.OUTPUT: 21},
    ),
    # https://github.com/Bike4Mind/bike4mind/pull/1089: the same cache hit in both spellings
    "Moonshot in both spellings": Shape(
        Dialect.MOONSHOT,
        {
            "prompt_tokens": 2989,
            "completion_tokens": 21,
            "total_tokens": 3010,
            "cached_tokens": 2989,
            "prompt_tokens_details": {"cached_tokens": 2989},
        },
        {Unit.CACHED_INPUT: 2989, Unit.OUTPUT: 21},
    ),
    # https://docs.z.ai/guides/capabilities/cache
    "Zhipu": Shape(
        Dialect.ZHIPU,
        {
            "prompt_tokens": 1200,
            "completion_tokens": 300,
            "total_tokens": 1500,
            "prompt_tokens_details": {"cached_tokens": 800},
        },
        {Unit.INPUT: 400, Unit.CACHED_INPUT: 800, Unit.OUTPUT: 300},
    ),
    # The names of its older endpoint beside those of OpenAI
    "MiniMax": Shape(
        Dialect.MINIMAX,
        {
            "total_tokens": 249,
            "total_characters": 0,
            "prompt_tokens": 26,
            "completion_tokens": 223,
            "completion_tokens_details": {"reasoning_tokens": 214},
        },
        {Unit.INPUT: 26, Unit.OUTPUT: 9, Unit.REASONING: 214},
    ),
    "MiniMax's older models say the total alone": Shape(
        Dialect.MINIMAX, {"total_tokens": 249, "total_characters": 0}, None
    ),
    # https://openrouter.ai/docs/use-cases/usage-accounting
    "OpenRouter": Shape(
        Dialect.OPENROUTER,
        {
            "completion_tokens": 2,
            "completion_tokens_details": {"reasoning_tokens": 0},
            "cost": 0.95,
            "cost_details": {"upstream_inference_cost": 19},
            "prompt_tokens": 194,
            "prompt_tokens_details": {
                "cached_tokens": 0,
                "cache_write_tokens": 100,
                "audio_tokens": 0,
            },
            "total_tokens": 196,
            "is_byok": False,
        },
        {Unit.INPUT: 94, Unit.CACHE_WRITE: 100, Unit.OUTPUT: 2},
    ),
    # OpenAI's names, and the cache in Moonshot's spelling
    "Together": Shape(
        Dialect.TOGETHER,
        {"prompt_tokens": 40, "completion_tokens": 8, "total_tokens": 48, "cached_tokens": 32},
        {Unit.INPUT: 8, Unit.CACHED_INPUT: 32, Unit.OUTPUT: 8},
    ),
    # https://docs.ollama.com/api/openai-compatibility
    "Ollama": Shape(
        Dialect.OLLAMA,
        {"prompt_tokens": 33, "completion_tokens": 20, "total_tokens": 53},
        {Unit.INPUT: 33, Unit.OUTPUT: 20},
    ),
    # vllm/entrypoints/openai/protocol.py, UsageInfo
    "vLLM": Shape(
        Dialect.VLLM,
        {
            "prompt_tokens": 9,
            "total_tokens": 25,
            "completion_tokens": 16,
            "prompt_tokens_details": None,
        },
        {Unit.INPUT: 9, Unit.OUTPUT: 16},
    ),
    "vLLM tells of its cache": Shape(
        Dialect.VLLM,
        {
            "prompt_tokens": 90,
            "total_tokens": 106,
            "completion_tokens": 16,
            "prompt_tokens_details": {"cached_tokens": 80},
        },
        {Unit.INPUT: 10, Unit.CACHED_INPUT: 80, Unit.OUTPUT: 16},
    ),
    # https://github.com/netclaw-dev/netclaw/issues/614
    "llama.cpp": Shape(
        Dialect.LLAMA_CPP,
        {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16},
        {Unit.INPUT: 11, Unit.OUTPUT: 5},
    ),
    "nobody else's thoughts are billed from the total": Shape(
        Dialect.PLAIN,
        {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623},
        {Unit.INPUT: 20, Unit.OUTPUT: 198},
        unexplained_tokens=405,
    ),
    # https://platform.openai.com/docs/api-reference/embeddings
    "OpenAI's embeddings": Shape(
        Dialect.OPENAI, {"prompt_tokens": 8, "total_tokens": 8}, {Unit.INPUT: 8}, EMBEDDINGS
    ),
    "Gemini's embeddings": Shape(
        Dialect.GEMINI, {"prompt_tokens": 8, "total_tokens": 8}, {Unit.INPUT: 8}, EMBEDDINGS
    ),
    "vLLM's embeddings": Shape(
        Dialect.VLLM,
        {
            "prompt_tokens": 8,
            "total_tokens": 8,
            "completion_tokens": 0,
            "prompt_tokens_details": None,
        },
        {Unit.INPUT: 8},
        EMBEDDINGS,
    ),
    "Ollama's embeddings": Shape(
        Dialect.OLLAMA, {"prompt_tokens": 8, "total_tokens": 8}, {Unit.INPUT: 8}, EMBEDDINGS
    ),
    "Together's embeddings": Shape(
        Dialect.TOGETHER, {"prompt_tokens": 8, "total_tokens": 8}, {Unit.INPUT: 8}, EMBEDDINGS
    ),
    "Mistral's embeddings": Shape(
        Dialect.MISTRAL,
        {
            "prompt_tokens": 8,
            "total_tokens": 8,
            "completion_tokens": 0,
            "prompt_audio_seconds": None,
        },
        {Unit.INPUT: 8},
        EMBEDDINGS,
    ),
    "OpenRouter's embeddings": Shape(
        Dialect.OPENROUTER,
        {"prompt_tokens": 8, "total_tokens": 8, "cost": 1e-07},
        {Unit.INPUT: 8},
        EMBEDDINGS,
    ),
    # https://platform.openai.com/docs/api-reference/images/create
    "gpt-image": Shape(
        Dialect.OPENAI,
        {
            "total_tokens": 100,
            "input_tokens": 50,
            "output_tokens": 50,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        },
        {Unit.INPUT: 10, Unit.IMAGE_INPUT: 40, Unit.IMAGE_OUTPUT: 50},
        IMAGES,
    ),
    "Gemini's pictures by the names of chat": Shape(
        Dialect.GEMINI,
        {"prompt_tokens": 7, "completion_tokens": 1290, "total_tokens": 1297},
        {Unit.INPUT: 7, Unit.IMAGE_OUTPUT: 1290},
        IMAGES,
    ),
    "Gemini's pictures by the piece": Shape(Dialect.GEMINI, {}, None, IMAGES),
    # https://docs.x.ai/docs/guides/image-generations
    "xAI's pictures cost, and count no tokens": Shape(
        Dialect.XAI, {"cost_in_usd_ticks": 200_000_000}, None, IMAGES
    ),
}
