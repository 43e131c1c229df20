"""Sessions end in time."""

from __future__ import annotations

from order_relay.desk.standalone.sessions import MAX_SESSIONS, Sessions


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
