"""What each provider says in its own way, tried before the common rows.

The lists of error codes: docs.anthropic.com/en/api/errors, ai.google.dev/gemini-api/docs
(api-errors), api-docs.deepseek.com/quick_start/error_codes, help.aliyun.com/en/model-studio
(error-code), docs.bigmodel.cn/cn/api/api-code, platform.minimax.io/docs/api-reference (errorcode),
platform.kimi.ai/docs/api/errors, openrouter.ai/docs/api/errors, docs.together.ai/docs/error-codes,
console.groq.com/docs/errors; sentences as their users report them.
"""

from collections.abc import Mapping
from types import MappingProxyType

from app.domain.channels.presets import Dialect
from app.gateway.errors import (
    ContentFiltered,
    ContextTooLong,
    GenerationFailed,
    InvalidImageUrl,
    InvalidParameter,
    MissingParameter,
    OutputLimitTooLarge,
    UnsupportedInput,
    UpstreamRejected,
)
from app.gateway.provider_errors.common_rows import OUTPUT_LIMITS
from app.gateway.provider_errors.rows import REFUSALS, Row, Sort, callers, channels, unknown_model

_EVERY_REFUSAL = (*REFUSALS, 403, 429, 500)
"""Some providers put the caller's fault under any of these."""


def _filtered(codes: str = "", *, says: tuple[str, ...] = ()) -> Row:
    return callers(
        "content_filter",
        ContentFiltered,
        statuses=_EVERY_REFUSAL,
        codes=codes,
        says=says,
        quotes=False,
    )


def _dead(
    word: str,
    codes: str = "",
    *,
    begins: tuple[str, ...] = (),
    says: tuple[str, ...] = (),
    statuses: tuple[int, ...] = (),
) -> Row:
    return channels(Sort.DEAD, word, codes=codes, begins=begins, says=says, statuses=statuses)


DIALECTS: Mapping[Dialect, tuple[Row, ...]] = MappingProxyType(
    {
        Dialect.ANTHROPIC: (
            _dead("spend_limit", begins=("you have reached your specified",)),
            _dead("spend_limit", "enforced_spend_limit_reached"),
            _filtered(says=("content filtering policy",)),
            callers(
                "output_limit",
                OutputLimitTooLarge,
                begins=("max_tokens:",),
                blames=OUTPUT_LIMITS,
            ),
            unknown_model(codes="not_found_error"),
        ),
        Dialect.GEMINI: (
            _dead(
                "key_refused",
                "api_key_invalid api_key_expired api_key_service_blocked",
                begins=("your api key was reported",),
            ),
            _dead("account_closed", "consumer_suspended service_disabled"),
            _dead("no_credit", "billing_disabled", begins=("your prepayment credits",)),
            # In a 400 this is the account or the place of the server: the free tier is not there.
            _dead("region_refused", "failed_precondition", statuses=(400,)),
            _filtered("prohibited_content"),
        ),
        Dialect.AZURE: (
            # Here a deployment's tokens a minute bear the name that elsewhere means an empty purse.
            channels(
                Sort.WAIT, "busy", statuses=(429,), codes="insufficient_quota ratelimitreached"
            ),
            _dead("account_closed", "subscriptiondisabled readonlydisabledsubscription"),
            unknown_model(codes="operationnotsupported"),
        ),
        Dialect.DEEPSEEK: (_filtered(says=("content exists risk",)),),
        Dialect.QWEN: (
            _dead(
                "no_credit", "arrearage", begins=("access denied, please make sure your account",)
            ),
            _dead("account_closed", "accessdenied.unpurchased"),
            _filtered("data_inspection_failed datainspectionfailed"),
            # Both name the minute's tokens; an empty account is Arrearage.
            channels(
                Sort.WAIT,
                "busy",
                statuses=(429,),
                codes=(
                    "insufficient_quota limit_requests limit_burst_rate throttling "
                    "throttling.ratequota throttling.burstrate throttling.allocationquota"
                ),
            ),
            channels(Sort.ELSEWHERE, "free_tier_used_up", codes="allocationquota.freetieronly"),
            unknown_model(codes="model.accessdenied model_access_denied"),
            callers("context_length", ContextTooLong, says=("range of input length",)),
            callers(
                "image_url",
                InvalidImageUrl,
                says=("download multimodal", "download the media", "provided url does not appear"),
            ),
            callers(
                "invalid_parameter", InvalidParameter, codes="internalerror.algo.invalidparameter"
            ),
        ),
        Dialect.MISTRAL: (
            channels(Sort.WAIT, "busy", begins=("service tier capacity exceeded",)),
            _dead("no_credit", begins=("inactive subscription",)),
            callers("context_length", ContextTooLong, says=("too large for model with",)),
        ),
        Dialect.GROQ: (
            _dead(
                "spend_limit", "blocked_api_access spend_limit_reached spend_alert_limit_reached"
            ),
            callers(
                "generation_failed",
                GenerationFailed,
                codes="json_validate_failed tool_use_failed",
                quotes=False,
            ),
        ),
        Dialect.XAI: (
            # Their sentences name the team, so that they cannot be known by how they begin; in a
            # 403 or 429 nothing repeats what a client wrote.
            _dead(
                "no_credit",
                statuses=(402, 403, 429),
                says=("used all available credits", "have any credits", "monthly spending limit"),
            ),
            _filtered(says=("content violates usage guidelines", "safety_check_type")),
            unknown_model(statuses=(400, 404), says=("does not exist or your team",)),
        ),
        Dialect.MOONSHOT: (
            _dead("no_credit", "exceeded_current_quota_error"),
            unknown_model(codes="resource_not_found_error permission_denied_error"),
        ),
        Dialect.ZHIPU: (
            _dead("key_refused", "1000 1001 1002 1003 1004"),
            _dead("account_closed", "1110 1111 1112 1121"),
            _dead("no_credit", "1113 1309"),
            _filtered("1301"),
            channels(Sort.WAIT, "busy", codes="1302 1303 1305 1312 1313"),
            # Used up until a day, a week or a month is over.
            channels(Sort.WAIT, "period_used_up", codes="1304 1308 1310"),
            unknown_model(codes="1211 1220 1221 1222 1311"),
            channels(Sort.ELSEWHERE, "provider_failed", codes="1120 1230 1234 1300"),
            callers("context_length", ContextTooLong, statuses=_EVERY_REFUSAL, codes="1261"),
            callers("missing_parameter", MissingParameter, codes="1213"),
            callers("invalid_parameter", InvalidParameter, codes="1210 1214 1215"),
            callers("unsupported_input", UnsupportedInput, codes="1212"),
        ),
        Dialect.MINIMAX: (
            _dead("key_refused", "1004 2049", begins=("login fail",)),
            _dead("no_credit", "1008"),
            _filtered("1026 1027", says=("new_sensitive (1026)", "new_sensitive (1027)")),
            channels(Sort.WAIT, "busy", codes="1002 1039 1041 2045"),
            channels(Sort.WAIT, "period_used_up", codes="2056"),
            unknown_model(codes="2061"),
            channels(Sort.ELSEWHERE, "provider_failed", codes="1000 1001 1024 1033"),
            callers("context_length", ContextTooLong, says=("context window exceeds",)),
            callers("rejected", UpstreamRejected, codes="2013 1042"),
        ),
        Dialect.OPENROUTER: (
            # Money set aside for calls under way: free again when they end.
            channels(Sort.WAIT, "budget_in_flight", codes="openrouter_in_flight_budget"),
            _dead("no_credit", begins=("key limit exceeded",), statuses=(402, 403)),
            # Its own account at the provider behind it, not ours.
            channels(
                Sort.ELSEWHERE,
                "provider_failed",
                statuses=(401, 402, 403),
                begins=("provider returned error",),
            ),
            channels(
                Sort.ELSEWHERE,
                "no_endpoint",
                statuses=(404,),
                begins=("no endpoints found that support", "no endpoints found matching"),
                counts=False,
            ),
            unknown_model(statuses=(400, 404), says=("is not a valid model id",)),
        ),
        Dialect.TOGETHER: (
            callers(
                "context_length",
                ContextTooLong,
                statuses=(*REFUSALS, 403),
                says=("`inputs` tokens", "input token", "context length", "max_new_tokens"),
            ),
            unknown_model(begins=("unable to access model", "unable to access non-serverless")),
        ),
        Dialect.OLLAMA: (channels(Sort.WAIT, "busy", begins=("server busy",)),),
        Dialect.LLAMA_CPP: (
            callers(
                "context_length",
                ContextTooLong,
                statuses=(400, 500),
                codes="exceed_context_size_error",
                begins=("context size has been exceeded", "the request exceeds the available"),
            ),
        ),
    }
)
