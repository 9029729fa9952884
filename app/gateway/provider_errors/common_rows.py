"""The errors that many providers share, tried after those of the one asked; then the statuses.

Sources: platform.openai.com/docs/guides/error-codes, and what OpenAI-compatible servers answer.
"""

from collections.abc import Mapping
from types import MappingProxyType

from app.gateway.errors import (
    ContentFiltered,
    ContextTooLong,
    GenerationFailed,
    ImageTooLarge,
    InvalidImage,
    InvalidImageUrl,
    InvalidJsonSchema,
    InvalidParameter,
    ListTooLong,
    MissingParameter,
    OutputLimitTooLarge,
    ProviderFailed,
    StringTooLong,
    UnsupportedInput,
    UnsupportedParameter,
    UnsupportedValue,
    UpstreamRejected,
    UpstreamRejectedSize,
)
from app.gateway.provider_errors.rows import Row, Sort, callers, channels, unknown_model

OUTPUT_LIMITS = ("max_tokens", "max_completion_tokens")

_ONE_CUSTOMERS = (
    # Our own requests carry no such header: a mismatch is this request's, not the account's.
    channels(
        Sort.ELSEWHERE,
        "header_mismatch",
        statuses=(401, 403),
        codes="mismatched_organization mismatched_project invalid_organization",
        begins=("openai-organization", "openai-project", "you must be a member of an organization"),
        says=("header should match",),
        counts=False,
    ),
    channels(
        Sort.ELSEWHERE,
        "unaffordable",
        statuses=(402,),
        says=("can only afford", "fewer max_tokens", "prompt tokens limit exceeded"),
        counts=False,
    ),
    channels(
        Sort.ELSEWHERE,
        "too_large_for_account",
        statuses=(413, 429),
        begins=("request too large for",),
        counts=False,
    ),
)

_FILTERED = callers(
    "content_filter",
    ContentFiltered,
    statuses=(400, 403, 422, 451),
    codes=(
        "content_filter content_policy_violation responsibleaipolicyviolation moderation_blocked "
        "flagged_input image_content_policy_violation content_filtered invalid_prompt"
    ),
    says=("content management policy", "flagged as potentially violating", "usage guidelines"),
    quotes=False,
)

_DEAD = (
    channels(
        Sort.DEAD,
        "no_credit",
        codes=(
            "insufficient_quota billing_not_active billing_hard_limit_reached billing_error "
            "credit_balance_exhausted credit_balance_too_low insufficient_balance "
            "insufficient_balance_error insufficient_credits insufficient_user_quota "
            "organization_quota_exceeded organization_spend_limit_exceeded "
            "organization_usage_limit_exceeded project_spend_limit_exceeded spend_limit_reached "
            "exceeded_current_quota_error credit_limit"
        ),
        begins=(
            "your credit balance is too low",
            "you exceeded your current quota",
            "insufficient balance",
            "insufficient credit",
            "insufficient quota",
            "billing hard limit has been reached",
            "your account is not active",
        ),
    ),
    channels(
        Sort.DEAD,
        "key_refused",
        codes=(
            "invalid_api_key incorrect_api_key_error api_key_invalid invalidapikey "
            "invalid_authentication_error authentication_error expired_api_key"
        ),
        begins=(
            "incorrect api key",
            "invalid api key",
            "invalid x-api-key",
            "invalid authentication",
            "api key not valid",
            "api key expired",
        ),
    ),
    channels(
        Sort.DEAD,
        "account_closed",
        codes=(
            "account_deactivated account_disabled account_suspended organization_deactivated "
            "organization_restricted access_terminated consumer_suspended"
        ),
        begins=(
            "organization has been restricted",
            "this organization has been disabled",
            "your account has been",
        ),
    ),
    channels(
        Sort.DEAD,
        "region_refused",
        codes="unsupported_country_region_territory request_forbidden_region",
        begins=("country, region, or territory not supported", "user location is not supported"),
    ),
)

_BUSY = channels(
    Sort.WAIT,
    "busy",
    codes=(
        "rate_limit_exceeded rate_limit_error rate_limit_reached_error rate_limited "
        "resource_exhausted too_many_requests overloaded_error server_is_overloaded slow_down "
        "engine_overloaded_error engine_overloaded capacity_exceeded over_capacity unavailable "
        "unavailable_error service_unavailable service_unavailable_error"
    ),
)

_UNKNOWN_MODEL = unknown_model(
    codes=(
        "model_not_found model_not_exist model_not_available modelnotfound unknown_model "
        "invalid_model model_decommissioned model_deprecated model_not_supported notfounderror "
        "unsupported_model deploymentnotfound"
    ),
    begins=(
        "model not exist",
        "unknown model",
        "invalid model",
        "model not found",
        "no such model",
    ),
)

_CALLERS = (
    callers(
        "context_length",
        ContextTooLong,
        codes=(
            "context_length_exceeded exceed_context_size_error context_window_exceeded "
            "context_length_error"
        ),
        says=(
            "maximum context length",
            "maximum prompt length",
            "context length",
            "context window",
            "context size",
            "prompt is too long",
            "prompt too long",
            "input is too long",
            "input token count",
            "input token length too long",
            "model token limit",
            "maximum model length",
        ),
    ),
    callers(
        "image_url",
        InvalidImageUrl,
        codes="invalid_image_url failed_to_download_image image_download_failed",
        says=("error while downloading", "failed to download", "unable to download"),
    ),
    callers(
        "image_size",
        ImageTooLarge,
        codes="image_too_large image_file_too_large",
        says=("image exceeds", "image is too large", "image too large"),
    ),
    callers(
        "image",
        InvalidImage,
        codes=(
            "invalid_image invalid_image_format image_parse_error invalid_base64_image "
            "unsupported_image_media_type empty_image_file image_too_small unsupported_image"
        ),
        says=("could not process image", "unable to process input image", "unsupported image"),
    ),
    callers(
        "json_schema",
        InvalidJsonSchema,
        codes="invalid_json_schema invalid_function_parameters",
        says=("invalid schema for",),
    ),
    callers(
        "output_limit",
        OutputLimitTooLarge,
        codes="max_tokens_too_large",
        says=(
            "max_tokens is too large",
            "max_completion_tokens is too large",
            "invalid max_tokens value",
            "range of max_tokens",
            "`max_tokens` must be less than",
            "`max_completion_tokens` must be less than",
            "maximum allowed number of output tokens",
        ),
        blames=OUTPUT_LIMITS,
    ),
    callers(
        "unsupported_parameter",
        UnsupportedParameter,
        codes="unsupported_parameter unknown_parameter unrecognized_parameter extra_forbidden",
        begins=(
            "unsupported parameter",
            "unknown parameter",
            "unrecognized request argument",
            "argument not supported",
            "property '",
        ),
        says=("extra inputs are not permitted", 'unknown name "', "parameter is not supported"),
        blames=(),
    ),
    callers(
        "unsupported_value",
        UnsupportedValue,
        codes="unsupported_value",
        begins=("unsupported value", "invalid temperature"),
        blames=(),
    ),
    callers("string_length", StringTooLong, codes="string_above_max_length string_too_long"),
    callers("list_length", ListTooLong, codes="array_above_max_length too_long"),
    callers(
        "missing_parameter",
        MissingParameter,
        codes="missing_required_parameter missing",
        begins=("missing required parameter", "field required"),
    ),
    callers(
        "unsupported_input",
        UnsupportedInput,
        statuses=(400, 422, 500, 501),
        says=(
            "does not support image",
            "image input is not supported",
            "image input not supported",
            "does not support vision",
            "not a multimodal model",
            "does not support audio",
            "does not support tools",
            "does not support thinking",
        ),
    ),
    callers(
        "generation_failed",
        GenerationFailed,
        codes="json_validate_failed tool_use_failed",
        quotes=False,
    ),
    callers(
        "invalid_parameter",
        InvalidParameter,
        codes=(
            "invalid_value invalid_type invalid_parameter invalidparameter value_error "
            "invalid_parameter_error integer_below_min_value integer_above_max_value "
            "decimal_below_min_value decimal_above_max_value number_below_min_value "
            "number_above_max_value int_parsing int_type float_parsing float_type bool_type "
            "bool_parsing string_type list_type dict_type enum literal_error less_than_equal "
            "greater_than_equal less_than greater_than empty_array invalid_enum"
        ),
        begins=("invalid value", "invalid type"),
        blames=(),
    ),
)

COMMON: tuple[Row, ...] = (
    *_ONE_CUSTOMERS,
    _FILTERED,
    *_DEAD,
    _BUSY,
    _UNKNOWN_MODEL,
    *_CALLERS,
)

_WAIT = channels(Sort.WAIT, "")
_KEY = channels(Sort.DEAD, "")
_ELSEWHERE = channels(Sort.ELSEWHERE, "")
_REJECTED = callers("", UpstreamRejected)

STATUSES: Mapping[int, Row] = MappingProxyType(
    {
        400: _REJECTED,
        422: _REJECTED,
        413: callers("", UpstreamRejectedSize),
        401: _KEY,
        402: _KEY,
        403: _ELSEWHERE,
        404: unknown_model(),
        410: unknown_model(),
        408: _ELSEWHERE,
        409: _ELSEWHERE,
        429: _WAIT,
        498: _WAIT,
        503: _WAIT,
        529: _WAIT,
    }
)
"""Where no row knows more. An empty word stands for the status itself."""

OTHER = channels(Sort.ELSEWHERE, "", error=ProviderFailed)
"""Any other status, and an answer of 200 that states an error but none that is known."""
