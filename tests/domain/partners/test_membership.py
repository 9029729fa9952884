"""Who may invite."""

import pytest

from app.domain.partners import membership
from app.domain.partners.errors import AlreadyPartner, InviterNotAccepted, PartnerNotFound
from tests.factories import make_partner, make_user


def test_partner_is_made_once_and_accepted(session):
    user = make_user(session)
    made = {"user": user, "name": "GoodHR", "language": "en-US", "actor": "operator"}
    partner = membership.make_partner(session, **made)
    assert membership.accepted(session, user.id) is partner
    assert membership.approved_name(session, user.id) == "GoodHR"
    with pytest.raises(AlreadyPartner):
        membership.make_partner(session, **made)


def test_unknown_plain_disabled_and_closed_inviters_are_alike(session):
    closed = make_partner(session, user=make_user(session, active=False))
    ids = (1, make_user(session).id, make_partner(session, is_active=False).user_id, closed.user_id)
    refusals = []
    for inviter_id in ids:
        with pytest.raises(InviterNotAccepted) as refusal:
            membership.accepted(session, inviter_id)
        refusals.append((refusal.value.message, refusal.value.field))
    assert len(set(refusals)) == 1


def test_change_touches_what_it_names(session):
    partner = make_partner(session)
    membership.change(session, partner_id=partner.user_id, actor="operator", require_signature=True)
    assert (partner.require_signature, partner.is_active) == (True, True)
    with pytest.raises(PartnerNotFound):
        membership.change(session, partner_id=1, actor="operator", is_active=False)


def test_name_that_is_not_approved_is_not_told(session):
    partner = make_partner(session, is_name_approved=False)
    assert membership.approved_name(session, partner.user_id) is None
    assert membership.approved_name(session, None) is None
