"""Who presents which key to ``/api``."""

from datetime import timedelta

import pytest

from app.api.authentication import authenticate
from app.core import clock
from app.domain.accounts.errors import (
    InvalidApiKey,
    IpNotAllowed,
    KeyExpired,
    KeyPendingApproval,
)
from app.domain.accounts.limits import change_limits
from app.domain.accounts.models import KeyScope, KeyState
from tests.factories import make_key, make_user


@pytest.fixture
def present(app, session, digester):
    def _present(header, *, ip="127.0.0.1"):
        headers = {} if header is None else {"Authorization": header}
        peer = {"REMOTE_ADDR": ip}
        with app.test_request_context("/api/user/balance", headers=headers, environ_base=peer):
            return authenticate(session, digester)

    return _present


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
@pytest.mark.parametrize("scope", list(KeyScope))
def test_live_key_names_its_user(session, digester, present, scheme, scope):
    user = make_user(session)
    key, secret = make_key(session, digester, user, scope)
    holder = present(f"{scheme} {secret}")
    assert (holder.key, holder.user) == (key, user)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer sk-x", "Basic x", "sk-x"])
def test_without_a_key_it_is_401(present, header):
    with pytest.raises(InvalidApiKey):
        present(header)


def test_pending_key_is_told_to_wait(session, digester, present):
    _, secret = make_key(session, digester, make_user(session), state=KeyState.PENDING)
    with pytest.raises(KeyPendingApproval) as refusal:
        present(f"Bearer {secret}")
    assert "/claim" in refusal.value.message


@pytest.mark.parametrize("case", ["revoked", "refused", "disabled"])
def test_dead_keys_are_401(session, digester, present, case):
    columns = {
        "revoked": {"state": KeyState.REVOKED},
        "refused": {"state": KeyState.REFUSED},
        "disabled": {},
    }[case]
    user = make_user(session, active=case != "disabled")
    _, secret = make_key(session, digester, user, **columns)
    with pytest.raises(InvalidApiKey):
        present(f"Bearer {secret}")


def test_expired_key_is_told_so(session, digester, present):
    past = clock.now() - timedelta(seconds=1)
    _, secret = make_key(session, digester, make_user(session), expires_at=past)
    with pytest.raises(KeyExpired):
        present(f"Bearer {secret}")


def test_key_is_taken_from_its_networks_alone(session, digester, present):
    key, secret = make_key(session, digester, make_user(session))
    networks = {"networks": ["192.0.2.0/24", "2001:db8::/32"]}
    change_limits(session, key=key, changes=networks, actor="operator")
    for ip in ("192.0.2.200", "::ffff:192.0.2.200", "2001:db8::7"):
        assert present(f"Bearer {secret}", ip=ip).key is key
    for ip in ("192.0.3.1", "2001:db9::7", ""):
        with pytest.raises(IpNotAllowed):
            present(f"Bearer {secret}", ip=ip)
