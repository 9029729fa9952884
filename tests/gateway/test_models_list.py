"""``GET /v1/models`` and one model: what is sellable to the presenting key, in OpenAI's shape."""

from werkzeug.test import TestResponse

from tests.gateway.shop import Customer, Shop, wait_until

SELLABLE = {"talk", "thinker", "vendor/family/talk", "renamed", "for-payers", "embed", "draw",
            "draw-each"}  # fmt: skip


def get(shop: Shop, customer: Customer, path: str) -> TestResponse:
    return shop.app.test_client().get(path, headers=customer.headers)


def test_list_holds_what_is_sellable_and_nothing_else(shared_shop: Shop):
    answer = get(shared_shop, shared_shop.customer(), "/v1/models")
    assert answer.status_code == 200
    assert answer.json["object"] == "list"
    names = [model["id"] for model in answer.json["data"]]
    assert set(names) == SELLABLE
    assert names == sorted(names)


def test_model_has_the_members_that_sdks_read(shared_shop: Shop):
    for model in get(shared_shop, shared_shop.customer(), "/v1/models").json["data"]:
        assert set(model) == {"id", "object", "created", "owned_by"}
        assert (model["object"], model["owned_by"]) == ("model", "acme")
        assert isinstance(model["created"], int)


def test_model_is_found_by_an_id_with_slashes(shared_shop: Shop):
    customer = shared_shop.customer()
    for path in ("/v1/models/vendor/family/talk", "/v1/models/vendor%2Ffamily%2Ftalk"):
        answer = get(shared_shop, customer, path)
        assert (answer.status_code, answer.json["id"]) == (200, "vendor/family/talk")


def test_what_is_not_sellable_is_404(shared_shop: Shop):
    customer = shared_shop.customer()
    for name in ("retired", "hidden", "nowhere", "unheard-of", "Talk", "vendor"):
        answer = get(shared_shop, customer, f"/v1/models/{name}")
        assert answer.status_code == 404, name
        assert answer.json["error"]["code"] == "model_not_found"
        assert answer.headers["X-Request-Id"].startswith("req_")


def test_trial_key_sees_only_what_it_may_use(shared_shop: Shop):
    trial = shared_shop.trial_customer()
    names = {model["id"] for model in get(shared_shop, trial, "/v1/models").json["data"]}
    assert names == SELLABLE - {"for-payers"}
    assert get(shared_shop, trial, "/v1/models/for-payers").status_code == 404
    assert get(shared_shop, trial, "/v1/models/talk").status_code == 200


def test_upstream_name_is_nowhere(shared_shop: Shop):
    assert (
        b"upstream-secret-name" not in get(shared_shop, shared_shop.customer(), "/v1/models").data
    )


def test_disabled_channel_takes_its_models_off_the_list_within_a_second(shop: Shop):
    customer = shop.customer()
    assert get(shop, customer, "/v1/models").json["data"]
    shop.set_channel("main", is_enabled=False)
    assert wait_until(lambda: get(shop, customer, "/v1/models").json["data"] == [], patience_s=1.0)
    assert shop.chat(customer).status_code == 503
