"""How handlers find their vendor: by name, at call time, so that a reset can put a fresh one in its place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

OUTCOME: web.RequestKey[str] = web.RequestKey("outcome", str)
"""What the audit notes in place of an HTTP status, where a connection was cut on purpose."""

VENDORS: web.AppKey[dict[str, Any]] = web.AppKey("vendors", dict)


def handler(vendor: str, method: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A handler that calls ``method`` of the vendor of that name."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response: web.StreamResponse = await getattr(request.app[VENDORS][vendor], method)(request)
        return response

    return handle
