"""CloudSuite's error responses. Their bodies are undocumented; they follow the framework the API seems to use."""

from __future__ import annotations

from typing import Any

from aiohttp import web

_DETAILS = {
    401: "Authentication credentials were not provided or are wrong.",
    403: "You do not have permission to do this.",
    404: "Not found.",
    405: "Method not allowed.",
    429: "Request was throttled.",
}
_HTML = "<!DOCTYPE html><html><head><title>Error</title></head><body><h1>{status}</h1></body></html>"


class Refused(Exception):
    """The request is answered with ``status`` and ``body``, and nothing is stored."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body

    def answer(self) -> web.Response:
        """The HTTP response."""
        return web.json_response(self.body, status=self.status)


def detail(status: int, text: str = "") -> web.Response:
    """An error with a ``{"detail": ...}`` body, used for everything except invalid members."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return web.json_response({"detail": text or _DETAILS[status]}, status=status, headers=headers)


def throttled(seconds: float) -> web.Response:
    """429 with ``Retry-After``."""
    response = detail(429)
    response.headers["Retry-After"] = f"{seconds:g}"
    return response


def bare(status: int) -> web.Response:
    """The most likely response for an HTTP status requested by a rule."""
    if status in _DETAILS:
        return detail(status)
    if status == 400:
        return web.json_response({"non_field_errors": ["Refused by the scenario."]}, status=400)
    return web.Response(status=status, text=_HTML.format(status=status), content_type="text/html")
