"""Answering without surprises: bounded bodies, bounded work beside the host's, and every error as a short answer."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import TypeVar

import anyio
from fastapi import Request

from order_relay.errors import BadAnswer, OrderRelayError

T = TypeVar("T")

log = logging.getLogger(__name__)

AT_ONCE = 2
"""So many requests work at one time, each in a thread; the rest wait without blocking the server's own pages."""


class Refused(Exception):
    """A request that is answered with an error: HTTP status, words for the caller, further headers."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


class Workers:
    """Threads of our own for what waits for disk and database, so that the host's pool stays free."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._limiter: anyio.CapacityLimiter | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """``work`` in a thread."""
        if self._limiter is None:  # belongs to the running event loop, so not made before there is one
            self._limiter = anyio.CapacityLimiter(self._at_once)
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)


async def read_body(request: Request, limit: int) -> bytes:
    """The body, at most ``limit`` bytes. Raises ``Refused`` (413) for more."""
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told[:20]) > limit:
        raise too_large(limit)
    gathered = bytearray()
    async for chunk in request.stream():
        gathered += chunk
        if len(gathered) > limit:
            raise too_large(limit)
    return bytes(gathered)


def too_large(limit: int) -> Refused:
    """413."""
    return Refused(413, f"the body is larger than {limit} bytes", {"Connection": "close"})


def refusal_of(error: Exception) -> Refused:
    """What to answer to an error. Nothing of it that may hold data or a credential goes to the caller or the log."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, BadAnswer):
        return Refused(400, str(error))
    if isinstance(error, OrderRelayError):
        log.error("not served: %s", error)
        return Refused(503, "not available now; try again later", {"Retry-After": "60"})
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.error("not served: %s in %s, line %s", type(error).__name__, place.name, place.lineno)
    return Refused(500, "something went wrong on our side")
