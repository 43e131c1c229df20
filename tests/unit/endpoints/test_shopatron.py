"""Notifications of the OMS: they make an order due and nothing else; without the secret they are refused."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from order_relay.batches import BatchStore
from order_relay.connections import Connection
from order_relay.endpoints.app import create_app
from order_relay.endpoints.dependencies import Deployment
from order_relay.http.auth.failed_logins import FREE_FAILURES
from order_relay.ledger import Ledger
from order_relay.ledger.oms.oms_questions import OmsQuestions

ACCOUNT = "shopatron:https://oms.example/7"
SECRET = "hush-hush"
EVENT = {"orderID": 4711, "externalOrderID": "K1", "orderStatus": "CANCELED", "customerID": "9"}


class Door:
    """The served app; ``due`` collects what became due."""

    def __init__(self, url: str, root: Path, **extra: Any) -> None:
        fields = {"token_url": "https://oms.example/t", "manufacturer_id": 7, "catalog_id": 0, **extra}
        connection = Connection("shopatron_default", "https://oms.example/api/v2", "k", "s", extra=fields)
        self.parts = Deployment(lambda _: connection, lambda: url, lambda: BatchStore(root.as_uri()))
        transport = httpx.ASGITransport(create_app(self.parts), raise_app_exceptions=True)
        self.web = httpx.AsyncClient(transport=transport, base_url="http://relay.example")

    async def post(self, body: Any = EVENT, secret: str = SECRET, header: str = "Authorization") -> httpx.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.web.post("/shopatron/events", content=data, headers={header: secret} if secret else {})

    async def close(self) -> None:
        await self.web.aclose()
        self.parts.close()


@pytest.fixture
def due(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """What was made due: account, OMS id and our key. Only the first order is known."""
    found: list[tuple[str, str, str]] = []

    def make_due(_self: Any, account: str, oms_id: str, key: str = "") -> int | None:
        found.append((account, oms_id, key))
        return 1 if oms_id == "4711" else None

    monkeypatch.setattr(OmsQuestions, "make_due", make_due)
    return found


@pytest.fixture
async def door(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Door]:
    Ledger.open(sqlite_url).close()
    made = Door(sqlite_url, tmp_path, notification_secret=SECRET)
    yield made
    await made.close()


async def test_a_notification_makes_its_order_due(door: Door, due: list[Any]) -> None:
    for _ in range(2):  # duplicates are normal
        answer = await door.post()
        assert (answer.status_code, answer.json()) == (200, {"known": True})
    assert due == [(ACCOUNT, "4711", "K1")] * 2
    assert (await door.post({"externalOrderID": "K9"})).json() == {"known": False}
    assert due[-1] == (ACCOUNT, "", "K9")


async def test_the_secret_may_be_a_basic_password(door: Door, due: list[Any]) -> None:
    basic = base64.b64encode(f"oms:{SECRET}".encode()).decode()
    assert (await door.post(secret=f"Basic {basic}")).status_code == 200
    assert len(due) == 1


@pytest.mark.parametrize("secret", ["", "wrong", "Basic !!", "Basic " + base64.b64encode(b"oms:no").decode(), "\xff"])
async def test_nothing_is_taken_without_the_secret(door: Door, due: list[Any], secret: str) -> None:
    answer = await door.web.post(
        "/shopatron/events", json=EVENT, headers={b"Authorization": secret.encode("latin-1")} if secret else {}
    )
    assert answer.status_code == 401
    assert due == []


async def test_without_a_configured_secret_everything_is_refused(
    sqlite_url: str, tmp_path: Path, due: list[Any]
) -> None:
    door = Door(sqlite_url, tmp_path)
    assert [(await door.post(secret=one)).status_code for one in ("", SECRET, "Basic Og==")] == [401] * 3
    await door.close()
    assert due == []


async def test_guessing_is_slowed_down_and_logged(door: Door, due: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    answers = [(await door.post(secret=f"guess {n}")).status_code for n in range(21)]
    assert (answers[0], answers[-1]) == (401, 429)
    ours = [record.getMessage() for record in caplog.records if "failed login from" in record.getMessage()]
    assert len(ours) == 20
    assert "guess" not in "".join(ours)


async def test_many_right_requests_at_once_are_no_guesses(door: Door, due: list[Any]) -> None:
    answers = await asyncio.gather(*(door.post() for _ in range(FREE_FAILURES["address"] + 10)))
    assert {answer.status_code for answer in answers} == {200}


async def test_the_header_is_a_setting(sqlite_url: str, tmp_path: Path, due: list[Any]) -> None:
    door = Door(sqlite_url, tmp_path, notification_secret=SECRET, notification_header="X-Secret")
    assert (await door.post()).status_code == 401
    assert (await door.post(header="x-secret")).status_code == 200
    await door.close()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        ([], 400),
        ({}, 400),
        ({"orderID": -1}, 400),
        (b"x" * 2_000_000, 413),
        (b'{"orderID":1,"orderID":2}', 400),
    ],
)
async def test_hostile_bodies(door: Door, due: list[Any], body: Any, status: int) -> None:
    assert (await door.post(body)).status_code == status
    assert due == []
