"""Guessing slows down, by user and by address."""

from __future__ import annotations

from order_relay.http.auth.failed_logins import FREE_FAILURES, MAX_SOURCES, FailedLogins


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_user_is_locked_for_longer_after_each_failure() -> None:
    clock = Clock()
    logins = FailedLogins(clock)
    assert [logins.attempt("ann", f"10.0.0.{n}") for n in range(FREE_FAILURES["user"])] == [0.0] * 5
    waits = []
    for _ in range(6):
        waits.append(logins.attempt("ann", "10.0.9.9"))
        clock.now += waits[-1]
        assert logins.attempt("ann", "10.0.9.9") == 0.0
    assert waits == [60, 120, 240, 480, 900, 900]
    assert logins.attempt("bob", "10.0.8.8") == 0.0
    clock.now += 901
    assert logins.attempt("ann", "10.0.9.9") == 0.0
    assert logins.attempt("ann", "10.0.9.9") == 0.0


def test_an_address_is_locked_whatever_names_it_tries() -> None:
    logins = FailedLogins(Clock())
    for number in range(FREE_FAILURES["address"]):
        assert logins.attempt(f"user {number}", "10.0.0.1") == 0.0
    assert logins.attempt("another", "10.0.0.1") == 60
    assert logins.attempt("another", "10.0.0.2") == 0.0


def test_a_login_forgets_the_users_failures_but_not_those_of_the_address() -> None:
    logins = FailedLogins(Clock())
    for _ in range(FREE_FAILURES["address"]):
        assert logins.attempt("ann", "10.0.0.1") == 0.0
        logins.succeeded("ann", "10.0.0.1")
    for number in range(FREE_FAILURES["address"]):
        assert logins.attempt(f"user {number}", "10.0.0.1") == 0.0
    assert logins.attempt("ann", "10.0.0.1") == 60


def test_failures_are_bounded() -> None:
    logins = FailedLogins(Clock())
    for number in range(MAX_SOURCES):
        logins.attempt(f"user {number}", f"address {number}")
    assert len(logins._failures) == MAX_SOURCES


def test_a_login_that_all_share_counts_by_address() -> None:
    logins = FailedLogins(Clock())
    for _ in range(FREE_FAILURES["address"]):
        assert logins.attempt("", "10.0.0.1") == 0.0
    assert logins.attempt("", "10.0.0.1") == 60
    assert logins.attempt("", "10.0.0.2") == 0.0


def test_what_is_checked_at_once_is_counted_afterwards() -> None:
    clock = Clock()
    logins = FailedLogins(clock)
    for _ in range(FREE_FAILURES["address"]):
        assert logins.wait_s("", "10.0.0.1") == 0.0
        logins.failed("", "10.0.0.1")
    assert logins.wait_s("", "10.0.0.1") == 60
    assert logins.wait_s("", "10.0.0.2") == 0.0
    logins.failed("", "10.0.0.1")  # checked at the same time as the last one
    clock.now += 60
    assert logins.wait_s("", "10.0.0.1") == 0.0
