"""An instance that is fit to go live in every respect, for the doctor to find nothing at."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cryptography.fernet import Fernet
from flask import Flask
from flask_security.utils import hash_password
from sqlalchemy.orm import Session

from app.core import clock
from app.core.database import db
from app.domain import settings
from app.domain.audit import AuditAction, record
from app.domain.catalog.kinds import ModelKind
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.pricing import Prices, PriceSheet
from app.domain.catalog.selling import add_model
from app.domain.channels.buying import NewChannel, add_channel, find_channel, set_cost
from app.domain.mail.models import OutboxMail
from app.services import services
from tests.domain.billing.books import Books
from tests.domain.usage.a_call import post
from tests.factories import make_user
from tests.sandbox_server import RunningSandbox

SOUND = {
    "APP_ENV": "production",
    "SECRET_KEY": secrets.token_urlsafe(48),
    "DIGEST_KEY": secrets.token_urlsafe(48),
    "SEALING_KEYS": Fernet.generate_key().decode(),
    "BASE_URL": "https://ai.flowhub.vn",
    "TRUSTED_PROXIES": "127.0.0.1/32",
    "SQLITE_SYNCHRONOUS": "FULL",
    "SMTP_URL": "smtp://user:password@127.0.0.1:9",
    "MAIL_FROM": "FlowHub <no-reply@flowhub.vn>",
    "OPERATOR_EMAIL": "ops@flowhub.vn",
    "METRICS_TOKEN": secrets.token_urlsafe(24),
}
CHAT = {"input": "1", "output": "2"}
COST = {"input": "0.5", "output": "2"}
BUSINESS = {
    "rate_cny": "7.1", "rate_vnd": "26000", "contact_email": "hello@flowhub.vn",
    "legal_name": "FlowHub Ltd.", "legal_tax_code": "0101", "legal_address": "Hanoi",
    "bank_name": "ACB", "bank_account_number": "12345", "bank_account_holder": "FLOWHUB",
}  # fmt: skip
ADMIN = "ann@flowhub.vn"
DEAD_END = "http://127.0.0.1:9/v1"


@contextmanager
def living(app: Flask) -> Iterator[Flask]:
    yield app
    services(app).gateway.pool.close()
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def make_sound(session: Session, app: Flask, provider: RunningSandbox) -> None:
    make_user(session, email=ADMIN, roles=["admin"], password=hash_password("xK3-long-and-own"))
    set_business(session, **BUSINESS)
    sheet = PriceSheet(Prices.from_usd(per_million=CHAT))
    model = NewModel(
        name="talk", provider="acme", kind=ModelKind.CHAT, sheet=sheet, max_output_tokens=1_000
    )
    add_model(session, model, is_published=True, author="test", reason="test")
    new = NewChannel(
        name="main",
        base_url=provider.base_url,
        api_key="sk-provider-canary",
        models={"talk": "talk"},
        allow_private=True,
    )
    channel = add_channel(session, new, sealer=services(app).sealer)
    session.flush()
    set_cost(
        session,
        channel_model=channel.models[0],
        sheet=PriceSheet(Prices.from_usd(per_million=COST)),
        author="test",
        reason="test",
    )
    session.add(sent_mail())
    record(session, actor="system", action=AuditAction.BACKUP_MADE)


def answer_a_call(app: Flask, *, channel: str = "main") -> None:
    """A request that the channel answered, on the books."""
    books = Books(services(app).engine)
    with Session(books.engine) as session:
        channel_id = find_channel(session, channel).id
    post(books, books.hold(books.key(books.user(paid=100)), 10), 5, channel_id=channel_id)


def sent_mail(**columns: Any) -> OutboxMail:
    return OutboxMail(
        **{
            "recipient": "x@flowhub.vn", "message": "claim", "language": "en-US", "subject": "x",
            "text_body": "secret-in-mail", "html_body": "x", "created_at": clock.now(),
            "next_attempt_at": clock.now(), "attempts": 1, "sent_at": clock.now(), **columns,
        }
    )  # fmt: skip


def set_business(session: Session, **texts: str) -> None:
    for name, value in texts.items():
        settings.set_value(session, name=name, text=value, author="test", reason="test")
