"""Rate limits: exact in number, apart by name and subject, with a time to wait."""

import threading

from app.core.ratelimit import Quota, RateLimiter


def test_hits_pass_up_to_the_amount_then_say_how_long_to_wait():
    limiter = RateLimiter()
    quota = Quota("calls", "a", 3, window_s=3600)
    assert [limiter.hit(quota) for _ in range(3)] == [None] * 3
    wait_s = limiter.hit(quota)
    assert wait_s is not None
    assert 1 <= wait_s <= 2 * 3600


def test_names_and_subjects_count_apart():
    limiter = RateLimiter()
    for name, subject in (("calls", "a"), ("calls", "b"), ("mails", "a")):
        assert limiter.hit(Quota(name, subject, 1, window_s=3600)) is None
        assert limiter.hit(Quota(name, subject, 1, window_s=3600)) is not None


def test_first_refusing_quota_stops_the_rest_from_being_counted():
    limiter = RateLimiter()
    narrow, wide = (Quota(name, "a", amount, 3600) for name, amount in (("narrow", 1), ("wide", 2)))
    assert limiter.hit(narrow, wide) is None
    assert limiter.hit(narrow, wide) is not None
    assert limiter.hit(wide) is None
    assert limiter.hit(wide) is not None


def test_quota_of_zero_refuses_everything():
    assert RateLimiter().hit(Quota("calls", "a", 0, window_s=60)) == 60


def test_window_slides_on():
    limiter = RateLimiter()
    quota = Quota("calls", "a", 1, window_s=1)
    assert limiter.hit(quota) is None
    wait_s = limiter.hit(quota)
    assert wait_s is not None
    threading.Event().wait(wait_s + 0.01)
    assert limiter.hit(quota) is None


def test_threads_together_get_no_more_than_the_amount():
    limiter = RateLimiter()
    quota = Quota("calls", "a", 50, window_s=3600)
    passed = []

    def hit() -> None:
        passed.extend(1 for _ in range(20) if limiter.hit(quota) is None)

    threads = [threading.Thread(target=hit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 50
