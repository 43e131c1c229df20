"""CloudSuite's refusals. No page shows their bodies: they follow the framework that the rest of the API looks like."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from order_relay_sandbox.faults import Rule

_DETAILS = {
    401: "Authentication credentials were not provided or are wrong.",
    403: "You do not have permission to do this.",
    404: "Not found.",
    405: "Method not allowed.",
    429: "Request was throttled.",
}
_HTML = "<!DOCTYPE html><html><head><title>Error</title></head><body><h1>{status}</h1></body></html>"


class Refused(Exception):
    """A request is answered with ``status`` and ``body``, and nothing is stored."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body

    def answer(self) -> web.Response:
        """The answer."""
        return web.json_response(self.body, status=self.status)


def detail(status: int, text: str = "") -> web.Response:
    """``{"detail": ...}``, as for everything but wrong members."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return web.json_response({"detail": text or _DETAILS[status]}, status=status, headers=headers)


def throttled(seconds: float) -> web.Response:
    """429 with the time to wait."""
    response = detail(429)
    response.headers["Retry-After"] = f"{seconds:g}"
    return response


def bare(status: int, rule: Rule) -> web.Response:
    """An HTTP status that a rule asks for, in the likeliest shape."""
    if status in _DETAILS:
        return detail(status)
    if status == 400:
        return web.json_response({"non_field_errors": ["Refused by the scenario."]}, status=400)
    return web.Response(status=status, text=_HTML.format(status=status), content_type="text/html")
