"""The gateway in front of the OMS: credentials and error responses."""

from __future__ import annotations

from typing import Any

from aiohttp import web

CODES = {
    5000: ("GENERIC_OK", 200),
    5001: ("GENERIC_UNAVAILABLE", 503),
    5002: ("GENERIC_NOT_FOUND", 404),
    5003: ("GENERIC_BAD_REQUEST", 400),
    5004: ("GENERIC_NOT_AUTHORIZED", 403),
    5005: ("GENERIC_NOT_ALLOWED", 405),
    5006: ("GENERIC_SERVER_ERROR", 500),
    5010: ("MISSING_QUERY_PARAM", 400),
    5011: ("MISSING_REQUEST_DATA", 400),
    5013: ("INVALID_ID", 400),
    5014: ("INVALID_QUERY_PARAM", 400),
    5015: ("INVALID_REQUEST_DATA", 400),
    5016: ("UNSUPPORTED_QUERY_PARAM", 400),
    5017: ("NO_VALID_QUERY_PARAMS", 400),
}
_BY_HTTP = {404: 5002, 400: 5003, 403: 5004, 405: 5005, 500: 5006, 503: 5001, 422: 5015}
_GATEWAY = {502: "ERR_502_BAD_GATEWAY", 503: "ERR_503_SERVICE_UNAVAILABLE", 504: "ERR_504_GATEWAY_TIMEOUT"}


def oms_error(code: int, message: str, *, http: int | None = None, **more: Any) -> web.Response:
    """An error of the OMS. The codes are documented, the JSON keys are invented."""
    name, documented_http = CODES[code]
    body = {"code": code, "name": name, "message": message, **more}
    return web.json_response(body, status=http or documented_http)


def mashery(http: int, error: str, title: str, retry_after_s: float | None = None) -> web.Response:
    """A refusal by the gateway: a small HTML heading, and the header that distinguishes the causes."""
    headers = {"X-Mashery-Error-Code": error}
    if retry_after_s is not None:
        headers["Retry-After"] = f"{retry_after_s:g}"
    return web.Response(status=http, text=f"<h1>{http} {title}</h1>", content_type="text/html", headers=headers)


def throttled(answer: str, retry_after_s: float | None) -> web.Response:
    """Rate limit exceeded: 403 as by default in Mashery, or 429 as mapped by some operators."""
    http = 429 if answer == "throttle_429" else 403
    return mashery(http, "ERR_403_DEVELOPER_OVER_QPS", "Developer Over Qps", retry_after_s)


def bare(status: int) -> web.Response:
    """The most likely response for an HTTP status requested by a rule."""
    if status in _GATEWAY:
        return mashery(status, _GATEWAY[status], "Gateway")
    if status in _BY_HTTP:
        return oms_error(_BY_HTTP[status], "refused by the scenario", http=status)
    if status == 401:
        return web.json_response({"error": "invalid_token"}, status=401)
    return web.Response(status=status, text=f"<h1>{status}</h1>", content_type="text/html")


def unknown(http: int) -> web.Response:
    """The OMS's answer to an unknown path or method."""
    code, name = (5005, "GENERIC_NOT_ALLOWED") if http == 405 else (5002, "GENERIC_NOT_FOUND")
    return web.json_response({"code": code, "name": name, "message": name}, status=http)
