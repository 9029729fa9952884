"""Claim mails, and the trial money that comes when the mailbox is confirmed."""

from typing import Any

import pytest
from sqlalchemy import func, select

from app.core.database import in_session
from app.domain.accounts import claims
from app.domain.accounts.errors import ClaimLinkInvalid
from app.domain.accounts.models import ClaimLink, User
from app.domain.billing import ledger
from app.domain.mail.models import OutboxMail
from app.domain.partners import budgets, claiming, trials
from app.domain.partners.trials import TrialSource
from app.domain.settings import in_force, set_value
from tests.factories import make_partner, make_user

NETWORK = "203.0.113.0/24"
DAY_S = 86_400
GRANT_NANOS = 200_000_000


@pytest.fixture
def context(app):
    """Mails are rendered, which needs the app."""
    with app.app_context():
        yield


@pytest.fixture
def tell(session, digester, context):
    def _tell(user, partner, *, vouched=False, network=NETWORK, language="en-US"):
        return claiming.mail_onboarded(
            session,
            digester,
            in_force(session),
            user=user,
            inviter=partner,
            source=TrialSource(partner if vouched else None, network),
            language=language,
            base_url="https://example.com",
            actor="anonymous",
        )

    return _tell


@pytest.fixture
def ask(session, digester, context):
    def _ask(email, network=NETWORK):
        claiming.request_link(
            session,
            digester,
            email=email,
            language="en-US",
            base_url="https://example.com",
            network=network,
        )

    return _ask


@pytest.fixture
def claim(session, digester, context):
    def _claim(user: User, *, inviter_id: int | None = None, **places: Any):
        _, token = claims.make_link(session, digester, user=user, inviter_id=user.inviter_id)
        return claiming.claim(
            session,
            digester,
            in_force(session),
            token=token,
            password_hash="hash",
            inviter_id=inviter_id,
            network=NETWORK,
            **places,
        )

    return _claim


def unclaimed(session, **columns: Any):
    return make_user(session, claimed=False, **columns)


def mails(session):
    return session.scalars(select(OutboxMail).order_by(OutboxMail.id)).all()


def change(session, **settings: Any):
    for name, text in settings.items():
        set_value(session, name=name, text=str(text), author="operator", reason="test")


def trial_balance(session, user):
    return ledger.balances(in_session(session), user_id=user.id).trial_balance


def test_mail_carries_one_working_link_and_the_way_to_refuse(session, digester, tell):
    partner = make_partner(session)
    user = unclaimed(session, inviter=partner)
    assert tell(user, partner)
    (mail,) = mails(session)
    assert (mail.recipient, mail.message) == (user.email, "claim")
    token = mail.text_body.partition("https://example.com/claim/")[2].split()[0]
    assert claims.find_link(session, digester, token).inviter_id == partner.user_id
    assert f"https://example.com/claim/{token}/refuse" in mail.text_body


@pytest.mark.parametrize(("approved", "is_quoted"), [(True, True), (False, False)])
def test_partners_name_is_quoted_only_when_approved(session, tell, approved, is_quoted):
    partner = make_partner(session, name="Good HR Ltd", is_name_approved=approved)
    tell(unclaimed(session), partner)
    (mail,) = mails(session)
    quoted = ["Good HR Ltd" in text for text in (mail.subject, mail.text_body, mail.html_body)]
    assert any(quoted) is is_quoted


def test_mail_is_in_the_language_asked_for(session, tell):
    partner = make_partner(session)
    for language in ("vi-VN", "en-US"):
        tell(unclaimed(session), partner, language=language)
    assert [mail.language for mail in mails(session)] == ["vi-VN", "en-US"]
    assert len({mail.subject for mail in mails(session)}) == 2


def test_one_mail_a_week(session, tell, frozen_time):
    partner, other = make_partner(session), make_partner(session)
    user = unclaimed(session)
    assert tell(user, partner)
    frozen_time.advance(7 * DAY_S - 1)
    assert not tell(user, partner)
    assert not tell(user, other)
    frozen_time.advance(1)
    assert tell(user, other)
    assert len(mails(session)) == 2


def test_caps_by_inviter_and_network_hold_back_mail_until_tomorrow(session, tell, frozen_time):
    change(session, claim_mails_per_inviter=2, claim_mails_per_network=3)
    partner, other = make_partner(session), make_partner(session)
    late = unclaimed(session)
    assert [tell(unclaimed(session), partner) for _ in range(2)] == [True, True]
    assert not tell(late, partner)
    assert late.claim_mailed_at is None
    assert tell(unclaimed(session), other)
    assert not tell(unclaimed(session), other)
    assert tell(unclaimed(session), other, network="198.51.100.0/24")
    assert budgets.used(session, name=f"claim-mail:inviter:{other.user_id}") == 2
    frozen_time.advance(DAY_S)
    assert tell(late, partner)


def test_vouched_calls_have_a_cap_of_their_own_and_no_network_cap(session, tell):
    change(session, claim_mails_per_inviter=0, claim_mails_per_network=0)
    change(session, claim_mails_per_vouched_inviter=2)
    partner = make_partner(session)
    told = [tell(unclaimed(session), partner, vouched=True) for _ in range(3)]
    assert told == [True, True, False]


def test_fresh_link_is_mailed_three_times_a_day(session, ask, tell, frozen_time):
    partner = make_partner(session)
    user = unclaimed(session, inviter=partner)
    tell(user, partner)
    for _ in range(5):
        ask(user.email)
    assert len(mails(session)) == 1 + 3
    frozen_time.advance(DAY_S)
    ask(user.email)
    assert len(mails(session)) == 1 + 3 + 1


def test_fresh_links_count_for_the_network_that_asks(session, ask):
    change(session, claim_mails_per_network=2)
    users = [unclaimed(session) for _ in range(3)]
    for user in users:
        ask(user.email, NETWORK)
    assert len(mails(session)) == 2
    ask(users[2].email, "198.51.100.0/24")
    assert len(mails(session)) == 3


def test_fresh_link_names_the_inviter_or_is_a_sign_up(session, ask):
    partner = make_partner(session)
    ask(unclaimed(session, inviter=partner).email)
    ask(unclaimed(session).email)
    assert [mail.message for mail in mails(session)] == ["claim", "sign_up"]


def test_asking_for_other_emails_mails_nothing_and_tells_nothing(session, ask):
    for email in (
        "nobody@example.com",
        make_user(session).email,
        unclaimed(session, active=False).email,
    ):
        ask(email)
    assert mails(session) == []
    assert session.scalar(select(func.count()).select_from(ClaimLink)) == 0


def test_whoever_signed_up_gets_trial_money_with_the_claim(session, claim):
    user = unclaimed(session)
    assert trial_balance(session, user) == 0
    claim(user)
    assert trial_balance(session, user) == GRANT_NANOS
    assert budgets.used(session, name="trial:open") == GRANT_NANOS
    assert budgets.used(session, name=f"trial:network:{NETWORK}") == GRANT_NANOS


def test_accepting_an_inviter_does_not_open_its_budget(session, claim):
    partner = make_partner(session)
    claim(unclaimed(session, inviter=partner), inviter_id=partner.user_id)
    assert budgets.used(session, name=f"trial:partner:{partner.user_id}") == 0


def test_claim_within_an_empty_budget_gives_nothing(session, claim):
    change(session, trial_budget_open_usd="0")
    user = unclaimed(session)
    claim(user)
    assert user.is_claimed
    assert trial_balance(session, user) == 0


def test_claim_after_the_grant_gives_no_second_one(session, digester, claim):
    user = unclaimed(session)
    trials.grant(
        session,
        digester,
        in_force(session),
        user=user,
        source=TrialSource(None, NETWORK),
        actor="anonymous",
    )
    claim(user)
    assert trial_balance(session, user) == GRANT_NANOS


def test_bad_token_claims_nothing(session, digester, context):
    with pytest.raises(ClaimLinkInvalid):
        claiming.claim(
            session,
            digester,
            in_force(session),
            token="x",
            password_hash="hash",
            inviter_id=None,
            network=NETWORK,
        )
