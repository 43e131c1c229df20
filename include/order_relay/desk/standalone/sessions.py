"""The sessions of a desk with its own login, in the memory of its only process.

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
