"""Sessions and failed logins of a desk with its own login, in the memory of its only process.

A session can therefore be ended at once, and no secret has to be configured; a restart ends all sessions.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MAX_SESSIONS = 1_000
"""Sessions kept; the one that was used longest ago ends when another one begins."""

MAX_SOURCES = 10_000
"""Users and addresses whose failed logins are remembered."""

FREE_FAILURES = {"user": 5, "address": 20}
"""Failed logins in a row after which the next one must wait."""

FIRST_LOCK_S, LONGEST_LOCK_S = 60.0, 900.0
"""The first lock; each further failure doubles it, up to the longest. After the longest without a failure, the count
starts again."""

Clock = Callable[[], float]


@dataclass(slots=True)
class _Session:
    user: str
    password: str  # the hash at login: a changed password ends the session
    started_at: float
    used_at: float


class Sessions:
    """The open sessions, by a hash of their token. Thread-safe."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: OrderedDict[bytes, _Session] = OrderedDict()

    def start(self, user: str, password: str) -> str:
        """Start a session; returns its token."""
        token, now = secrets.token_urlsafe(32), self._clock()
        with self._lock:
            self._open[_key(token)] = _Session(user, password, now, now)
            while len(self._open) > MAX_SESSIONS:
                self._open.popitem(last=False)
        return token

    def use(self, token: str, idle_s: float, session_s: float) -> tuple[str, str] | None:
        """The user and the password hash of a session that has not ended; ``None`` otherwise."""
        key, now = _key(token), self._clock()
        with self._lock:
            found = self._open.get(key)
            if found is None:
                return None
            if now - found.used_at > idle_s or now - found.started_at > session_s:
                del self._open[key]
                return None
            found.used_at = now
            self._open.move_to_end(key)
            return found.user, found.password

    def end(self, token: str) -> None:
        """End a session, if it is open."""
        with self._lock:
            self._open.pop(_key(token), None)


def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


@dataclass(slots=True)
class _Failures:
    number: int = 0
    last_at: float = 0.0
    locked_until: float = 0.0


class FailedLogins:
    """Slows down guessing, by user name (existing or not) and by address. Thread-safe."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()

    def attempt(self, user: str, address: str) -> float:
        """Seconds to wait before the next attempt; 0 if this one may proceed, which then counts as failed until
        ``succeeded`` takes it back: attempts at the same time are counted before any of them is answered."""
        now = self._clock()
        with self._lock:
            known = [self._failures.get(source) for source in _sources(user, address)]
            if (wait := max((one.locked_until - now for one in known if one), default=0.0)) > 0:
                return wait
            for source in _sources(user, address):
                self._count(source, now)
            while len(self._failures) > MAX_SOURCES:
                self._failures.popitem(last=False)
            return 0.0

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


def _sources(user: str, address: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("user", user), ("address", address)
