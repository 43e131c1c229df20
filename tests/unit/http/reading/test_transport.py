"""Requests of the kit: what is sent, and which error a response means."""

from __future__ import annotations

import gzip

import httpx
import pytest

from order_relay import failpoints
from order_relay.errors import (
    ConfigurationError,
    MalformedResponseError,
    OutcomeUnknownError,
    SourceAuthError,
    ThrottledError,
    TransientError,
)
from order_relay.http.auth.credentials import bearer
from order_relay.http.reading.client import UnreachableError
from order_relay.http.reading.read_settings import ReadLimits
from order_relay.http.reading.reply import ignore_body, parse_order, parse_order_if_any
from order_relay.http.reading.status_table import StatusTable
from order_relay.http.reading.transport import (
    NotFoundError,
    RequestRefusedError,
    ThrottlingPersistedError,
    Transport,
)
from tests.support.http_server import Handler, client_of, vendor


def transport(handler: Handler, **limits: float) -> Transport:
    given = ReadLimits(**{"max_wait_s": 5, **limits})  # type: ignore[arg-type]
    return Transport(vendor(size_limit_bytes=4096), bearer("t0ken"), StatusTable(), given, client_of(handler))


def answering(*answers: httpx.Response | Exception) -> tuple[Handler, list[httpx.Request]]:
    """Gives the answers one by one, the last one for ever."""
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        answer = answers[min(len(seen), len(answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return handler, seen


NO_WAIT = {"Retry-After": "0"}
ANSWERS: dict[str, tuple[httpx.Response | Exception, type[Exception], type[Exception]]] = {
    "401": (httpx.Response(401), SourceAuthError, SourceAuthError),
    "403": (httpx.Response(403), SourceAuthError, SourceAuthError),
    "403 asking to wait": (httpx.Response(403, headers={"Retry-After": "99"}), ThrottledError, ThrottledError),
    "429": (httpx.Response(429, headers={"Retry-After": "99"}), ThrottledError, ThrottledError),
    "404": (httpx.Response(404), NotFoundError, NotFoundError),
    "410": (httpx.Response(410), NotFoundError, NotFoundError),
    "400": (httpx.Response(400), MalformedResponseError, RequestRefusedError),
    "409": (httpx.Response(409), MalformedResponseError, RequestRefusedError),
    "422": (httpx.Response(422), MalformedResponseError, RequestRefusedError),
    "405": (httpx.Response(405), ConfigurationError, ConfigurationError),
    "redirect": (httpx.Response(302, headers={"Location": "/login"}), ConfigurationError, ConfigurationError),
    "500": (httpx.Response(500), TransientError, OutcomeUnknownError),
    "503": (httpx.Response(503), TransientError, OutcomeUnknownError),
    "503 asking to wait": (httpx.Response(503, headers={"Retry-After": "99"}), ThrottledError, ThrottledError),
    "HTML": (httpx.Response(200, html="<html>"), MalformedResponseError, OutcomeUnknownError),
    "HTML as JSON": (httpx.Response(200, content=b"<html>"), MalformedResponseError, OutcomeUnknownError),
    "an image": (
        httpx.Response(200, headers={"Content-Type": "image/png"}, content=b"{}"),
        MalformedResponseError,
        OutcomeUnknownError,
    ),
    "a list": (httpx.Response(200, json=[]), MalformedResponseError, OutcomeUnknownError),
    "cut": (httpx.Response(200, content=b'{"id": 1, "a'), MalformedResponseError, OutcomeUnknownError),
    "oversized": (httpx.Response(200, json={"a": "x" * 5000}), MalformedResponseError, OutcomeUnknownError),
    "no body": (httpx.Response(204), MalformedResponseError, OutcomeUnknownError),
    "closed early": (httpx.RemoteProtocolError("cut"), MalformedResponseError, OutcomeUnknownError),
    "reset": (httpx.ReadError("reset"), MalformedResponseError, OutcomeUnknownError),
    "silent": (httpx.ReadTimeout("late"), TransientError, OutcomeUnknownError),
    "unreachable": (httpx.ConnectError("refused"), UnreachableError, UnreachableError),
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("writes", [False, True])
def test_what_the_vendor_answers_decides_the_error(name, writes):
    answer, on_read, on_write = ANSWERS[name]
    handler, _ = answering(answer)
    server = transport(handler)
    with pytest.raises((on_read, on_write)) as caught:
        server.write("PUT", "order/1", {"a": 1}, parse_order) if writes else server.read("order/1", parse_order)
    assert isinstance(caught.value, on_write if writes else on_read)
    assert "t0ken" not in str(caught.value)


def test_gzip_that_ends_early_is_truncated():
    cut = httpx.ByteStream(gzip.compress(b'{"id": 1}')[:-4])
    answer = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=cut)
    client = httpx.Client(transport=httpx.MockTransport(lambda _: answer))
    with pytest.raises(MalformedResponseError, match="gzip data ends early"):
        Transport(vendor(), bearer("t"), StatusTable(), client=client).read("order/1", parse_order)


def test_a_request_to_slow_down_is_waited_for_and_repeated():
    handler, seen = answering(httpx.Response(429, headers=NO_WAIT), httpx.Response(200, json={"id": 1}))
    assert transport(handler).read("order/1", parse_order).document == {"id": 1}
    assert len(seen) == 2
    handler, seen = answering(httpx.Response(503, headers=NO_WAIT), httpx.Response(200, json={"id": 1}))
    transport(handler).write("PATCH", "order/1", {"state": "done"}, parse_order)
    assert [request.content for request in seen] == [b'{"state":"done"}'] * 2
    assert seen[0].headers["Content-Type"] == "application/json"


def post(server: Transport) -> None:
    headers = {"Content-Type": "application/xml"}
    server.send_once("POST", "message", ignore_body, query={"shop": 1}, headers=headers, body=b"<x/>")


def test_a_post_is_never_repeated():
    handler, seen = answering(httpx.Response(429, headers=NO_WAIT), httpx.Response(200))
    with pytest.raises(ThrottledError):
        post(transport(handler))
    assert len(seen) == 1
    post(transport(handler))
    assert (str(seen[1].url), seen[1].content) == ("https://vendor.example/api/message?shop=1", b"<x/>")


@pytest.mark.parametrize("status", [301, 403, 405])
def test_a_status_that_would_stop_the_run_concerns_one_object_alone(status):
    handler, _ = answering(httpx.Response(status))
    with pytest.raises(MalformedResponseError):
        transport(handler).read("order/1", parse_order, is_item=True)


def test_403_refuses_an_object_that_was_just_read_and_otherwise_the_account():
    handler, _ = answering(httpx.Response(403))
    with pytest.raises(RequestRefusedError):
        transport(handler).write("PUT", "order/1", {}, parse_order, after_read=True)
    with pytest.raises(SourceAuthError):
        transport(handler).write("PUT", "order/1", {}, parse_order)


def test_one_object_that_only_throttles_is_given_up():
    handler, seen = answering(httpx.Response(429, headers=NO_WAIT))
    with pytest.raises(ThrottlingPersistedError):
        transport(handler).read("order/1", parse_order, is_item=True)
    assert len(seen) == 4


def test_every_request_passes_a_failpoint(monkeypatch):
    passed: list[str] = []
    monkeypatch.setattr(failpoints, "hook", passed.append)
    handler, _ = answering(httpx.Response(200, json={}))
    transport(handler).read("order/1", parse_order)
    transport(handler).write("PUT", "order/1", {}, parse_order_if_any)
    assert passed == ["before source GET", "after source GET", "before source PUT", "after source PUT"]


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("orders?page=2", True),
        ("https://vendor.example/other", True),
        ("https://vendor.example:443/other", True),
        ("https://VENDOR.example/other", True),
        ("http://vendor.example/api", False),
        ("https://vendor.example:8443/api", False),
        ("https://vendor.example.evil/api", False),
        ("https://someone@vendor.example/api", False),
        ("https://[bad/api", False),
    ],
)
def test_only_the_connections_own_server_gets_the_credentials(url, own):
    assert transport(lambda _: httpx.Response(200)).is_own(url) is own
