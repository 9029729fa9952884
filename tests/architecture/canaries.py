"""A house with a canary in every secret place, and the eyes that look for them."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app import create_app
from app.core.database import db
from app.core.ids import request_id
from app.domain.accounts import claims
from app.domain.billing.models import Call
from app.domain.channels.models import Channel
from app.domain.partners import signing_secrets
from app.domain.partners.models import PartnerSecret
from app.domain.payments import vouchers
from app.domain.payments.models import Voucher
from app.services import services
from tests import factories
from tests.conftest import boot_settings
from tests.gateway.shop import CHAT_PATH, PROVIDER_KEY, SEALING_KEY, stock
from tests.log_lines import KeptLines
from tests.sandbox_server import RunningSandbox

METRICS_TOKEN = "metrics-token-canary-5f0c"
PROMPT = "prompt-canary-c41d"
LABEL = "label-of-my-own"
VICTIM = "victim-canary@example.org"
UNCLAIMED = "unclaimed-canary@example.org"
MINE = "mine@example.org"
PARTNER_EMAIL = "partner-canary@example.org"
PASSWORD_HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdGNhbmFyeQ$aGFzaGNhbmFyeQ"
PLENTY_NANOS = 5_000_000_000


@dataclass
class House:
    """The app, who may look at it, and the canaries by their names.

    `my_secret` is the key of the caller, who is signed in as `me`; everything else is not theirs.
    """

    app: Flask
    canaries: dict[str, str]
    my_secret: str
    claim_token: str
    me: str
    operator: str
    inviter_id: int
    victims_call: str
    leaks: list[str] = field(default_factory=list)

    def client(self, person: str | None = None) -> FlaskClient:
        client = self.app.test_client()
        if person is not None:
            with client.session_transaction() as kept:
                kept["_user_id"] = person
        return client

    def call(self, **members: Any) -> TestResponse:
        """A chat call of the caller's."""
        message = {"role": "user", "content": PROMPT}
        return self.client().post(
            CHAT_PATH,
            json={"model": "talk", "messages": [message], "max_tokens": 30, **members},
            headers={"Authorization": f"Bearer {self.my_secret}", "X-Client-Request-Id": LABEL},
        )

    def look_at(self, where: str, text: str, *, but: Iterable[str] = ()) -> None:
        """Note every canary in `text`, save those whose place it is."""
        self.leaks += [
            f"{where} shows {name}"
            for name, canary in self.canaries.items()
            if name not in but and canary in text
        ]

    def look_at_answer(
        self, where: str, response: TestResponse, *, but: Iterable[str] = ()
    ) -> None:
        shown = f"{response.headers}\n{response.get_data(as_text=True)}"
        self.look_at(where, shown, but=but)
        response.close()

    def look_at_log(self, lines: KeptLines, *, but: Iterable[str] = ()) -> None:
        for line in lines.text.splitlines():
            self.look_at(f"the log line {line[:300]}", line, but=but)


@contextmanager
def canary_house(template: Path, folder: Path, provider: RunningSandbox) -> Iterator[House]:
    """Built on a copy of the migrated file `template`."""
    (folder / "flowhub.db").write_bytes(template.read_bytes())
    boot = boot_settings(folder, SEALING_KEYS=SEALING_KEY, METRICS_TOKEN=METRICS_TOKEN)
    app = create_app(boot)
    try:
        with Session(services(app).engine) as session:
            stock(session, base_url=provider.base_url)
            house = _plant(app, session)
            session.commit()
        yield house
    finally:
        services(app).gateway.pool.close()
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


def _plant(app: Flask, session: Session) -> House:
    process = services(app)
    victim = factories.make_user(session, email=VICTIM, password=PASSWORD_HASH)
    unclaimed = factories.make_user(session, email=UNCLAIMED, claimed=False)
    partner = factories.make_partner(
        session, user=factories.make_user(session, email=PARTNER_EMAIL)
    )
    me = factories.make_user(session, email=MINE, password=PASSWORD_HASH)
    operator = factories.make_user(session, roles=["admin"])
    victims_key, victims_secret = factories.make_key(session, process.digester, victim)
    my_key, my_secret = factories.make_key(session, process.digester, me)
    for user in (victim, me):
        factories.credit(session, user.id, PLENTY_NANOS)
    partner_secret = signing_secrets.create(
        session, process.sealer, partner_id=partner.user_id, actor="test"
    )
    _, claim_token = claims.make_link(
        session, process.digester, user=unclaimed, inviter_id=partner.user_id
    )
    (voucher,) = vouchers.create(
        session,
        process.digester,
        amount_nanos=10**9,
        count=1,
        batch="canary",
        expires_at=None,
        author="test",
        reason="canary",
    )
    session.commit()
    canaries = {
        "the provider's key": PROVIDER_KEY,
        "the sealed provider's key": session.scalars(select(Channel.sealed_key)).one(),
        "a provider's model name": "upstream-secret-name",
        "the sealing key": SEALING_KEY,
        "the secret key": app.config["SECRET_KEY"],
        "the digest key": app.config["DIGEST_KEY"],
        "the metrics token": METRICS_TOKEN,
        "a password's hash": PASSWORD_HASH,
        "another's key": victims_secret,
        "the caller's key": my_secret,
        "the digest of another's key": victims_key.digest,
        "the digest of the caller's key": my_key.digest,
        "another's email": VICTIM,
        "the partner's email": PARTNER_EMAIL,
        "an unclaimed email": UNCLAIMED,
        "a session": victim.fs_uniquifier,
        "the partner's secret": partner_secret,
        "the sealed partner's secret": session.scalars(select(PartnerSecret.sealed_secret)).one(),
        "a voucher": voucher,
        "a voucher's digest": session.scalars(select(Voucher.digest)).one(),
        "a claim token": claim_token,
        "a prompt": PROMPT,
    }
    victims_call = _victims_call(app, session, victims_secret)
    return House(
        app=app,
        canaries=canaries,
        my_secret=my_secret,
        claim_token=claim_token,
        me=me.fs_uniquifier,
        operator=operator.fs_uniquifier,
        inviter_id=partner.user_id,
        victims_call=victims_call,
    )


def _victims_call(app: Flask, session: Session, secret: str) -> str:
    """The public id of a call that another user made, with a prompt of their own."""
    app.test_client().post(
        CHAT_PATH,
        data=json.dumps({"model": "talk", "messages": [{"role": "user", "content": PROMPT}]}),
        headers={"Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
    )
    return request_id(session.scalars(select(Call.id)).one())
