"""Safe request handling: bounded bodies, bounded use of the host's processor, and short error responses."""

from __future__ import annotations

import logging
import re
import time
import traceback
from collections.abc import Callable
from typing import TypeVar

import anyio
from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from order_relay.errors import MalformedResponseError, OrderRelayError

T = TypeVar("T")

log = logging.getLogger(__name__)

_SLASHES = re.compile(r"/{2,}")

IDLE_RATIO = 1.0
"""Pause after work, relative to its duration: at most half of one processor is used."""

BODY_WITHIN_S = 30.0
"""Time for the body of a request: slow senders must not occupy the places of others."""

MAX_WAITING = 32
"""Requests that may wait; further ones are answered with 429."""


class RequestRejectedError(Exception):
    """A request that is answered with an error: HTTP status, message for the caller, additional headers."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


class WorkThrottle:
    """Runs one task at a time in a thread, followed by a pause of ``IDLE_RATIO`` times its duration.

    Rendering a page keeps the interpreter busy. Without pauses the host's own pages would wait for ours; a client that
    polls every few minutes does not notice them.
    """

    def __init__(self) -> None:
        self._lock = anyio.Lock()
        self._free_at = 0.0
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Run ``work`` in a thread. Raises ``RequestRejectedError`` (429) if too many requests wait."""
        if self._waiting >= MAX_WAITING:
            raise RequestRejectedError(429, "too many requests", {"Retry-After": "30"})
        self._waiting += 1
        try:
            async with self._lock:
                await anyio.sleep(max(0.0, self._free_at - time.monotonic()))
                started = time.monotonic()
                try:
                    return await anyio.to_thread.run_sync(work)
                finally:
                    self._free_at = time.monotonic() + IDLE_RATIO * (time.monotonic() - started)
        finally:
            self._waiting -= 1


async def read_body(request: Request, limit: int) -> bytes:
    """The body, at most ``limit`` bytes. Raises ``RequestRejectedError``: 413 for more, 408 after ``BODY_WITHIN_S``."""
    content_length = request.headers.get("content-length", "")
    if content_length.isdecimal() and int(content_length[:20]) > limit:
        raise too_large(limit)
    body = bytearray()
    with anyio.move_on_after(BODY_WITHIN_S) as reading:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise too_large(limit)
    if reading.cancelled_caught:
        raise RequestRejectedError(
            408, f"the body did not arrive within {BODY_WITHIN_S:.0f} s", {"Connection": "close"}
        )
    return bytes(body)


class NormalizePathMiddleware:
    """Removes trailing and duplicate slashes from the path. A redirect would lose credentials in the query."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Process the request."""
        if scope["type"] == "http":
            scope = {**scope, "path": _SLASHES.sub("/", scope["path"]).rstrip("/") or "/"}
        await self._app(scope, receive, send)


def too_large(limit: int) -> RequestRejectedError:
    """The error for a body that is too large (413)."""
    return RequestRejectedError(413, f"the body is larger than {limit} bytes", {"Connection": "close"})


def to_rejection(error: Exception) -> RequestRejectedError:
    """The response to an error. Details that may contain data or credentials reach neither the caller nor the log."""
    if isinstance(error, RequestRejectedError):
        return error
    if isinstance(error, MalformedResponseError):
        return RequestRejectedError(400, str(error))
    if isinstance(error, OrderRelayError):
        log.error("request failed: %s", error)
        return RequestRejectedError(503, "temporarily unavailable; try again later", {"Retry-After": "60"})
    frame = traceback.extract_tb(error.__traceback__)[-1]
    log.error("request failed: %s in %s, line %s", type(error).__name__, frame.name, frame.lineno)
    return RequestRejectedError(500, "internal error")
