"""Failed logins of those who call us: counts them, and makes guessing slow."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MAX_SOURCES = 10_000
"""Users and addresses whose failed logins are remembered."""

FREE_FAILURES = {"user": 5, "address": 20}
"""Failed logins in a row after which the next one must wait."""

FIRST_LOCK_S, LONGEST_LOCK_S = 60.0, 900.0
"""The first lock; each further failure doubles it, up to the longest. After the longest without a failure, the count
starts again."""

Clock = Callable[[], float]


@dataclass(slots=True)
class _Failures:
    number: int = 0
    last_at: float = 0.0
    locked_until: float = 0.0


class FailedLogins:
    """Slows down guessing, by user name (existing or not) and by address; in the memory of a process. Thread-safe.

    An empty user name counts by address only, for a login that all clients share. Behind a proxy the server must be
    configured to use the forwarded address, or all clients share the proxy's.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()

    def attempt(self, user: str, address: str) -> float:
        """Seconds to wait before the next attempt; 0 if this one may proceed, which then counts as failed until
        ``succeeded`` takes it back: attempts at the same time are counted before any of them is answered."""
        now = self._clock()
        with self._lock:
            if (wait := self._wait(user, address, now)) > 0:
                return wait
            self._fail(user, address, now)
            return 0.0

    def wait_s(self, user: str, address: str) -> float:
        """Seconds to wait before the next attempt; counts nothing. For credentials that are checked in microseconds, so
        that many right ones at the same time are not taken for guesses; ``failed`` counts the wrong ones."""
        with self._lock:
            return self._wait(user, address, self._clock())

    def failed(self, user: str, address: str) -> None:
        """Count a failure. One that was checked while a lock began does not prolong it."""
        now = self._clock()
        with self._lock:
            if self._wait(user, address, now) <= 0:
                self._fail(user, address, now)

    def _wait(self, user: str, address: str, now: float) -> float:
        known = [self._failures.get(source) for source in _sources(user, address)]
        return max([0.0, *(one.locked_until - now for one in known if one)])

    def _fail(self, user: str, address: str, now: float) -> None:
        for source in _sources(user, address):
            self._count(source, now)
        while len(self._failures) > MAX_SOURCES:
            self._failures.popitem(last=False)

    def _count(self, source: tuple[str, str], now: float) -> None:
        known = self._failures.setdefault(source, _Failures())
        if now - known.last_at > LONGEST_LOCK_S:
            known.number = 0
        known.number, known.last_at = known.number + 1, now
        if (beyond := known.number - FREE_FAILURES[source[0]]) >= 0:
            known.locked_until = now + min(FIRST_LOCK_S * 2 ** min(beyond, 10), LONGEST_LOCK_S)
        self._failures.move_to_end(source)

    def succeeded(self, user: str, address: str) -> None:
        """Take an attempt back, and forget the failures of the user. Earlier ones of the address remain: its next guess
        may be at another account."""
        with self._lock:
            self._failures.pop(("user", user), None)
            if known := self._failures.get(("address", address)):
                known.number, known.locked_until = known.number - 1, 0.0


def _sources(user: str, address: str) -> tuple[tuple[str, str], ...]:
    return (("user", user), ("address", address)) if user else (("address", address),)
