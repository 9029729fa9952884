"""What a key's holder may ask: the balance, and what holds for every query."""

from app.core.money import format_usd
from app.domain.accounts.models import KeyState, User
from tests.api.asking import ask, running_call
from tests.factories import make_key
from tests.gateway.shop import PLENTY_NANOS, Customer, Shop, limited


def test_balance_of_a_full_key_is_both_buckets(shop: Shop):
    customer = shop.customer(paid_nanos=1_500_000_000, trial_nanos=200_000_000)
    answer = ask(shop, "/api/user/balance", customer)
    assert answer.json == {
        "code": 0,
        "message": "success",
        "data": {
            "balance": "1.7",
            "trial": "0.2",
            "paid": "1.5",
            "held": "0",
            "cny_balance": "12.24",
        },
    }
    assert answer.headers["Cache-Control"] == "no-store"


def test_balance_of_a_trial_key_hides_the_paid_bucket(shop: Shop):
    customer = shop.trial_customer(trial_nanos=200_000_000, paid_nanos=PLENTY_NANOS)
    data = ask(shop, "/api/user/balance", customer).json["data"]
    assert (data["balance"], data["trial"], data["paid"]) == ("0.2", "0.2", "0")


def test_balance_tells_what_running_requests_hold(shop: Shop):
    customer = shop.customer()
    with running_call(shop, customer):
        held = ask(shop, "/api/user/balance", customer).json["data"]["held"]
        call = shop.only_call()
        assert held == format_usd(call.held_trial_nanos + call.held_paid_nanos) != "0"
    assert ask(shop, "/api/user/balance", customer).json["data"]["held"] == "0"


def test_balance_of_a_capped_key_is_what_its_cap_leaves(shop: Shop):
    customer = limited(shop, cap_nanos=1_000_000_000)
    shop.chat(customer)
    spent_nanos = shop.only_call().cost_nanos or 0
    data = ask(shop, "/api/user/balance", customer).json["data"]
    left = format_usd(1_000_000_000 - spent_nanos)
    assert (data["balance"], data["trial"], data["paid"]) == (left, "0", left)


def test_capped_key_learns_nothing_of_what_others_hold(shop: Shop):
    customer = limited(shop, cap_nanos=1_000_000_000)
    with shop.session() as session:
        user = session.get_one(User, customer.user_id)
        key, secret = make_key(session, shop.services.digester, user)
        other = Customer(user.id, key.id, secret)
    with running_call(shop, other):
        assert ask(shop, "/api/user/balance", customer).json["data"]["held"] == "0"
        refused = shop.chat(customer, max_tokens=4_096, n=1_000)
        assert refused.status_code == 402
        assert refused.json["error"]["held_usd"] == "0"
    answer = shop.chat(customer)
    assert "X-Balance-Usd" not in answer.headers
    assert answer.headers["X-Cost-Usd"]


def test_every_query_needs_a_live_key(shop: Shop):
    pending, disabled = shop.customer(state=KeyState.PENDING), shop.customer()
    with shop.session() as session:
        session.get_one(User, disabled.user_id).active = False
    for path in (
        "/api/user/balance",
        "/api/user/keys/current",
        "/api/usage",
        "/api/usage/req_aaaaaaaaaaaaa",
    ):
        assert shop.app.test_client().get(path).status_code == 401
        assert ask(shop, path, disabled).status_code == 401
        refused = ask(shop, path, pending)
        assert (refused.status_code, refused.json["data"]["reason"]) == (
            403,
            "key_pending_approval",
        )


def test_no_query_reads_or_sets_a_cookie_or_lets_a_cache_keep_it(shop: Shop):
    customer = shop.customer()
    for path in ("/api/user/balance", "/api/user/keys/current", "/api/usage"):
        answer = ask(shop, path, customer)
        assert "Set-Cookie" not in answer.headers
        assert "Vary" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Request-Id"].startswith("req_")
        assert answer.content_type == "application/json"


def test_unknown_paths_and_methods_answer_in_the_envelope(shop: Shop):
    client, headers = shop.app.test_client(), shop.customer().headers
    for path in ("/api", "/api/", "/api/nothing", "/api/user/keys", "/api/usage/"):
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.json["data"]["reason"]) == (404, "not_found"), path
    for path, allowed in (
        ("/api/usage", {"GET", "HEAD", "OPTIONS"}),
        ("/api/quote", {"POST", "OPTIONS"}),
        ("/api/user/keys/current", {"GET", "HEAD", "OPTIONS", "PATCH"}),
    ):
        answer = client.delete(path, headers=headers)
        assert (answer.status_code, answer.json["data"]["reason"]) == (405, "method_not_allowed")
        assert set(answer.headers["Allow"].split(", ")) == allowed
        options = client.options(path)
        assert (options.status_code, options.data) == (200, b"")
        assert "Access-Control-Allow-Credentials" not in options.headers


def test_head_is_get_without_its_body(shop: Shop):
    customer = shop.customer()
    for path in ("/api/user/balance", "/api/user/keys/current", "/api/usage"):
        answer = shop.app.test_client().head(path, headers=customer.headers)
        assert (answer.status_code, answer.data) == (200, b"")
