"""What the mails say, in both languages, and what they never say."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.core.i18n import LOCALES
from app.domain import settings
from app.domain.mail import MESSAGES, Composed, MailMessage, compose
from app.domain.mail.examples import EXAMPLES, MailExample

EACH = pytest.mark.parametrize(
    "example", EXAMPLES, ids=lambda row: f"{row.message.value}-{row.state}"
)


def composed(app: Flask, session: Session, example: MailExample, language: str) -> Composed:
    with app.app_context():
        return compose(
            example.message,
            language=language,
            values=example.values,
            settings=settings.in_force(session),
        )


def example_of(message: MailMessage, **changes: object) -> MailExample:
    first = next(row for row in EXAMPLES if row.message is message)
    return replace(first, values={**first.values, **changes})


def test_every_message_has_an_example():
    assert {row.message for row in EXAMPLES} == set(MESSAGES) == set(MailMessage)


@EACH
@pytest.mark.parametrize("language", [row.tag for row in LOCALES])
def test_text_and_html_carry_the_same_links_and_none_else(app, session, example, language):
    mail = composed(app, session, example, language)
    wanted = {value for name, value in example.values.items() if name.endswith("_url")}
    assert set(re.findall(r"https?://[^\s\"<]+", mail.text_body)) == wanted
    assert set(re.findall(r"https?://[^\s\"<]+", mail.html_body)) == wanted


def test_contact_is_named_where_the_operator_set_it(app, session):
    example = example_of(MailMessage.CLAIM)
    assert "Contact" not in composed(app, session, example, "en-US").text_body
    settings.set_value(
        session, name="contact_email", text="help@58ai.example", author="operator", reason="opened"
    )
    mail = composed(app, session, example, "en-US")
    assert "Contact: help@58ai.example" in mail.text_body
    assert 'href="mailto:help@58ai.example"' in mail.html_body


@EACH
def test_html_is_well_formed_and_loads_nothing(app, session, example):
    mail = composed(app, session, example, "vi-VN")
    open_tags: list[str] = []

    class Walk(HTMLParser):
        def handle_starttag(self, tag, attributes):
            assert tag not in ("img", "link", "script", "iframe", "style")
            if tag != "meta":
                open_tags.append(tag)

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

    Walk().feed(mail.html_body)
    assert open_tags == []
    assert 'lang="vi-VN"' in mail.html_body
    assert len(mail.html_body) < 20_000


def test_claim_mail_says_in_vietnamese_who_opened_what(app, session, frozen_time):
    mail = composed(app, session, example_of(MailMessage.CLAIM), "vi-VN")
    assert mail.subject == "GoodHR đã mở tài khoản 58AI cho bạn"
    assert mail.text_body.startswith(f"{mail.subject}\n\nChào bạn,\n\nGoodHR vừa dùng email này")
    assert "Bên mở: GoodHR, đối tác đã xác minh\n" in mail.text_body
    assert "Tiền dùng thử: 0,20\xa0US$\n" in mail.text_body
    assert "đến 19:02 ngày 25/11/2026 (GMT+7)." in mail.text_body
    assert "24/11/2026" in mail.html_body
    assert "Đây không phải tôi</a>: chúng tôi thu hồi khóa và chặn GoodHR" in mail.html_body


def test_claim_mail_says_in_english_who_opened_what(app, session, frozen_time):
    mail = composed(app, session, example_of(MailMessage.CLAIM), "en-US")
    assert mail.subject == "GoodHR opened a 58AI account for you"
    assert "Opened by: GoodHR, a partner we have checked\n" in mail.text_body
    assert "Trial credit: $0.20\n" in mail.text_body
    assert "until 12:02 on Nov 25, 2026 (UTC)." in mail.text_body


def test_partner_without_approved_name_is_a_number(app, session):
    mail = composed(app, session, example_of(MailMessage.CLAIM, inviter_name=None), "vi-VN")
    assert mail.subject == "Đối tác số 10001 đã mở tài khoản 58AI cho bạn"
    assert "GoodHR" not in mail.text_body + mail.html_body
    assert "đã xác minh" not in mail.text_body + mail.html_body


def test_trial_amount_is_never_rounded_up(app, session):
    mail = composed(app, session, example_of(MailMessage.CLAIM, trial_nanos=199_999_999), "en-US")
    assert "Trial credit: $0.19\n" in mail.text_body


def test_spent_trial_budget_promises_no_money(app, session):
    mail = composed(app, session, example_of(MailMessage.CLAIM, trial_nanos=0), "en-US")
    assert "Trial credit: comes when you claim the account\n" in mail.text_body
    assert "$" not in mail.text_body


def test_html_escapes_names_and_text_leaves_them(app, session):
    name = "Tom & <b>Jerry</b>"
    mail = composed(app, session, example_of(MailMessage.CLAIM, inviter_name=name), "en-US")
    assert "<b>Jerry" not in mail.html_body
    assert "Tom &amp; &lt;b&gt;Jerry&lt;/b&gt; has just used" in mail.html_body
    assert f"{name} has just used" in mail.text_body


def test_alert_mail_counts_in_the_reader_language(app, session):
    once = composed(app, session, example_of(MailMessage.ALERT, occurrences=1), "en-US")
    often = composed(app, session, example_of(MailMessage.ALERT, occurrences=4), "en-US")
    assert "Seen: 1 time\n" in once.text_body
    assert "Seen: 4 times\n" in often.text_body
    vietnamese = composed(app, session, example_of(MailMessage.ALERT), "vi-VN")
    assert vietnamese.subject == "58AI: Một kênh đã hỏng và bị tắt"
    assert "Đã thấy: 4 lần\n" in vietnamese.text_body


def test_legal_line_comes_from_the_settings(app, session):
    for name, text in (("legal_name", "Công ty TNHH A"), ("legal_tax_code", "0318000000")):
        settings.set_value(session, name=name, text=text, author="a@b.vn", reason="thành lập")
    mail = composed(app, session, example_of(MailMessage.SIGN_UP), "vi-VN")
    assert mail.text_body.endswith("58AI · Công ty TNHH A · MST 0318000000\n")
    assert "58AI · Công ty TNHH A · MST 0318000000</p>" in mail.html_body


@pytest.mark.parametrize("changes", [{"key_name": "x"}, {"claim_url": None}])
def test_values_that_do_not_fit_the_message_are_refused(app, session, changes):
    example = example_of(MailMessage.SIGN_UP)
    values = {name: value for name, value in {**example.values, **changes}.items() if value}
    with pytest.raises(ValueError, match=next(iter(changes))):
        composed(app, session, replace(example, values=values), "en-US")
