"""The client against a real socket that plays back whatever a server might say, byte by byte."""

import base64
import gzip
import json
import socket
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from order_relay.connections import Connection
from order_relay.errors import (
    ConfigurationError,
    MalformedResponseError,
    OutcomeUnknownError,
    ThrottledError,
    TransientError,
)
from order_relay.orders.messages import Acknowledgement, Selection
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.supercat.client import SuperCatClient
from order_relay.vendors.supercat.connection import SuperCatSettings

ORDERS = [{"id": n, "uuid": f"U{n}", "order_number": f"7001-021524-{n}"} for n in range(3)]
ENVELOPE = json.dumps({"status": "success", "error": None, "data": ORDERS}).encode()


def http(body=ENVELOPE, status=200, length=None, **headers):
    named = {"Content_Type": "application/json", "Content_Length": len(body) if length is None else length, **headers}
    lines = [f"HTTP/1.1 {status} X", *(f"{k.replace('_', '-')}: {v}" for k, v in named.items() if v is not None)]
    return "\r\n".join(lines).encode() + b"\r\nConnection: close\r\n\r\n" + body


class Server:
    """Answers each connection with the next of ``answers`` (bytes, or a function of the socket)."""

    def __init__(self, answers):
        self.answers = list(answers)
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.02)
        self.closed = False
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.answers and not self.closed:
            try:
                peer, _ = self.listener.accept()
            except TimeoutError:
                continue
            with peer:
                peer.settimeout(5)
                self.requests.append(self.read(peer))
                answer = self.answers.pop(0)
                try:
                    answer(peer) if callable(answer) else peer.sendall(answer)
                    peer.shutdown(socket.SHUT_WR)
                except OSError:
                    continue

    @staticmethod
    def read(peer):
        data = b""
        while b"\r\n\r\n" not in data:
            data += peer.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        while len(body) < int(headers.get("content-length", 0)):
            body += peer.recv(65536)
        return lines[0], headers, body


@contextmanager
def serving(*answers):
    server = Server(answers)
    try:
        yield server
    finally:
        server.closed = True
        server.thread.join(5)
        server.listener.close()


class NoFormat:
    name = "supercat"


def client(port, **extra):
    connection = Connection(
        "supercat_default", f"http://127.0.0.1:{port}", "admin", "pass:wörd", extra={"org": "demo", **extra}
    )
    return SuperCatClient(SuperCatSettings.from_connection(connection), cast(VendorFormat, NoFormat()))


def pull(*answers, selection=None, **extra):
    with serving(*answers) as server:
        found = [o.document for o in client(server.port, **extra).fetch(selection or Selection())]
    return found, server.requests


def test_one_get_with_basic_authentication_in_the_header():
    found, requests = pull(http())
    assert found == ORDERS
    ((line, headers, _),) = requests
    assert line == "GET /demo/ext/v2/orders/new_orders HTTP/1.1"
    assert headers["authorization"] == "Basic " + base64.b64encode("admin:pass:wörd".encode()).decode()
    assert "gzip" in headers["accept-encoding"]
    assert "br" not in headers["accept-encoding"]


def test_the_order_download_is_off_by_default_and_has_credentials_of_its_own():
    interval = Selection(start=datetime(2026, 5, 1, tzinfo=UTC), end=datetime(2026, 5, 2, tzinfo=UTC))
    assert client(1).past_orders() is None
    with serving(http(json.dumps(ORDERS).encode())) as server:
        extra = {"download": "stdjsonv2", "download_login": "api", "download_password": "key"}
        download = client(server.port, **extra).past_orders()
        assert [order.document for order in download.fetch(interval)] == ORDERS
        assert download.acknowledge(["7001-021524-0"]) == {}
        download.close()
    ((line, headers, _),) = server.requests
    assert line == (
        "GET /demo/orders.json?export_format=stdjsonv2&single_document=1"
        "&submit_from=2026-05-01T00%3A00%3A00Z&submit_to=2026-05-02T00%3A00%3A00Z HTTP/1.1"
    )
    assert headers["authorization"] == "Basic " + base64.b64encode(b"api:key").decode()


@pytest.mark.parametrize("headers", [{"Content_Encoding": "gzip"}, {"Content_Encoding": "X-GZIP"}])
def test_gzip_is_read(headers):
    assert pull(http(gzip.compress(ENVELOPE), **headers))[0] == ORDERS


def test_a_chunked_answer_is_read():
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (ENVELOPE[:7], ENVELOPE[7:]))
    body = chunks + b"0\r\n\r\n"
    assert pull(http(body, Content_Length=None, Transfer_Encoding="chunked"))[0] == ORDERS


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8",
        'application/json; charset="UTF-8"',
        "application/vnd.x+json",
        "text/plain",
        None,
    ],
)
def test_content_types_that_can_be_json(content_type):
    assert pull(http(Content_Type=content_type))[0] == ORDERS


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (http(b"", 301, Location="https://elsewhere.example/?token=abc"), ConfigurationError, "HTTP 301"),
        (http(b"", 429, Retry_After="17"), ThrottledError, "HTTP 429"),
        (
            http(b'{"status":"error","error":"maintenance","data":null}', 503),
            TransientError,
            "its message: maintenance",
        ),
        (http(ENVELOPE, 206), MalformedResponseError, "HTTP 206"),
        (http(b"", 204, Content_Length=None), MalformedResponseError, "HTTP 204"),
        (http(b"<html>login</html>"), MalformedResponseError, "HTML"),
        (http(b"\x89PNG", Content_Type="image/png"), MalformedResponseError, "image/png"),
        (http(Content_Type="application/json; charset=ISO-8859-1"), MalformedResponseError, "ISO-8859-1"),
        (http(Content_Encoding="br"), MalformedResponseError, "'br'"),
        (http(ENVELOPE[:-20], Content_Length=None), MalformedResponseError, "truncated"),
        (http(gzip.compress(ENVELOPE)[:-9], Content_Encoding="gzip"), MalformedResponseError, "truncated"),
        (http(gzip.compress(ENVELOPE) + b"x", Content_Encoding="gzip"), MalformedResponseError, "gzip"),
        (http(ENVELOPE, Content_Encoding="gzip"), MalformedResponseError, "not valid gzip"),
        (
            http(b'{"status":"failure","error":"org is locked","data":[]}'),
            MalformedResponseError,
            "failure: org is locked",
        ),
        (b"SSH-2.0-OpenSSH_9.0\r\n", MalformedResponseError, "not HTTP"),
        (b"", MalformedResponseError, "truncated"),
    ],
)
def test_what_the_source_answers_decides_what_happens_next(answer, error, message):
    with serving(answer, answer) as server, pytest.raises(error, match=message) as caught:
        list(client(server.port).fetch(Selection()))
    assert type(caught.value) is error
    assert len(server.requests) == 1, "nothing is ever asked twice"
    assert "wörd" not in str(caught.value)
    assert "token" not in str(caught.value)
    if error is ThrottledError:
        assert caught.value.wait_s == 17


def test_nothing_of_a_cut_body_is_complete():
    cut = http(ENVELOPE[:-5], Content_Length=None)
    with serving(cut) as server:
        offers = client(server.port).fetch(Selection())
        assert next(offers).document == ORDERS[0]
        with pytest.raises(MalformedResponseError):
            list(offers)


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_an_endless_body_is_left_at_the_limit(encoding):
    sent = 0

    def endless(peer):
        nonlocal sent
        peer.sendall(http(b"", Content_Length=None, Content_Encoding=encoding))
        raw = b'{"status":"success","error":null,"data":[' + b'{"a":1},' * 1_000_000
        block = raw if encoding is None else gzip.compress(raw + b" " * (64 << 20))
        for _ in range(50):
            peer.sendall(block)
            sent += len(block)

    started = time.process_time()
    with (
        serving(endless) as server,
        pytest.raises(MalformedResponseError, match=r"larger than 100000 bytes.*size_limit_bytes"),
    ):
        list(client(server.port, size_limit_bytes=100_000).fetch(Selection()))
    assert time.process_time() - started < 5
    assert sent < 30_000_000


def test_silence_is_a_time_out():
    for silent in (lambda _: time.sleep(0.6), lambda p: (p.sendall(http()[:200]), time.sleep(0.6))):
        with serving(silent) as server, pytest.raises(TransientError, match=r"sent no data for 0\.2 s"):
            list(client(server.port, timeout_s=0.2).fetch(Selection()))


def test_a_trickle_is_given_up():
    def trickle(peer):
        peer.sendall(http(b"", length=10_000_000))
        for _ in range(100):
            peer.sendall(b" ")
            time.sleep(0.02)

    with serving(trickle) as server, pytest.raises(TransientError, match=r"not complete after 0\.2 s"):
        list(client(server.port, download_s=0.2).fetch(Selection()))


def test_a_closed_door_is_retried_later():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(TransientError, match="cannot connect to SuperCat"):
        list(client(port).fetch(Selection()))
    with pytest.raises(TransientError, match="cannot connect to SuperCat"):
        client(port).acknowledge(["1"])


def test_single_orders_have_their_own_route():
    wrapped = json.dumps({"status": "success", "error": None, "data": ORDERS[1]}).encode()
    found, requests = pull(
        http(json.dumps(ORDERS[0]).encode()), http(wrapped), selection=Selection(order_ids=("356509", "7"))
    )
    assert found == ORDERS[:2]
    assert [line for line, _, _ in requests] == [
        "GET /demo/ext/v2/orders/356509.json HTTP/1.1",
        "GET /demo/ext/v2/orders/7.json HTTP/1.1",
    ]


@pytest.mark.parametrize("order_id", ["new_orders", "../x", "7/", "", "1 2", "٣"])
def test_an_id_that_is_none_makes_no_request(order_id):
    with pytest.raises(ConfigurationError, match="digits"):
        list(client(1).fetch(Selection(order_ids=("7", order_id))))


def reply(data, status="success", error=None, http_status=200):
    return http(json.dumps({"status": status, "error": error, "data": data}).encode(), http_status)


def test_every_entry_of_the_reply_counts_by_itself():
    data = {
        "A": {"success": True},
        "B": {"success": False, "error": "no\x00such"},
        "C": {"success": "yes"},
        "D": None,
        "F": {"success": True},
    }
    for status, http_status in (("success", 200), ("failure", 200), ("error", 422), ("error", 500)):
        with serving(reply(data, status, "some failed", http_status)) as server:
            answers = client(server.port).acknowledge(["A", "B", "C", "D", "E", "A"])
        assert answers == {"A": Acknowledgement(True), "B": Acknowledgement(False, "no such")}
        ((line, headers, body),) = server.requests
        assert line == "POST /demo/ext/v2/orders/new_orders HTTP/1.1"
        assert headers["content-type"] == "application/json"
        assert json.loads(body) == ["A", "B", "C", "D", "E"]


def test_the_exact_string_is_sent():
    numbers = ['  x\u00e9"\\', "6385-031318-392-1"]
    with serving(reply({n: {"success": True} for n in numbers})) as server:
        assert set(client(server.port).acknowledge(numbers)) == set(numbers)
    assert json.loads(server.requests[0][2]) == numbers


def test_something_wrong_inside_one_entry_leaves_the_others():
    body = (
        b'{"status":"success","error":null,"data":{"A":{"success":true},"B":{"success":true},"B":{"success":false},'
        b'"C":{"success":true,"error":NaN},"D":{"success":false,"error":"Z\xfcrich"}}}'
    )
    with serving(http(body)) as server:
        answers = client(server.port).acknowledge(["A", "B", "C", "D"])
    assert {number: answer.accepted for number, answer in answers.items()} == {"A": True, "C": True, "D": False}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http(b"{}", 200), OutcomeUnknownError),
        (reply(None), OutcomeUnknownError),
        (reply([], "error", "nothing done"), OutcomeUnknownError),
        (http(b'{"data":{"A":{"success":true}},"data":{"A":{"success":false}}}'), OutcomeUnknownError),
        (http(b'{"data":{"A":{"success":true}}', Content_Length=None), OutcomeUnknownError),
        (b"", OutcomeUnknownError),
    ],
)
def test_an_acknowledgement_without_usable_answer(answer, error):
    with serving(answer, answer) as server, pytest.raises(error) as caught:
        client(server.port).acknowledge(["A"])
    assert type(caught.value) is error
    assert len(server.requests) == 1


def test_connections_are_kept_until_the_client_is_closed_and_cookies_never():
    reply = json.dumps({"data": {"1": {"success": True}}}).encode()
    kept = http(reply, Set_Cookie="session=1").replace(b"Connection: close\r\n", b"")

    def twice(peer):
        peer.sendall(kept)
        requests.append(Server.read(peer))
        peer.sendall(kept)

    requests: list[Any] = []
    with serving(twice, kept) as server:
        source = client(server.port)
        for _ in range(2):
            assert source.acknowledge(["1"]) == {"1": Acknowledgement(True)}
        source.close()
        assert source.acknowledge(["1"]) == {"1": Acknowledgement(True)}
        source.close()
    assert len(server.requests) == 2
    assert all("cookie" not in headers for _, headers, _ in requests + server.requests)
