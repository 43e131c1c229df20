"""Lockout of an address after failed logins, with a clock of its own."""

from __future__ import annotations

import pytest

from order_relay.endpoints import failed_logins
from order_relay.endpoints.failed_logins import LOCKOUT_S, MAX_FAILURES, PERIOD_S, FailedLogins
from order_relay.endpoints.requests import RequestRejectedError

pytestmark = pytest.mark.unit


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def logins(clock: Clock) -> FailedLogins:
    return FailedLogins("feed", clock)


def is_locked(logins: FailedLogins, address: str) -> bool:
    try:
        logins.check(address)
    except RequestRejectedError as rejection:
        return rejection.status == 429
    return False


def fail(logins: FailedLogins, address: str, times: int) -> None:
    for _ in range(times):
        logins.record(address)


def test_only_the_failing_address_is_locked_out_and_only_for_a_while(logins: FailedLogins, clock: Clock) -> None:
    fail(logins, "a", MAX_FAILURES)
    assert is_locked(logins, "a")
    assert not is_locked(logins, "b")
    clock.now += LOCKOUT_S
    assert not is_locked(logins, "a")
    fail(logins, "a", MAX_FAILURES - 1)
    assert not is_locked(logins, "a"), "it starts to count anew"


def test_slow_failures_do_not_add_up(logins: FailedLogins, clock: Clock) -> None:
    for _ in range(3 * MAX_FAILURES):
        logins.record("a")
        clock.now += PERIOD_S / (MAX_FAILURES - 1.5)
    assert not is_locked(logins, "a")


def test_many_addresses_take_bounded_memory(logins: FailedLogins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed_logins, "_MAX_ADDRESSES", 100)
    for number in range(1_000):
        logins.record(f"address {number}")
    assert len(logins._failures) == 100
