"""Protects the desk's responses, keeps customer data out of logs, and refuses requests that other sites cause.

Airflow sends neither a content security policy nor frame headers, and its token cookie accompanies requests from other
sites' forms. Reading needs a permission only; everything else must prove that one of our own pages sent it.
"""

from __future__ import annotations

import logging
import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from order_relay.errors import redacted_trace

log = logging.getLogger(__name__)

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
        "base-uri 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

PAGE_HEADER = "X-Order-Desk"
"""Header that our pages add to their requests. Its value is the page's path to the desk's root, such as ``../``."""

BASE = re.compile(r"\./|(?:\.\./){1,4}")

MAX_BODY = 1_000_000
"""Bytes of a request's body; it is read before the user is known."""

UNEXPECTED = "The page could not be shown because of an unexpected error. The server's log names its location.\n"

_SAFE = {"GET", "HEAD", "OPTIONS"}


class SecurityMiddleware:
    """Adds ``HEADERS`` to every response, and answers changes that did not come from one of our pages with 403.

    An unexpected error is answered with 500 and logged by class and code location only, since its message may quote an
    order.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        started = False

        async def protected(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if scope["method"] not in _SAFE and not _is_own(Headers(scope=scope)):
            refusal = PlainTextResponse("Changes are accepted from the order desk's own pages only.\n", 403)
            await refusal(scope, receive, protected)
            return
        try:
            await self.app(scope, _limited(receive), protected)
        except Exception as error:
            log.error("order desk, %s: %s", scope["method"], redacted_trace(error))  # noqa: TRY400 - no traceback
            if started:
                raise ConnectionError("the response was interrupted") from None
            await PlainTextResponse(UNEXPECTED, 500)(scope, receive, protected)


def _limited(receive: Receive) -> Receive:
    """``receive`` that fails after ``MAX_BODY`` bytes, which FastAPI answers with 400."""
    size = 0

    async def limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY:
            raise ValueError("the request's body is too large")
        return message

    return limited


def _is_own(headers: Headers) -> bool:
    """Whether the browser says that the page has our origin, and the page says that it is one of ours.

    Browsers send ``Sec-Fetch-Site`` to HTTPS and loopback addresses only; elsewhere ``Origin`` must name this host. A
    request with neither comes from no current browser and is refused as well.
    """
    site = headers.get("sec-fetch-site")
    if site is None:
        host = urlsplit(headers.get("origin", "")).netloc
        same = bool(host) and host == headers.get("host")
    else:
        same = site == "same-origin"
    return same and bool(BASE.fullmatch(headers.get(PAGE_HEADER, "")))
