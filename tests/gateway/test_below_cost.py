"""A call that costs us more than it is billed raises an alarm; one that pays for itself none."""

from tests.gateway.shop import Shop


def test_a_call_below_its_cost_is_served_billed_and_told(shop: Shop):
    shop.set_cost("talk", input_usd="1.5", output_usd="2")
    customer = shop.customer()
    assert shop.chat(customer, max_tokens=20).status_code == 200
    call = shop.only_call()
    assert call.upstream_cost_nanos > call.cost_nanos > 0
    assert shop.alerts() == ["sale_below_cost"]
    shop.assert_at_rest()


def test_a_call_at_its_cost_is_no_news(shop: Shop):
    shop.set_cost("talk", input_usd="1", output_usd="2")
    assert shop.chat(shop.customer(), max_tokens=20).status_code == 200
    call = shop.only_call()
    assert call.upstream_cost_nanos == call.cost_nanos
    assert shop.alerts() == []
