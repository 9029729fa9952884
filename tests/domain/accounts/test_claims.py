"""A single-use link is the only way into an unclaimed account."""

import threading
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import db
from app.domain.accounts import claims, users
from app.domain.accounts.errors import ClaimLinkInvalid, InviterNotOffered
from app.domain.accounts.models import (
    ClaimLink,
    InviterState,
    KeyOrigin,
    KeyScope,
    KeyState,
    User,
)
from app.services import services
from tests.factories import make_key, make_partner, make_user

HASH = "$argon2id$made-up"


def unclaimed(session, **columns: Any):
    return make_user(session, claimed=False, **columns)


def link_to(session, digester, user, inviter=None):
    _, token = claims.make_link(
        session, digester, user=user, inviter_id=None if inviter is None else inviter.user_id
    )
    return token


def claim(session, digester, token, inviter_id=None):
    return claims.claim(session, digester, token=token, password_hash=HASH, inviter_id=inviter_id)


def test_claim_sets_password_and_ends_sessions(session, digester, frozen_time):
    user = unclaimed(session)
    before = user.fs_uniquifier
    claimed = claim(session, digester, link_to(session, digester, user))
    assert claimed is user
    assert (user.is_claimed, user.password) == (True, HASH)
    assert user.confirmed_at is not None
    assert user.fs_uniquifier != before


def test_looking_at_a_link_uses_nothing_up(session, digester):
    token = link_to(session, digester, unclaimed(session))
    for _ in range(3):
        assert claims.find_link(session, digester, token).used_at is None


def test_token_is_stored_only_hashed(session, digester):
    token = link_to(session, digester, unclaimed(session))
    assert token not in str(dict(session.execute(select(ClaimLink.__table__)).mappings().one()))


def test_used_link_and_every_other_one_are_dead(session, digester):
    user = unclaimed(session)
    tokens = [link_to(session, digester, user) for _ in range(3)]
    claim(session, digester, tokens[1])
    for token in tokens:
        with pytest.raises(ClaimLinkInvalid):
            claims.find_link(session, digester, token)
        with pytest.raises(ClaimLinkInvalid):
            claim(session, digester, token)
        with pytest.raises(ClaimLinkInvalid):
            claims.disown(session, digester, token=token)


def test_link_dies_after_a_day(session, digester, frozen_time):
    token = link_to(session, digester, unclaimed(session))
    frozen_time.advance(24 * 3600 - 1)
    claims.find_link(session, digester, token)
    frozen_time.advance(1)
    with pytest.raises(ClaimLinkInvalid):
        claim(session, digester, token)


def test_made_up_links_and_links_of_closed_accounts_are_invalid(session, digester):
    token = link_to(session, digester, unclaimed(session, active=False))
    for bad in (token, "", "x", token[:-1], "é" * 10):
        with pytest.raises(ClaimLinkInvalid):
            claims.find_link(session, digester, bad)


def test_hundred_uses_at_once_claim_once(any_app):
    digester = services(any_app).digester
    with any_app.app_context():
        engine = db.engine
    with Session(engine) as session:
        user_id = (user := unclaimed(session)).id
        token = link_to(session, digester, user)
        session.commit()
    outcomes = []

    def use() -> None:
        with Session(engine) as session:
            try:
                claim(session, digester, token)
                session.commit()
                outcomes.append("claimed")
            except ClaimLinkInvalid:
                outcomes.append("invalid")

    threads = [threading.Thread(target=use) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["claimed"] + ["invalid"] * 9
    with Session(engine) as session:
        assert session.get_one(User, user_id).is_claimed


def test_claiming_leaves_earlier_keys_trial_only(session, digester):
    user = unclaimed(session)
    key, _ = make_key(session, digester, user, KeyScope.TRIAL, origin=KeyOrigin.SIGNED)
    claim(session, digester, link_to(session, digester, user))
    assert (key.scope, key.state) == (KeyScope.TRIAL, KeyState.ACTIVE)


def test_owner_accepts_the_provisional_inviter_or_another_caller_or_none(session, digester):
    first, second, stranger = (make_partner(session) for _ in range(3))
    for accepted in (first, second, None):
        user = unclaimed(session, inviter=first)
        make_key(session, digester, user, KeyScope.TRIAL, inviter=second)
        assert claims.inviters_offered(session, user) == [first.user_id, second.user_id]
        token = link_to(session, digester, user, first)
        with pytest.raises(InviterNotOffered):
            claim(session, digester, token, stranger.user_id)
        accepted_id = None if accepted is None else accepted.user_id
        claim(session, digester, token, accepted_id)
        assert user.inviter_id == accepted_id
        confirmed = InviterState.NONE if accepted is None else InviterState.CONFIRMED
        assert user.inviter_state is confirmed


def test_inviter_confirmed_by_a_signature_stays(session, digester):
    partner = make_partner(session)
    user = unclaimed(session, inviter=partner, inviter_state=InviterState.CONFIRMED)
    assert claims.inviters_offered(session, user) == []
    claim(session, digester, link_to(session, digester, user, partner))
    assert (user.inviter_id, user.inviter_state) == (partner.user_id, InviterState.CONFIRMED)


def test_disowning_revokes_this_inviters_keys_and_blocks_it(session, digester):
    liar, honest = make_partner(session), make_partner(session)
    user = unclaimed(session, inviter=liar)
    bad, _ = make_key(session, digester, user, KeyScope.TRIAL, inviter=liar)
    good, _ = make_key(session, digester, user, KeyScope.TRIAL, inviter=honest)
    token, other = (link_to(session, digester, user, liar) for _ in range(2))
    claims.disown(session, digester, token=token)
    assert (bad.state, good.state) == (KeyState.REVOKED, KeyState.ACTIVE)
    assert users.is_blocked(session, user_id=user.id, inviter_id=liar.user_id)
    assert not users.is_blocked(session, user_id=user.id, inviter_id=honest.user_id)
    assert (user.inviter_id, user.inviter_state) == (None, InviterState.NONE)
    assert claims.inviters_offered(session, user) == [honest.user_id]
    assert not user.is_claimed
    with pytest.raises(ClaimLinkInvalid):
        claims.find_link(session, digester, other)


def test_disowning_twice_over_two_mails_is_no_error(session, digester):
    liar = make_partner(session)
    user = unclaimed(session, inviter=liar)
    for _ in range(2):
        claims.disown(session, digester, token=link_to(session, digester, user, liar))
    assert users.is_blocked(session, user_id=user.id, inviter_id=liar.user_id)


def test_disowning_a_mail_without_inviter_revokes_all_keys(session, digester):
    user = unclaimed(session)
    key, _ = make_key(session, digester, user, KeyScope.TRIAL)
    claims.disown(session, digester, token=link_to(session, digester, user))
    assert key.state is KeyState.REVOKED
