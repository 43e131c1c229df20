import asyncio

from order_relay.errors import ConfigurationError, ThrottledError, TransientError
from order_relay.orders.messages import SendOutcome, SendResult
from order_relay.pipeline.load.circuit_breaker import CircuitBreaker
from order_relay.pipeline.load.concurrency import INITIAL_CONCURRENCY, ConcurrencyLimiter
from order_relay.pipeline.settings.sections import LoadSettings


async def test_places_grow_with_a_quick_destination_and_shrink_with_a_slow_one():
    limiter = ConcurrencyLimiter(10)
    assert limiter.slots == INITIAL_CONCURRENCY
    await limiter.acquire()
    limiter.release(0.02)
    assert limiter.slots == 30
    for _ in range(100):
        await limiter.acquire()
        limiter.release(10.0)
    assert limiter.slots == 10


async def test_the_limit_is_never_exceeded_and_a_cancelled_wait_takes_no_slot():
    limiter = ConcurrencyLimiter(1)
    await limiter.acquire()
    waiting = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    limiter.release(60.0)
    await asyncio.sleep(0.01)
    assert [task.done() for task in waiting] == [True, True, False]
    limiter.release(60.0)
    await asyncio.wait_for(waiting[2], 1)


async def test_a_slot_released_to_a_cancelled_waiter_passes_to_the_next():
    limiter = ConcurrencyLimiter(1)
    await limiter.acquire()
    first, second = (asyncio.create_task(limiter.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    limiter.release(60.0)
    first.cancel()  # after it was woken, before it ran
    await asyncio.wait_for(second, 1)


def breaker_of(**limits):
    now = [0.0]
    return CircuitBreaker(LoadSettings(**limits), clock=lambda: now[0]), now


def test_patience_with_throttling_starts_again_after_any_other_answer():
    breaker, now = breaker_of(max_wait_s=10)
    throttled = SendResult(SendOutcome.THROTTLED, 429)
    assert breaker.record(1, throttled) is None
    now[0] = 9.0
    assert breaker.record(1, throttled) is None
    assert breaker.remaining_wait_s() == 1
    breaker.record(1, SendResult(SendOutcome.IMPORTED, 200, "1"))
    assert breaker.remaining_wait_s() == 10
    breaker.record(1, throttled)
    now[0] = 20.0
    assert isinstance(breaker.record(1, throttled), ThrottledError)


def test_a_late_lease_is_not_a_failure_of_the_destination():
    breaker, _ = breaker_of(failures_in_a_row=2)
    for _ in range(5):
        assert breaker.record(1, SendResult(SendOutcome.NOT_SENT, code="lease_over")) is None
    assert breaker.record(1, SendResult(SendOutcome.IN_DOUBT, 0)) is None
    assert isinstance(breaker.record(1, SendResult(SendOutcome.NOT_SENT, 0)), TransientError)


def test_orders_in_flight_when_all_400_was_found_out_are_put_back_too():
    breaker, _ = breaker_of(refused_at_first=2)
    refused = SendResult(SendOutcome.REJECTED, 400)
    assert breaker.record(1, refused) is None
    assert isinstance(breaker.record(2, refused), ConfigurationError)
    assert breaker.record(3, refused) is None
    assert breaker.record(4, SendResult(SendOutcome.IMPORTED, 200, "1")) is None
    assert breaker.refused == [1, 2, 3]


def test_422_and_ambiguous_400_are_distinguished():
    breaker, _ = breaker_of(refused_at_first=2)
    assert breaker.record(1, SendResult(SendOutcome.REJECTED, 422)) is None
    assert breaker.record(2, SendResult(SendOutcome.REJECTED, 400)) is None
    assert breaker.record(3, SendResult(SendOutcome.REJECTED, 400)) is None
    assert not breaker.all_refused
