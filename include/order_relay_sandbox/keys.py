"""Lookup of a handler's vendor by name at call time, so that a reset can replace the vendor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

OUTCOME: web.RequestKey[str] = web.RequestKey("outcome", str)
"""Recorded by the audit instead of an HTTP status if a fault closed the connection."""

VENDORS: web.AppKey[dict[str, Any]] = web.AppKey("vendors", dict)


def handler(vendor: str, method: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A handler that calls ``method`` of the vendor with this name."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response: web.StreamResponse = await getattr(request.app[VENDORS][vendor], method)(request)
        return response

    return handle
