"""The webhook, called in this process: genuine events are kept, forged ones refused, and nothing makes it fail."""

from __future__ import annotations

import asyncio
import hmac
import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from order_relay.batches import BatchStore
from order_relay.connections import Connection
from order_relay.endpoints import requests
from order_relay.endpoints.app import create_app
from order_relay.endpoints.dependencies import Deployment
from order_relay.errors import TransientError
from order_relay.http.auth.failed_logins import FIRST_LOCK_S, FREE_FAILURES
from order_relay.ledger import Ledger
from order_relay.ledger.fulfilment.status_history import StatusHistory
from order_relay.vendors.acommerce.webhooks import SIGNATURE_HEADER

PATH = "/acommerce/events"
EVENT = {
    "orderId": "WEB-1",
    "partnerId": 4021,
    "shipPackage": [
        {
            "trackingId": "PKG1",
            "statusHistory": [
                {"eventId": "e-1", "shippingStatus": "IN_TRANSIT", "updatedTime": "2026-05-01T08:31:00Z"}
            ],
        }
    ],
}
SECRET = "hush"


def sign(body: bytes, secret: str = SECRET, algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), body, algorithm).hexdigest()


class Door:
    """The served app on a ledger of its own."""

    def __init__(self, url: str, root: Path) -> None:
        self.ledger = Ledger.open(url)
        self.parts = Deployment(self._connection, lambda: url, lambda: BatchStore(root.as_uri()))
        self.app = create_app(self.parts)
        self.web = self.from_address("198.51.100.1")

    def _connection(self, conn_id: str) -> Connection:
        extra = {"channel": "demo", "hook_secret": SECRET}
        return Connection(conn_id, "https://fulfil.example", "me", "key", extra=extra)

    def from_address(self, address: str) -> httpx.AsyncClient:
        """A client with another address."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True, client=(address, 1))
        return httpx.AsyncClient(transport=transport, base_url="http://relay.example")

    async def post(self, body: Any, signature: str | bytes | None = "right") -> httpx.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent_signature = sign(data) if signature == "right" else signature
        headers: Any = {} if sent_signature is None else {"X-Acomm-Signature": sent_signature}
        return await self.web.post(PATH, content=data, headers=headers)

    def contents(self) -> int:
        with self.ledger.database.engine.connect() as conn:
            return int(conn.exec_driver_sql("SELECT COUNT(*) FROM status_event").scalar_one())

    def numbers(self) -> list[str]:
        return [row["order_number"] for row in self.ledger.statuses.recent()]


@pytest.fixture
async def door(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Door]:
    made = Door(sqlite_url, tmp_path)
    yield made
    await made.web.aclose()
    made.parts.close()
    made.ledger.close()


async def test_a_genuine_event_is_durable_before_the_answer(door: Door) -> None:
    answer = await door.post(EVENT)
    assert (answer.status_code, answer.json()) == (200, {"orders": 1, "refused": 0})
    (row,) = door.ledger.statuses.recent()
    assert (row["order_number"], row["parcels"][0][:2]) == ("WEB-1", ("PKG1", "IN_TRANSIT"))


async def test_again_changes_nothing(door: Door) -> None:
    await door.post(EVENT)
    before = door.contents()
    assert (await door.post([EVENT])).json() == {"orders": 1, "refused": 0}
    assert door.contents() == before > 0


async def test_forged_signatures_are_refused(door: Door) -> None:
    body = json.dumps(EVENT).encode()
    assert (await door.post(EVENT, None)).status_code == 400
    for forged in ("x", sign(body, "other"), sign(body, ""), sign(body, algorithm="sha1"), sign(body + b" "), b"\xff"):
        assert (await door.post(body, forged)).status_code == 401
    assert door.numbers() == []


async def test_an_address_with_many_forged_signatures_is_locked_out(door: Door) -> None:
    for _ in range(FREE_FAILURES["address"]):
        assert (await door.post(EVENT, None)).status_code == 400  # without a signature nothing is guessed
    statuses = [(await door.post(EVENT, "forged")).status_code for _ in range(FREE_FAILURES["address"] + 5)]
    assert statuses == [401] * FREE_FAILURES["address"] + [429] * 5
    assert 0 < int((await door.post(EVENT)).headers["retry-after"]) <= FIRST_LOCK_S
    body = json.dumps(EVENT).encode()
    async with door.from_address("198.51.100.2") as other:
        assert (await other.post(PATH, content=body, headers={SIGNATURE_HEADER: sign(body)})).status_code == 200


async def test_forged_signatures_do_not_wait_for_work(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    started, finish = threading.Event(), threading.Event()

    def slow(*_: Any, **__: Any) -> None:
        started.set()
        finish.wait(60)

    monkeypatch.setattr(StatusHistory, "store", slow)
    async with asyncio.TaskGroup() as group:
        working = group.create_task(door.post(EVENT))
        await asyncio.to_thread(started.wait, 60)
        assert (await door.post(EVENT, "forged")).status_code == 401
        assert not working.done()
        finish.set()


async def test_a_body_that_does_not_arrive_is_given_up_and_counts(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "BODY_WITHIN_S", 0.01)
    monkeypatch.setitem(FREE_FAILURES, "address", 1)

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    answers = [await door.web.post(PATH, content=never(), headers={SIGNATURE_HEADER: "x"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [408, 429]


async def test_what_no_record_can_be_is_kept_aside(door: Door) -> None:
    assert (await door.post({"orderStatus": []})).json() == {"orders": 0, "refused": 1}
    assert [row["code"] for row in door.ledger.status_refusals.recent()] == ["no_order_number"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"<x/>", 400),
        (b"\xff", 400),
        (b'{"a":1,"a":2}', 400),
        (b"[" * 500, 400),
        (b"x" * (2 << 20), 413),
        (json.dumps([EVENT] * 101).encode(), 413),
    ],
)
async def test_bodies_that_are_no_use(door: Door, body: bytes, status: int) -> None:
    assert (await door.post(body)).status_code == status
    assert door.numbers() == []


async def test_other_methods_and_paths(door: Door) -> None:
    assert (await door.web.get(PATH)).status_code == 405
    assert (await door.web.post("/acommerce/other")).status_code == 404


async def test_too_many_concurrent_requests_are_throttled(door: Door) -> None:
    answers = await asyncio.gather(*[door.post({**EVENT, "orderId": f"WEB-{n}"}) for n in range(60)])
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 429}
    assert all("Retry-After" in answer.headers for answer in answers if answer.status_code == 429)
    assert len(door.numbers()) == statuses.count(200)


async def test_one_that_is_forged_spoils_none_that_is_written_with_it(door: Door) -> None:
    answers = await asyncio.gather(
        *[door.post({**EVENT, "orderId": f"WEB-{n}"}, "forged" if n % 3 == 0 else "right") for n in range(12)]
    )
    assert [answer.status_code for answer in answers] == [401 if n % 3 == 0 else 200 for n in range(12)]
    assert sorted(door.numbers()) == sorted(f"WEB-{n}" for n in range(12) if n % 3)


async def test_a_ledger_in_trouble_asks_for_patience(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: Any, **__: Any) -> None:
        raise TransientError("locked")

    monkeypatch.setattr(StatusHistory, "store", locked)
    answer = await door.post(EVENT)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["orderId", "orderStatus", "shipPackage", "statusHistory", "updatedTime", "eventId", "error"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@pytest.fixture
def open_door(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    monkeypatch.setitem(FREE_FAILURES, "address", 1_000_000)
    made = Door(sqlite_url, tmp_path)
    yield made
    made.parts.close()
    made.ledger.close()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()),
    genuine=st.booleans(),
    noise=st.binary(max_size=80).filter(lambda text: b"\n" not in text and b"\r" not in text and b"\0" not in text),
)
def test_no_input_causes_a_5xx_or_a_forged_entry(open_door: Door, body: bytes, genuine: bool, noise: bytes) -> None:
    before = len(open_door.numbers())
    answer = asyncio.run(open_door.post(body, "right" if genuine else noise))
    assert answer.status_code in ({200, 400, 413} if genuine else {400, 401})
    if answer.status_code != 200:
        assert len(open_door.numbers()) == before
