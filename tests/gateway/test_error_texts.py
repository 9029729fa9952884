"""Cleaning a provider's sentence: what is cut out, what stays, and when nothing is shown."""

import pytest

from app.gateway.error_texts import HOLE, LENGTH_MAX, Names, clean_sentence, names_of

NAMES = Names(sold="talk", upstream="acme-secret-7b")

CUT = (
    ("See https://platform.example.com/docs for the limits.", "See … for the limits."),
    ("Ask support@acme.example about this limit.", "Ask … about this limit."),
    ("The server llm7.acme.internal refused the request.", "The server … refused the request."),
    ("The server at 10.0.0.12:8000 refused the request.", "The server at … refused the request."),
    ("Could not reach localhost:11434 in good time.", "Could not reach … in good time."),
    ("The key sk-proj-****abcd may not use this tool.", "The key … may not use this tool."),
    ("The key na***ys may not use this tool.", "The key … may not use this tool."),
    ("The key AIzaSyAbm-_oW12aAAxNc8 is not for tools.", "The key … is not for tools."),
    ("Limit of org-Ab12Cd34Ef56 on tokens was reached.", "Limit of … on tokens was reached."),
    ("Request req_011CbrFTcXhtiMzr was not readable.", "Request … was not readable."),
    (
        "Trace f9fdb027-830c-9e05-8366-ce479a878825 was not readable.",
        "Trace … was not readable.",
    ),
    ("Digest 9f86d081884c7d65 does not fit the file.", "Digest … does not fit the file."),
    ("Project number 895908428397 has no such tool.", "Project number … has no such tool."),
    ("The file /srv/models/acme/weights is not a schema.", "The file … is not a schema."),
    ("The limit of organization 'Acme' was reached today.", "The limit of … was reached today."),
    ("Line one of the text.\n\tLine\u200btwo of it.", "Line one of the text. Line two of it."),
)


@pytest.mark.parametrize(("said", "shown"), CUT)
def test_what_names_the_provider_is_cut_out(said: str, shown: str):
    assert clean_sentence(said, NAMES) == shown


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 8192 tokens. However, your messages resulted in "
        "8227 tokens. Please reduce the length of the messages.",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
        "'max_completion_tokens' instead.",
        "Invalid value: 'robot'. Supported values are: 'system', 'assistant', 'user'.",
        "messages.0.content.1: at least one text is required",
        "temperature: 3.5 is greater than the maximum of 2 - 'temperature'",
        "Invalid 'tools[0].function.name': string does not match pattern.",
        "messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
        "prompt is too long: 210031 tokens > 200000 maximum",
    ],
)
def test_what_speaks_to_the_caller_stays(said: str):
    assert clean_sentence(said, NAMES) == said


def test_half_a_character_is_replaced():
    assert clean_sentence("The character \ud800 is not valid.", NAMES) == (
        "The character ? is not valid."
    )


def test_long_sentence_ends_at_a_word():
    cleaned = clean_sentence("A word and another word. " * 40, NAMES)
    assert cleaned is not None
    assert LENGTH_MAX - 20 < len(cleaned) <= LENGTH_MAX
    assert cleaned.removesuffix(HOLE).split()[-1] in ("A", "word", "and", "another", "word.")


def test_model_is_named_as_it_is_sold():
    said = "The model acme-secret-7b does not take images."
    assert clean_sentence(said, NAMES) == "The model talk does not take images."


@pytest.mark.parametrize(
    "said",
    [
        "",
        "x" * 11,
        "https://a.example https://b.example",
        "The model acme-secret-7bXL does not take images.",
        "Id 1234567890, id 1234567891, no; 1234567892 or 1234567893 and 1234567894 then "
        "1234567895 but 1234567896 and so on",
    ],
)
def test_sentence_that_says_little_or_too_much_is_not_shown(said: str):
    assert clean_sentence(said, NAMES) is None


class TestNamesOfAChannel:
    NAMES = names_of(
        sold="talk",
        upstream="talk",
        api_key="plainlettersonlykeyabcdefgh",
        host="acmecorp.openai.example.com",
        channel_name="acme main",
    )

    @pytest.mark.parametrize(
        "said",
        [
            "The key plainlettersonlykeyabcdefgh cannot do this.",
            "The key PlainLettersOnly and more cannot do this.",
            "The key that ends in abcdefgh cannot do this.",
            "The resource acmecorp cannot do this now.",
            "Acme main cannot do this for you now.",
        ],
    )
    def test_are_never_in_a_sentence(self, said: str):
        assert clean_sentence(said, self.NAMES) is None

    def test_are_words_and_not_parts_of_them(self):
        names = names_of(
            sold="talk", upstream="talk", api_key="k", host="a.example", channel_name="main"
        )
        said = "What remains of the domain is not valid."
        assert clean_sentence(said, names) == said
