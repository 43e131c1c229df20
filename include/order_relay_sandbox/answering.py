"""Faulty responses shared by all stand-ins: cut, hanging, slow, empty, oversized, HTML, redirects, bare statuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from order_relay_sandbox.faults import Fault

COMMON_ANSWERS = (
    "ok",
    "cut",
    "cut_body",
    "hang",
    "slow",
    "empty",
    "html",
    "oversized",
    "wrong_type",
    "redirect",
    "no_id",
    "error_in_200",
    "echo",
)
NORMAL_ANSWERS = ("ok", "slow")
"""The answers that are the normal response."""

OUTCOME: web.RequestKey[str] = web.RequestKey("outcome", str)
"""Recorded by the audit instead of an HTTP status if a fault closed the connection."""

HTML_PAGE = "<!DOCTYPE html><html><head><title>Service</title></head><body><h1>It works</h1></body></html>"
OVERSIZED_BYTES = 512 * 2**20
ELSEWHERE = "http://elsewhere.invalid/"

_POLL_S = 0.2
_PIECE = b" " * 2**20


def require_answer(name: str, own: tuple[str, ...] = ()) -> None:
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
    cut(request)
    return response


async def hang(request: web.Request, seconds: float) -> web.Response:
    """Wait until the caller disconnects, at most ``seconds``, then close the connection."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    # aiohttp does not notify handlers of a disconnect, so poll for it.
    while loop.time() < end and request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(min(_POLL_S, max(end - loop.time(), 0.0)))
    return cut(request)


async def oversize(request: web.Request) -> web.StreamResponse:
    """Send JSON that does not end before ``OVERSIZED_BYTES``, unless the caller disconnects."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    try:
        await response.write(b"[")
        for _ in range(OVERSIZED_BYTES // len(_PIECE)):
            await response.write(_PIECE)
        await response.write_eof(b"]")
    except ConnectionError:
        request[OUTCOME] = "cut"
    return response


def echo(request: web.Request) -> web.Response:
    """An error page of a careless server, which quotes the request with its credentials."""
    text = " ".join((*map(": ".join, request.headers.items()), request.path_qs))
    named = dict.fromkeys(("message", "error", "detail", "error_description"), text)
    return web.json_response({"code": 500, **named}, status=500)


async def give(
    request: web.Request, fault: Fault, normal: web.Response, bare: Callable[[int], web.Response]
) -> web.StreamResponse:
    """The response of ``fault``. ``bare`` creates the vendor's response for an HTTP status."""
    name = fault.answer
    if name.isdigit():
        return _status(request, fault, bare(int(name)))
    if name == "hang":
        return await hang(request, fault.seconds)
    if name == "cut_body":
        return await cut_in_body(request, normal)
    if name == "oversized":
        return await oversize(request)
    if name == "echo":
        return echo(request)
    if name == "slow":
        await asyncio.sleep(fault.seconds)
    return cut(request) if name == "cut" else _changed(name, normal)


def _changed(name: str, normal: web.Response) -> web.Response:
    if name == "empty":
        return web.Response(status=200, content_type="application/json")
    if name == "html":
        return web.Response(text=HTML_PAGE, content_type="text/html")
    if name == "redirect":
        return web.Response(status=302, headers={"Location": ELSEWHERE})
    if name == "no_id":
        return web.json_response({"message": "accepted"}, status=normal.status)
    if name == "error_in_200":
        return web.json_response({"status": "error", "message": "closed at present"})
    if name == "wrong_type":
        normal.content_type = "text/html"
    return normal


def _status(request: web.Request, fault: Fault, response: web.Response) -> web.Response:
    if 300 <= response.status < 400:
        # To the same URL: a client that follows a 307 posts the order again.
        response.headers["Location"] = request.path_qs
    if fault.retry_after_s is not None:
        response.headers["Retry-After"] = _retry_after(fault.retry_after_s, fault.retry_after_as)
    return response


def _retry_after(seconds: float, form: str) -> str:
    """The header's value: seconds, or an HTTP date."""
    if form == "date":
        return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    return f"{seconds:g}"
