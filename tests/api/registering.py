"""Making register calls, plain and signed, and reading what they left behind."""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Any

from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.core import clock
from app.core.database import db
from app.domain.accounts.models import ApiKey, User
from app.domain.billing.models import Wallet
from app.domain.mail.models import OutboxMail
from app.domain.settings import set_value

PATH = "/api/auth/register"
EMAIL = "user@example.com"
STRANGER = "203.0.113.7"
LISTED = "198.51.100.9"
"""An IP that a partner of these tests lists, where it lists one."""


@dataclass(frozen=True, slots=True)
class Registrar:
    """A partner's product: calls the endpoint in the name of `inviter_id`."""

    app: Flask
    inviter_id: int
    secret: str | None = None

    def call(
        self,
        email: str = EMAIL,
        key_name: str = "goodhr",
        *,
        ip: str = STRANGER,
        headers: dict[str, str] | None = None,
        inviter_id: int | None = None,
    ) -> TestResponse:
        """Anonymous, unless `headers` say more."""
        body = {
            "email": email,
            "inviter_id": self.inviter_id if inviter_id is None else inviter_id,
            "key_name": key_name,
        }
        return self.send(json.dumps(body).encode(), ip=ip, headers=headers)

    def call_signed(
        self,
        email: str = EMAIL,
        key_name: str = "goodhr",
        *,
        nonce: str | None = None,
        reissue: bool = False,
        headers: dict[str, str] | None = None,
        inviter_id: int | None = None,
    ) -> TestResponse:
        body = {
            "email": email,
            "inviter_id": self.inviter_id if inviter_id is None else inviter_id,
            "key_name": key_name,
        }
        raw = json.dumps(body).encode()
        signed = self.signature(raw, nonce=nonce) | (headers or {})
        return self.send(raw, headers=signed | ({"X-Reissue": "1"} if reissue else {}))

    def signature(self, raw: bytes, *, nonce: str | None = None) -> dict[str, str]:
        """The four headers, made by hand as the documentation says."""
        assert self.secret is not None
        timestamp, nonce = str(int(clock.now_s())), nonce or secrets.token_urlsafe(16)
        digest = hashlib.sha256(raw).hexdigest()
        text = f"v1\n{self.inviter_id}\n{timestamp}\n{nonce}\nPOST\n{PATH}\n{digest}"
        code = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        return {
            "X-Partner-Id": str(self.inviter_id),
            "X-Timestamp": timestamp,
            "X-Nonce": nonce,
            "X-Signature": f"v1={code}",
        }

    def send(
        self, raw: bytes, *, ip: str = STRANGER, headers: dict[str, str] | None = None
    ) -> TestResponse:
        return self.app.test_client().post(
            PATH,
            data=raw,
            headers={"Content-Type": "application/json"} | (headers or {}),
            environ_base={"REMOTE_ADDR": ip},
        )


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer's envelope, taken apart."""

    status: int
    code: int
    data: dict[str, Any]

    @property
    def key(self) -> str | None:
        secret: str | None = self.data["api_key"]["key"]
        return secret

    @property
    def reason(self) -> str:
        return str(self.data["reason"])


def answered(response: TestResponse) -> Answered:
    body = response.get_json()
    assert set(body) == {"code", "message", "data"}
    assert (body["code"] == 0) == (response.status_code == 200)
    return Answered(response.status_code, body["code"], body["data"])


def refused(response: TestResponse) -> tuple[int, str]:
    answer = answered(response)
    assert answer.code // 100 == answer.status
    return answer.status, answer.reason


def user_of(session: Session, email: str = EMAIL) -> User | None:
    session.expire_all()
    return session.scalar(select(User).where(User.email == email))


def key_of(session: Session, name: str = "goodhr", email: str = EMAIL) -> ApiKey:
    session.expire_all()
    named = select(ApiKey).join(User, User.id == ApiKey.user_id)
    return session.scalars(named.where(User.email == email, ApiKey.name == name)).one()


def count(session: Session, model: type[Any]) -> int:
    return session.scalar(select(func.count()).select_from(model)) or 0


def wallet_of(session: Session, email: str = EMAIL) -> Wallet:
    """Read without its lock, which the next call needs."""
    session.expire_all()
    return session.scalars(
        select(Wallet).join(User, User.id == Wallet.user_id).where(User.email == email)
    ).one()


def mails(session: Session) -> list[OutboxMail]:
    session.expire_all()
    return list(session.scalars(select(OutboxMail).order_by(OutboxMail.id)))


def change_setting(app: Flask, name: str, text: str) -> None:
    """Before the first call: the process then reads it at once."""
    with app.app_context():
        set_value(db.session(), name=name, text=text, author="operator", reason="test")
        db.session.commit()
