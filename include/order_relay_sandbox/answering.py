"""Faulty responses shared by all vendors: cut, hanging, slow, empty, HTML, redirects, bare statuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from order_relay_sandbox.faults import Rule

COMMON_ANSWERS = ("ok", "cut", "cut_body", "hang", "slow", "empty", "html")
OUTCOME: web.RequestKey[str] = web.RequestKey("outcome", str)
"""Recorded by the audit instead of an HTTP status if a fault closed the connection."""

HTML_PAGE = "<!DOCTYPE html><html><head><title>Service</title></head><body><h1>It works</h1></body></html>"

_POLL_S = 0.2


def require_answer(name: str, own: tuple[str, ...]) -> None:
    """Raise ``ValueError`` unless ``name`` is a common answer, one of ``own``, or an HTTP status."""
    if name in COMMON_ANSWERS or name in own or (name.isdigit() and 200 <= int(name) <= 599):
        return
    raise ValueError(f"unknown answer {name!r}; available: an HTTP status, {', '.join(COMMON_ANSWERS + own)}")


def cut(request: web.Request) -> web.Response:
    """Close the connection without a response."""
    request[OUTCOME] = "cut"
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def cut_in_body(request: web.Request, normal: web.Response) -> web.StreamResponse:
    """Send the headers and half of the body, then close the connection."""
    body = normal.body if isinstance(normal.body, bytes) else b"{}"
    response = web.StreamResponse(status=normal.status, headers={"Content-Type": normal.content_type})
    response.content_length = max(len(body), 2)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    request[OUTCOME] = "cut"
    if request.transport is not None:
        request.transport.abort()
    return response


async def hang(request: web.Request, seconds: float) -> web.Response:
    """Wait until the caller disconnects, at most ``seconds``, then close the connection."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    # aiohttp does not notify handlers of a disconnect, so poll for it.
    while loop.time() < end and request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(min(_POLL_S, max(end - loop.time(), 0.0)))
    return cut(request)


async def give(
    request: web.Request, rule: Rule, normal: web.Response, bare: Callable[[int, Rule], web.Response]
) -> web.StreamResponse:
    """The response of ``rule``. ``bare`` creates the vendor's response for an HTTP status."""
    name = rule.answer
    if name.isdigit():
        return _status(request, int(name), rule, bare)
    if name == "hang":
        return await hang(request, rule.seconds)
    if name == "cut_body":
        return await cut_in_body(request, normal)
    if name == "slow":
        await asyncio.sleep(rule.seconds)
        return normal
    return {"ok": lambda: normal, "cut": lambda: cut(request), "empty": _empty, "html": _page}[name]()


def _empty() -> web.Response:
    return web.Response(status=200, content_type="application/json")


def _page() -> web.Response:
    return web.Response(text=HTML_PAGE, content_type="text/html")


def _status(request: web.Request, status: int, rule: Rule, bare: Callable[[int, Rule], web.Response]) -> web.Response:
    response = bare(status, rule)
    if 300 <= status < 400:
        # To the same URL: a client that follows a 307 posts the order again.
        response.headers["Location"] = request.path_qs
    if rule.retry_after_s is not None:
        response.headers["Retry-After"] = f"{rule.retry_after_s:g}"
    return response
