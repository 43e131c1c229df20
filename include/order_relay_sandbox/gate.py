"""Expiring tokens, rate limits and requests that are processed later, shared by the stand-ins."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Any


class Tokens:
    """Issued tokens with their remaining lifetime and calls."""

    def __init__(self) -> None:
        self._live: dict[str, list[float]] = {}

    def issue(self, lifetime_s: float, calls: int, scope: str) -> dict[str, Any]:
        """Issue a token in the form of an OAuth response, valid for ``calls`` calls (0 = no limit)."""
        token = secrets.token_urlsafe(24)
        self._live[token] = [time.monotonic() + lifetime_s, float(calls or "inf")]
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": max(int(lifetime_s), 1),
            "scope": scope,
        }

    def use(self, token: str) -> bool:
        """Whether the token is valid for this call; counts the call."""
        left = self._live.get(token)
        if left is None or left[0] <= time.monotonic() or left[1] < 1:
            return False
        left[1] -= 1
        return True

    def revoke_all(self) -> None:
        """Revoke all issued tokens."""
        self._live.clear()


class RateLimit:
    """A token bucket holding one second's calls."""

    def __init__(self) -> None:
        self._left, self._at = 0.0, 0.0

    def admits(self, per_second: float) -> bool:
        """Whether another call is within ``per_second``; 0 = no limit."""
        if not per_second:
            return True
        now = time.monotonic()
        self._left = min(per_second, self._left + (now - self._at) * per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Later:
    """Work that is done after a while, or at once by ``land``. Used in the server's event loop."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.TimerHandle, Callable[[], Any]] = {}
        self._running: set[asyncio.Future[Any]] = set()

    def add(self, delay_s: float, work: Callable[[], Any]) -> None:
        """Do ``work``, a function or coroutine function, after ``delay_s``."""

        def start() -> None:
            del self._waiting[handle]
            self._start(work)

        handle = asyncio.get_running_loop().call_later(delay_s, start)
        self._waiting[handle] = work

    def _start(self, work: Callable[[], Any]) -> None:
        started = work()
        if asyncio.iscoroutine(started):
            task = asyncio.ensure_future(started)
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def land(self) -> int:
        """Start all waiting work; returns its number."""
        waiting = list(self._waiting.values())
        self.drop()
        for work in waiting:
            self._start(work)
        return len(waiting)

    async def done(self) -> None:
        """Wait for the work that was started."""
        await asyncio.gather(*self._running)

    def drop(self) -> None:
        """Forget the waiting work."""
        for handle in self._waiting:
            handle.cancel()
        self._waiting.clear()


def bearer(header: str) -> str:
    """The token of an ``Authorization`` header; the scheme is case-insensitive."""
    kind, _, token = header.partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def basic_matches(header: str, user: str, password: str) -> bool:
    """Whether an ``Authorization`` header holds these Basic credentials."""
    kind, _, token = header.partition(" ")
    if kind.lower() != "basic":
        return False
    try:
        given = base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(given, f"{user}:{password}".encode())
