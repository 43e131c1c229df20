"""The session against loopback servers that do, byte by byte, what a network and a gateway can do."""

import asyncio
import base64
import gzip
import json
import time
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from order_relay.errors import ThrottledError
from order_relay.http.sending import delivery
from order_relay.http.sending.session import HttpDestination
from order_relay.orders.messages import SendOutcome
from order_relay.vendors.shopatron import probes
from order_relay.vendors.shopatron.client import oms_api
from order_relay.vendors.shopatron.connection import OmsSettings

GOOD = b'{"orderID": 4711}'


def response(status, body=b"", **headers):
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Oms:
    """A server of raw bytes. ``script(request)`` returns the bytes to answer, or a coroutine that acts itself."""

    def __init__(self, script, lifetime=3600, token=None):
        self.script = script
        self.lifetime = lifetime
        self.token = token
        self.requests = []
        self.tokens = 0
        self.connections = 0

    @property
    def posts(self):
        return [r for r in self.requests if r["method"] == "POST"]

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self.answer(head.decode(), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, head, reader, writer):
        first, *lines = head.strip().split("\r\n")
        headers = {n.lower(): v.strip() for n, v in (line.split(":", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = first.split(" ")
        request = {"method": method, "path": path, "headers": headers, "body": body, "writer": writer}
        if path == "/token":
            self.tokens += 1
            self.token_request = request
            document = {"access_token": f"t{self.tokens}", "expires_in": self.lifetime}
            writer.write(self.token() if self.token else response(200, json.dumps(document).encode()))
            return
        self.requests.append(request)
        answer = self.script(request)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer is None:
            writer.transport.abort()
            raise ConnectionError
        writer.write(answer)


@asynccontextmanager
async def client_of(oms, *, host=None, scheme="http", **settings):
    server = await asyncio.start_server(oms.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = {"timeout_s": 2.0, "connections": 4, **settings}
    account = OmsSettings(
        base_url=f"{scheme}://{host or f'127.0.0.1:{port}'}/api/v2",
        token_url=f"http://127.0.0.1:{port}/token",
        manufacturer_id=12,
        catalog_id=3,
        api_key="key",
        secret="secret",
        **settings,
    )
    client_of_oms = HttpDestination(oms_api(account), account, cast(Any, None))
    try:
        yield client_of_oms
    finally:
        server.close()


@asynccontextmanager
async def session_with(oms, *, share=1, **settings):
    async with client_of(oms, **settings) as client_of_oms, client_of_oms.session(share) as session:
        yield session


async def send(session, payload=b'{"externalOrderID": "N-1"}', key="N-1", lease=10.0, **more):
    return await session.send(payload, key, not_after=time.monotonic() + lease, **more)


async def one(script, *, lease=10.0, **settings):
    oms = Oms(script)
    async with session_with(oms, **settings) as session:
        return await send(session, lease=lease), oms


async def test_the_request_as_documented():
    oms = Oms(lambda r: response(200, GOOD))
    async with session_with(oms, headers={"x-vol-tenant": "9"}) as session:
        answer = await send(session)
    assert (answer.outcome, answer.oms_id, answer.status) == (SendOutcome.IMPORTED, "4711", 200)
    (post,) = oms.posts
    assert post["path"] == "/api/v2/importOrder/"
    assert post["body"] == b'{"externalOrderID": "N-1"}'
    assert post["headers"]["api-key"] == "key"
    assert post["headers"]["authorization"] == "Bearer t1"
    assert post["headers"]["content-type"] == "application/json"
    assert post["headers"]["x-vol-tenant"] == "9"
    token = oms.token_request
    assert token["body"] == b"grant_type=client_credentials"
    assert token["headers"]["content-type"] == "application/x-www-form-urlencoded"
    assert token["headers"]["authorization"] == "Basic " + base64.b64encode(b"key:secret").decode()
    assert "api-key" not in token["headers"]


# what is provably not sent


async def test_an_unknown_host():
    answer, _ = await one(lambda r: response(200, GOOD), host="no-such-host.invalid")
    assert (answer.outcome, answer.code) == (SendOutcome.NOT_SENT, "ClientConnectorDNSError")


async def test_no_tls_at_the_server():
    answer, oms = await one(lambda r: response(200, GOOD), scheme="https")
    assert answer.outcome is SendOutcome.NOT_SENT
    assert oms.posts == []


async def test_a_lease_that_ends_in_the_line_for_a_connection():
    async def slow(request):
        await asyncio.sleep(0.3)
        return response(200, GOOD)

    oms = Oms(slow)
    async with session_with(oms, connections=1) as session:
        answers = await asyncio.gather(send(session), send(session, lease=0.1))
    assert sorted(a.outcome for a in answers) == [SendOutcome.IMPORTED, SendOutcome.NOT_SENT]
    assert len(oms.posts) == 1


async def test_no_connection_gets_free_in_time():
    async def slow(request):
        await asyncio.sleep(0.9)
        return response(200, GOOD)

    oms = Oms(slow)
    async with session_with(oms, connections=1, timeout_s=1.0) as session:
        answers = await asyncio.gather(send(session), send(session))
    assert sorted((a.outcome, a.code) for a in answers) == [
        (SendOutcome.IMPORTED, ""),
        (SendOutcome.NOT_SENT, "ConnectionTimeoutError"),
    ]


# what is in doubt


async def never(request):
    await asyncio.sleep(30)


@pytest.mark.parametrize(
    "script",
    [
        lambda r: None,
        lambda r: b"",
        lambda r: b"garbage\r\n\r\n",
        lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        lambda r: b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"or\r\n',
        lambda r: response(200, b"\x1f\x8bnonsense", Content_Encoding="gzip"),
        never,
    ],
    ids=["cut", "silence", "garbage", "cut body", "cut chunk", "bad gzip", "time-out"],
)
async def test_no_whole_answer(script):
    def cut(request):
        answer = script(request)
        if isinstance(answer, bytes) and b"gzip" not in answer:
            request["writer"].write(answer)
            request["writer"].close()
            return b""
        return answer

    answer, oms = await one(cut, timeout_s=1.0)
    assert answer.outcome is SendOutcome.IN_DOUBT
    assert len(oms.posts) == 1, "posted once, whatever came back"
    assert "garbage" not in answer.message


async def test_a_kept_connection_that_the_server_has_closed_is_never_posted_on_again():
    """aiohttp repeats a request on a stale connection for idempotent methods only; this holds it to that."""
    oms: Oms = Oms(lambda r: response(200, GOOD) if len(oms.posts) == 1 else None)
    async with session_with(oms) as session:
        assert (await send(session)).outcome is SendOutcome.IMPORTED
        answer = await send(session)
    assert answer.outcome is SendOutcome.IN_DOUBT
    assert len(oms.posts) == 2


async def test_the_flag_is_set_before_the_first_byte(monkeypatch):
    """If aiohttp stopped calling ``_GuardedRequest.send``, leases would not be kept: then this fails."""
    seen: list[Any] = []

    class Spy(delivery._SendGuard):
        def __init__(self, not_after):
            super().__init__(not_after)
            seen.append(self)

    monkeypatch.setattr(delivery, "_SendGuard", Spy)
    await one(lambda r: response(200, GOOD))
    assert [flight.written for flight in seen] == [True]


# credentials


async def test_the_second_post_keeps_the_lease_too():
    async def slow(request):
        await asyncio.sleep(0.2)
        return response(401)

    answer, oms = await one(slow, lease=0.1)
    assert (answer.outcome, answer.code) == (SendOutcome.NOT_SENT, "lease_over")
    assert len(oms.posts) == 1


async def test_many_workers_renew_once():
    oms = Oms(lambda r: response(200, GOOD) if r["headers"]["authorization"] == "Bearer t2" else response(401))
    async with session_with(oms, connections=20) as session:
        answers = await asyncio.gather(*(send(session) for _ in range(20)))
    assert {a.outcome for a in answers} == {SendOutcome.IMPORTED}
    assert oms.tokens == 2


async def test_a_token_is_renewed_before_it_ends():
    oms = Oms(lambda r: response(200, GOOD), lifetime=0.2)
    async with session_with(oms) as session:
        await send(session)
        await send(session)
        assert oms.tokens == 1
        await asyncio.sleep(0.19)
        await send(session)
        assert oms.tokens == 2


async def test_a_failed_token_renewal_leaves_the_order_unsent():
    oms = Oms(lambda r: response(200, GOOD), lifetime=0.01)
    async with session_with(oms) as session:
        await asyncio.sleep(0.02)
        for token, outcome in (
            (response(503), SendOutcome.NOT_SENT),
            (response(400), SendOutcome.CONFIGURATION_ERROR),
            (response(429), SendOutcome.THROTTLED),
        ):
            oms.token = lambda token=token: token
            assert (await send(session)).outcome is outcome
    assert oms.posts == []


# the rest of the table, over the wire


async def test_a_throttle_pauses_the_whole_session():
    oms = Oms(lambda r: response(403, Retry_After="1", X_Mashery_Error_Code="ERR_403_DEVELOPER_OVER_QPS"))
    async with session_with(oms) as session:
        answer = await send(session)
        assert (answer.outcome, answer.wait_s) == (SendOutcome.THROTTLED, 1)
        with pytest.raises(ThrottledError):
            await session.wait_for_slot(0.5)


async def test_compressed_and_huge_answers():
    body = gzip.compress(GOOD)
    answer, _ = await one(lambda r: response(200, body, Content_Encoding="gzip"))
    assert answer.oms_id == "4711"
    huge = b'{"orderID": 4711, "items": "' + b"x" * 500_000 + b'"}'
    answer, _ = await one(lambda r: response(200, huge))
    assert answer.oms_id == "4711"
    assert len(answer.body) == 16_384
    bomb = gzip.compress(b"{" + b" " * 50_000_000 + b'"orderID": 1}')
    answer, _ = await one(lambda r: response(200, bomb, Content_Encoding="gzip"))
    assert answer.outcome is SendOutcome.IN_DOUBT


async def test_proxies_of_the_environment_are_ignored(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    answer, _ = await one(lambda r: response(200, GOOD))
    assert answer.outcome is SendOutcome.IMPORTED


async def test_a_share_of_the_limits():
    oms = Oms(lambda r: response(200, GOOD))
    async with session_with(oms, share=4, connections=8, requests_per_s=40.0) as session:
        assert session.limits.rate == 10
        await asyncio.gather(*(send(session) for _ in range(20)))
    assert oms.connections <= 2


# reading


async def test_a_search_over_the_wire():
    rows = json.dumps({"totalCount": 1, "collection": [{"orderID": 5, "externalOrderID": "A&1"}]}).encode()
    oms = Oms(lambda r: response(200, rows))
    async with session_with(oms) as session:
        page = await session.find_by_key(["A&1", "B"])
    assert page.complete
    assert page.rows[0].oms_id == "5"
    (get,) = oms.requests
    assert get["path"] == "/api/v2/order/?externalOrderID=A%261,B&manufacturerID=12&perPage=100&page=1"
    assert get["headers"]["api-key"] == "key"


@pytest.mark.parametrize(("status", "level"), [(200, "ok"), (404, "warn"), (500, "warn")])
async def test_probes_read_the_catalogue(status, level):
    oms = Oms(lambda r: response(status, b"{}"))
    async with client_of(oms) as client_of_oms:
        (found, _, _), *_more = await probes.probes(client_of_oms)
    assert found == level
    assert oms.requests[0]["path"] == "/api/v2/catalog/?manufacturerID=12&perPage=1"
    assert oms.posts == []
