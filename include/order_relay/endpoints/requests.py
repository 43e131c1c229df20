"""Answering without surprises: bounded bodies, bounded work beside the host's, and every error as a short answer."""

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
"""A half of one processor at the most."""

MAX_WAITING = 32
"""So many requests wait for their turn; a further one is told to come again."""


class RequestRejectedError(Exception):
    """A request that is answered with an error: HTTP status, words for the caller, further headers."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


class WorkThrottle:
    """One piece of work at a time, in a thread, and as long a rest after it as it took times ``IDLE_RATIO``.

    Making a page is work of the processor, which one Python process does one thing at a time: without rests the host's
    own pages would wait for ours. A client that polls every few minutes notices nothing.
    """

    def __init__(self) -> None:
        self._lock = anyio.Lock()
        self._free_at = 0.0
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """``work`` in a thread. Raises ``Refused`` (429) where too many wait already."""
        if self._waiting >= MAX_WAITING:
            raise RequestRejectedError(429, "too many requests at one time", {"Retry-After": "30"})
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
    """The body, at most ``limit`` bytes. Raises ``Refused`` (413) for more."""
    content_length = request.headers.get("content-length", "")
    if content_length.isdecimal() and int(content_length[:20]) > limit:
        raise too_large(limit)
    gathered = bytearray()
    async for chunk in request.stream():
        gathered += chunk
        if len(gathered) > limit:
            raise too_large(limit)
    return bytes(gathered)


class NormalizePathMiddleware:
    """Takes a trailing slash and doubled slashes out of the path: a redirect would lose credentials in the query."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http":
            scope = {**scope, "path": _SLASHES.sub("/", scope["path"]).rstrip("/") or "/"}
        await self._app(scope, receive, send)


def too_large(limit: int) -> RequestRejectedError:
    """413."""
    return RequestRejectedError(413, f"the body is larger than {limit} bytes", {"Connection": "close"})


def to_rejection(error: Exception) -> RequestRejectedError:
    """What to answer to an error. Nothing of it that may hold data or a credential goes to the caller or the log."""
    if isinstance(error, RequestRejectedError):
        return error
    if isinstance(error, MalformedResponseError):
        return RequestRejectedError(400, str(error))
    if isinstance(error, OrderRelayError):
        log.error("not served: %s", error)
        return RequestRejectedError(503, "not available now; try again later", {"Retry-After": "60"})
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.error("not served: %s in %s, line %s", type(error).__name__, place.name, place.lineno)
    return RequestRejectedError(500, "something went wrong on our side")
