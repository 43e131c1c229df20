"""Sessions end in time, and guessing slows down."""

from __future__ import annotations

from order_relay.desk.standalone import sessions
from order_relay.desk.standalone.sessions import FREE_FAILURES, MAX_SESSIONS, FailedLogins, Sessions


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_session_ends_when_idle_and_at_its_limit() -> None:
    clock = Clock()
    store = Sessions(clock)
    token = store.start("ann", "hash")
    for _ in range(5):
        clock.now += 50
        assert store.use(token, 60, 300) == ("ann", "hash")
    clock.now += 51
    assert store.use(token, 60, 300) is None
    other = store.start("ann", "hash")
    clock.now += 61
    assert store.use(other, 60, 300) is None
    clock.now -= 61
    assert store.use(other, 60, 300) is None


def test_a_session_that_was_ended_cannot_be_used_again() -> None:
    store = Sessions(Clock())
    token = store.start("ann", "hash")
    store.end(token)
    store.end("unknown")
    assert store.use(token, 60, 300) is None
    assert token not in repr(vars(store))


def test_sessions_are_bounded() -> None:
    store = Sessions(Clock())
    first = store.start("ann", "hash")
    kept = store.start("bob", "hash")
    for _ in range(MAX_SESSIONS - 1):
        assert store.use(kept, 60, 300)
        store.start("eve", "hash")
    assert store.use(first, 60, 300) is None
    assert store.use(kept, 60, 300)


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
    for number in range(sessions.MAX_SOURCES):
        logins.attempt(f"user {number}", f"address {number}")
    assert len(logins._failures) == sessions.MAX_SOURCES
