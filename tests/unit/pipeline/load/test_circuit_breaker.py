import asyncio

from order_relay.errors import ConfigurationError, ThrottledError, TransientError
from order_relay.orders.messages import SendOutcome, SendResult
from order_relay.pipeline.load.circuit_breaker import CircuitBreaker, SendingLimits
from order_relay.pipeline.load.concurrency import INITIAL_CONCURRENCY, ConcurrencyLimiter


async def test_places_grow_with_a_quick_destination_and_shrink_with_a_slow_one():
    room = ConcurrencyLimiter(10)
    assert room.places == INITIAL_CONCURRENCY
    await room.enter()
    room.leave(0.02)
    assert room.places == 30
    for _ in range(100):
        await room.enter()
        room.leave(10.0)
    assert room.places == 10


async def test_the_limit_is_never_exceeded_and_a_cancelled_wait_takes_no_slot():
    room = ConcurrencyLimiter(1)
    await room.enter()
    waiting = [asyncio.create_task(room.enter()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    room.leave(60.0)
    await asyncio.sleep(0.01)
    assert [task.done() for task in waiting] == [True, True, False]
    room.leave(60.0)
    await asyncio.wait_for(waiting[2], 1)


async def test_a_slot_released_to_a_cancelled_waiter_passes_to_the_next():
    room = ConcurrencyLimiter(1)
    await room.enter()
    first, second = (asyncio.create_task(room.enter()) for _ in range(2))
    await asyncio.sleep(0)
    room.leave(60.0)
    first.cancel()  # after it was woken, before it ran
    await asyncio.wait_for(second, 1)


def judge(**limits):
    now = [0.0]
    return CircuitBreaker(SendingLimits(4, **limits), clock=lambda: now[0]), now


def test_patience_with_throttling_starts_again_after_any_other_answer():
    judge_, now = judge(max_wait_s=10)
    throttled = SendResult(SendOutcome.THROTTLED, 429)
    assert judge_.read(1, throttled) is None
    now[0] = 9.0
    assert judge_.read(1, throttled) is None
    assert judge_.remaining_wait_s() == 1
    judge_.read(1, SendResult(SendOutcome.IMPORTED, 200, "1"))
    assert judge_.remaining_wait_s() == 10
    judge_.read(1, throttled)
    now[0] = 20.0
    assert isinstance(judge_.read(1, throttled), ThrottledError)


def test_a_late_lease_is_not_a_failure_of_the_destination():
    judge_, _ = judge(failures_in_a_row=2)
    for _ in range(5):
        assert judge_.read(1, SendResult(SendOutcome.NOT_SENT, code="lease_over")) is None
    assert judge_.read(1, SendResult(SendOutcome.IN_DOUBT, 0)) is None
    assert isinstance(judge_.read(1, SendResult(SendOutcome.NOT_SENT, 0)), TransientError)


def test_orders_in_flight_when_all_400_was_found_out_are_put_back_too():
    judge_, _ = judge(refused_at_first=2)
    refused = SendResult(SendOutcome.REJECTED, 400)
    assert judge_.read(1, refused) is None
    assert isinstance(judge_.read(2, refused), ConfigurationError)
    assert judge_.read(3, refused) is None
    assert judge_.read(4, SendResult(SendOutcome.IMPORTED, 200, "1")) is None
    assert judge_.refused == [1, 2, 3]


def test_422_and_ambiguous_400_are_distinguished():
    judge_, _ = judge(refused_at_first=2)
    assert judge_.read(1, SendResult(SendOutcome.REJECTED, 422)) is None
    assert judge_.read(2, SendResult(SendOutcome.REJECTED, 400)) is None
    assert judge_.read(3, SendResult(SendOutcome.REJECTED, 400)) is None
    assert not judge_.all_refused
