import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.billing import tokens
from app.domain.billing.tokens import count_request, count_text, has_vocabulary, text_bound_tokens

VIETNAMESE = "Viết một đoạn giới thiệu sản phẩm ngắn bằng tiếng Việt. "
ENGLISH = "Write a short product introduction in plain English. "
BASE64 = "QUJD" * 1000


def ask(content):
    return {"model": "m", "messages": [{"role": "user", "content": content}]}


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("hello world", 2), ("Xin chào thế giới", 5), ("<|endoftext|>", 7)],
)
def test_counts_are_those_of_o200k(text, count):
    assert has_vocabulary()
    assert count_text(text) == count


@pytest.mark.parametrize("sentence", [VIETNAMESE, ENGLISH, "🙂漢字かな", "1234567890"])
def test_cutting_into_pieces_changes_the_count_by_a_token_a_cut_at_most(sentence):
    text = sentence * 1500
    whole = tokens._counter()(text)
    cuts = sum(1 for _ in tokens._pieces(text)) - 1
    assert cuts >= 2
    assert whole - cuts <= count_text(text) <= whole + 2 * cuts


@given(st.text())
def test_pieces_are_whole_characters_of_at_most_4_kib(text):
    text = text * 500
    pieces = list(tokens._pieces(text))
    assert "".join(pieces) == text
    assert all(len(piece.encode("utf-8", "replace")) <= 4096 for piece in pieces)


@settings(deadline=None)  # the first example may load the vocabulary
@given(st.text())
def test_text_never_counts_more_tokens_than_bytes(text):
    assert count_text(text) <= len(text.encode("utf-8", "replace"))


def test_a_lone_surrogate_is_counted_as_a_replacement():
    assert count_text("a\ud800") == count_text("a?")


def test_a_message_costs_its_text_and_its_frame():
    frame = tokens.TOKENS_PER_MESSAGE + tokens.TOKENS_BEFORE_ANSWER
    assert count_request(ask("hello world")) == 2 + frame
    parts = ask([{"type": "text", "text": "hello world"}])
    assert count_request(parts) == 2 + frame


def test_payloads_are_not_counted_but_the_text_around_them_is():
    url = {"url": f"data:image/png;base64,{BASE64}"}
    parts = [{"type": "text", "text": "hello world"}, {"type": "image_url", "image_url": url}]
    assert count_request(ask(parts)) == count_request(ask("hello world"))
    assert text_bound_tokens(ask(parts)) < 80
    assert text_bound_tokens(ask(BASE64)) > 1000


def test_tools_and_schemas_count():
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"city": "text"}}}
    assert count_request(ask("hi") | {"tools": [tool]}) > count_request(ask("hi")) + 5


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ("hello world", 2),
        (["hello world", "hello"], 3),
        ([100_000, 199_000, 5], 3),
        ([[100_000, 199_000], [5]], 3),
        (None, 0),
        ({"text": "hello"}, 1),
    ],
)
def test_an_embeddings_input_counts_text_and_token_ids(value, count):
    assert count_request({"model": "m", "input": value}) == count


def test_the_bound_is_thirty_percent_above_the_count_of_everything():
    members = ask(ENGLISH * 100) | {"documents": [VIETNAMESE * 100]}
    plain = count_text(ENGLISH * 100) + count_text(VIETNAMESE * 100)
    assert plain * 1.3 < text_bound_tokens(members) < plain * 1.3 + 40


@pytest.mark.parametrize("members", [{}, {"messages": 5}, {"messages": [None, 5, [[]]]}, {"a": 1}])
def test_any_body_can_be_counted(members):
    assert count_request(members) >= 0
    assert text_bound_tokens(members) >= 0


WITHOUT_PACKAGE = """
import logging, sys
sys.modules["rs_bpe"] = None
logging.basicConfig(format="%(message)s")
from app.domain.billing import tokens
members = {"messages": [{"role": "user", "content": "x" * 300}]}
print(tokens.has_vocabulary(), tokens.count_text("x" * 300), tokens.text_bound_tokens(members))
tokens.count_text("again")
"""


def test_without_the_package_bytes_are_counted_and_one_warning_says_so():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PACKAGE], capture_output=True, text=True, check=True
    )
    has_it, count, bound = done.stdout.split()
    assert (has_it, count) == ("False", "100")
    assert int(bound) >= 300
    assert done.stderr.count("rs-bpe is not installed") == 1


def test_the_vocabulary_is_loaded_only_when_first_needed():
    code = "import sys, app.domain.billing.tokens; print('rs_bpe' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
