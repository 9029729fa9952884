"""Clients that leave a stream, or do not read it, through the real server."""

import threading
import time
from typing import Any

import pytest

from app.domain.billing.models import CallState
from app.domain.channels.models import StreamUsage
from tests.gateway.shop import Shop, hang_up, read_until, send_raw, wait_until
from tests.running_product import running_product

DONE = b"data: [DONE]\n\n"
SPREAD = {"frames": 20, "delay_s": 0.02}
LEAVES = {
    "before-the-first-frame": ({"behave": "stall", "after": 0, "seconds": 0.2, **SPREAD}, b""),
    "after-the-head": ({"behave": "stall", "after": 1, "seconds": 0.2, **SPREAD}, b"data: "),
    "mid-stream": (SPREAD, b'"content":"a'),
    "after-the-finish": ({"behave": ["no_done", "linger"], "seconds": 0.3}, b'"stop"'),
}


class TestHangUp:
    """A client that leaves, through the real server: noticed, billed, nothing left behind."""

    @pytest.mark.parametrize("cancel_stops_billing", [False, True], ids=["drain", "cancel"])
    @pytest.mark.parametrize(("wish", "mark"), LEAVES.values(), ids=LEAVES.keys())
    def test_leaves_no_place_no_hold_and_no_thread(
        self, shop: Shop, wish: Any, mark: bytes, cancel_stops_billing: bool
    ):
        # Nothing comes behind the finish of this one, so the client can leave in between.
        usage = StreamUsage.ALWAYS if mark == b'"stop"' else StreamUsage.ASK
        shop.set_served("talk", cancel_stops_billing=cancel_stops_billing, stream_usage=usage)
        customer = shop.customer()
        with running_product(shop.app) as base_url:
            threads = threading.active_count()
            connection = send_raw(base_url, customer, stream=True, sandbox=wish)
            if mark:
                read_until(connection, mark)
            else:
                assert wait_until(lambda: bool(shop.provider.requests))
            hang_up(connection)
            assert wait_until(lambda: shop.only_call().state is not CallState.PENDING)
            shop.assert_at_rest()
            assert wait_until(lambda: threading.active_count() <= threads)
        call = shop.only_call()
        assert call.state is CallState.POSTED
        assert 0 < call.cost_nanos <= call.held_paid_nanos
        has_finished = mark == b'"stop"'
        if has_finished:
            assert call.is_estimated
        else:
            assert call.reason == "client_left"
            assert call.is_estimated is cancel_stops_billing
            assert wait_until(lambda: bool(shop.provider.hangups) is cancel_stops_billing)
        assert shop.services.gateway.bodies._left_bytes == 512 * 1024 * 1024

    def test_ten_at_once_leave_nothing(self, shop: Shop):
        customer = shop.customer()
        with running_product(shop.app) as base_url:
            connections = [
                send_raw(base_url, customer, stream=True, sandbox={"frames": 10, "delay_s": 0.02})
                for _ in range(10)
            ]
            for connection in connections:
                read_until(connection, b"data: ")
            for connection in connections:
                hang_up(connection)
            assert wait_until(lambda: all(call.state is CallState.POSTED for call in shop.calls()))
            shop.assert_at_rest()
        assert len(shop.calls()) == 10

    def test_slow_reader_gets_everything(self, shop: Shop):
        """A client that does not read for a while loses nothing."""
        with running_product(shop.app) as base_url:
            connection = send_raw(
                base_url, shop.customer(), stream=True, sandbox={"frames": 3_000, "tokens": 3_000}
            )
            time.sleep(0.3)
            received = read_until(connection, DONE)
            connection.close()
        assert received.count(b"data: ") > 3_000
        shop.assert_at_rest()
