"""Signing secrets: sealed, shown once, two live at a time."""

import pytest
from sqlalchemy import select

from app.domain.partners import signing_secrets
from app.domain.partners.errors import PartnerNotFound
from app.domain.partners.models import PartnerSecret
from tests.factories import make_partner


def create(session, sealer, partner):
    return signing_secrets.create(session, sealer, partner_id=partner.user_id, actor="operator")


def test_third_secret_ends_the_first(session, sealer):
    partner = make_partner(session)
    first, second, third = (create(session, sealer, partner) for _ in range(3))
    assert signing_secrets.open_live(session, sealer, partner.user_id) == [third, second]
    assert len({first, second, third}) == 3


def test_rotation_ends_with_one_secret(session, sealer):
    partner, other = make_partner(session), make_partner(session)
    create(session, sealer, partner)
    newest = create(session, sealer, partner)
    kept = create(session, sealer, other)
    revoke = signing_secrets.revoke_older
    assert revoke(session, partner_id=partner.user_id, actor="operator") == 1
    assert signing_secrets.open_live(session, sealer, partner.user_id) == [newest]
    assert signing_secrets.open_live(session, sealer, other.user_id) == [kept]
    assert len(signing_secrets.live(session, partner.user_id)) == 1


def test_secret_is_stored_sealed(session, sealer):
    secret = create(session, sealer, make_partner(session))
    assert secret not in session.scalars(select(PartnerSecret.sealed_secret)).one()


def test_only_partners_get_one(session, sealer):
    with pytest.raises(PartnerNotFound):
        signing_secrets.create(session, sealer, partner_id=1, actor="operator")
