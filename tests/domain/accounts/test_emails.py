"""Emails are kept in one form; a grant counts the mailbox behind them."""

import pytest

from app.domain.accounts.emails import canonical_mailbox, mask_email, normalise_email
from app.domain.accounts.errors import InvalidEmail


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("user@example.com", "user@example.com"),
        ("  User@Example.COM\n", "user@example.com"),
        ("\u00a0user@example.com", "user@example.com"),
        ("a.b+tag@example.com", "a.b+tag@example.com"),
        ("user@bücher.de", "user@xn--bcher-kva.de"),
        ("user@BÜCHER.de", "user@xn--bcher-kva.de"),
        ("user@xn--bcher-kva.de", "user@xn--bcher-kva.de"),
        ("o'brien@example.com", "o'brien@example.com"),
        ("x" * 64 + "@example.com", "x" * 64 + "@example.com"),
    ],
)
def test_email_is_trimmed_lowered_and_idna(typed, kept):
    assert normalise_email(typed) == kept
    assert normalise_email(kept) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "user",
        "@example.com",
        "user@",
        "user@localhost",
        "user@@example.com",
        "us er@example.com",
        "user@exam ple.com",
        "üser@example.com",
        "uſer@example.com",
        "ｕser@example.com",
        '"quoted name"@example.com',
        "User <user@example.com>",
        "a@example.com, b@example.com",
        "user@[127.0.0.1]",
        "user@example..com",
        ".user@example.com",
        "user\n@example.com",
        "user@example.com\x00",
        "user\u200b@example.com",
        "x" * 65 + "@example.com",
        "user@" + "x" * 260 + ".com",
        "user@" + "ü" * 120 + ".com",
        "user@xn--a.com",
    ],
)
def test_what_is_no_email_is_refused_with_its_field(typed):
    with pytest.raises(InvalidEmail) as refusal:
        normalise_email(typed)
    assert refusal.value.field == "email"


@pytest.mark.parametrize(
    ("email", "mailbox"),
    [
        ("user+a@example.com", "user@example.com"),
        ("us.er@example.com", "us.er@example.com"),
        ("u.s.e.r+spam@gmail.com", "user@gmail.com"),
        ("u.ser@googlemail.com", "user@gmail.com"),
        ("+tag@example.com", "+tag@example.com"),
    ],
)
def test_tags_and_gmail_dots_lead_to_the_same_mailbox(email, mailbox):
    assert canonical_mailbox(email) == mailbox


def test_mask_keeps_what_its_owner_recognises():
    assert mask_email("user@example.com") == "u***@example.com"
