import asyncio

import pytest

from order_relay import measurements
from order_relay.errors import ThrottledError
from order_relay.http.throttle import AdaptiveThrottle, Throttle


class Clock:
    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(asyncio, "sleep", self.sleep)

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.now += max(seconds, 0.0)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def turns(limits, number, max_wait_s=1000.0):
    async def take():
        for _ in range(number):
            await limits.turn(max_wait_s)

    asyncio.run(take())


def test_unlimited_never_waits(clock):
    turns(AdaptiveThrottle(0, clock), 10_000)
    assert clock.now == 1000.0


def test_a_rate_is_kept(clock):
    turns(AdaptiveThrottle(10, clock), 101)
    assert clock.now == pytest.approx(1010.0)


def test_a_pause_holds_everybody_and_the_rate_halves(clock):
    limits = AdaptiveThrottle(10, clock)
    limits.throttled(5)
    limits.throttled(5)  # another answer of the same throttle
    assert limits.rate == 5
    turns(limits, 1)
    assert clock.now == pytest.approx(1005.0)


def test_a_pause_longer_than_may_be_waited_is_raised(clock):
    limits = AdaptiveThrottle(0, clock)
    limits.throttled(300)
    with pytest.raises(ThrottledError) as caught:
        turns(limits, 1, max_wait_s=120)
    assert caught.value.wait_s == pytest.approx(300)


def test_own_pauses_grow(clock):
    limits = AdaptiveThrottle(0, clock)
    pauses = []
    for _ in range(7):
        pauses.append(limits.throttled(None))
        clock.now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, 30, 30]


def test_the_rate_recovers_slowly_and_fully(clock):
    limits = AdaptiveThrottle(100, clock)
    limits.throttled(1)
    clock.now += 2
    turns(limits, 1)
    assert 50 < limits.rate < 75
    for _ in range(10):
        clock.now += 1.5
        turns(limits, 1)
    assert limits.rate == 100


def test_a_throttle_every_tenth_request_still_lets_work_be_done(clock):
    limits = AdaptiveThrottle(0, clock)
    for _ in range(30):
        turns(limits, 10)
        limits.throttled(1)
    assert clock.now - 1000 < 150


def test_an_unlimited_session_becomes_limited_after_a_throttle_and_free_again(clock):
    limits = AdaptiveThrottle(0, clock)
    for _ in range(100):
        turns(limits, 10)
        clock.now += 0.1
    limits.throttled(1)
    assert 45 < limits.rate < 55
    for _ in range(100):
        clock.now += 1.5
        turns(limits, 1)
    assert limits.rate == 0


def test_a_long_line_at_a_low_rate_is_no_throttle(clock):
    limits = AdaptiveThrottle(0.1, clock)
    turns(limits, 30, max_wait_s=1)


def test_answers_and_pauses_are_measured(clock):
    """Several requests in flight report the same throttling: each answer counts, the pause counts once."""
    measurements.take()
    limits = AdaptiveThrottle(10, clock, name="OMS")
    limits.throttled(5)
    limits.throttled(5)
    limits.throttled(None)
    clock.now += 2
    limits.throttled(5)
    clock.now += 100
    limits.pause(0.5)  # asked for without a refusal
    source = Throttle(0, 60, clock, lambda _: None, name="shop")
    source.throttled(ThrottledError("", 30))
    with pytest.raises(ThrottledError):
        source.throttled(ThrottledError("", 300))
    found = measurements.take().throttling
    assert dict(found["OMS"].answers) == {True: 3, False: 1}
    assert list(found["OMS"].pauses_s) == [5, 2, 0.5]
    assert dict(found["shop"].answers) == {True: 2}
    assert list(found["shop"].pauses_s) == [30], "the longer one is not waited for"
    assert measurements.take().throttling == {}
