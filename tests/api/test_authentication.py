"""Who presents which key to ``/api``."""

from datetime import timedelta

import pytest

from app.api.authentication import authenticate
from app.core import clock
from app.domain.accounts.errors import InvalidApiKey, KeyPendingApproval
from app.domain.accounts.models import KeyScope, KeyState
from tests.factories import make_key, make_user


@pytest.fixture
def present(app, session, digester):
    def _present(header):
        headers = {} if header is None else {"Authorization": header}
        with app.test_request_context("/api/user/balance", headers=headers):
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


@pytest.mark.parametrize("case", ["revoked", "refused", "expired", "disabled"])
def test_dead_keys_are_401(session, digester, present, case):
    columns = {
        "revoked": {"state": KeyState.REVOKED},
        "refused": {"state": KeyState.REFUSED},
        "expired": {"expires_at": clock.now() - timedelta(seconds=1)},
        "disabled": {},
    }[case]
    user = make_user(session, active=case != "disabled")
    _, secret = make_key(session, digester, user, **columns)
    with pytest.raises(InvalidApiKey):
        present(f"Bearer {secret}")
