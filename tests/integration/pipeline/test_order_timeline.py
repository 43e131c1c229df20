"""Orders from where they were taken to the doorstep: the same timeline on the desk and by command."""

from __future__ import annotations

import asyncio
import hmac
import html
import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from order_relay.airflow.installation import Installation
from order_relay.connections import Connection
from order_relay.desk.access import Principal
from order_relay.orders.messages import RunContext
from order_relay.pipeline.fulfilment.oms_status import OmsStatusContext, ask_about_orders
from order_relay.pipeline.settings.status_account import load_status
from order_relay.vendors import system_title
from order_relay.wiring.statuses import StatusWiring
from order_relay_sandbox import ThreadedSandbox, serve_in_thread
from tests.support.archived_orders import plain_orders
from tests.support.canaries import EVERYTHING, found, marked
from tests.support.command_line import as_json, call
from tests.support.desk import OTHER, PIPELINE, FixedParts, desk_app, desk_client
from tests.support.engine import Engine
from tests.support.faults.web_shop import order as web_order
from tests.support.shiprush_client import Company, numbers, parcel

EVERYONE = Principal("viewer", frozenset({PIPELINE, OTHER}))
ACCOUNT, SECRET = "acommerce_status", "hush"
WEB = "1-CS1"

ARRIVAL = [
    ("Order Relay", "checked"),
    ("Order Relay", "sent"),
    ("Shopatron / Kibo OMS", "imported"),
]
FULFILMENT = [
    ("ShipRush feed", "parcel reported"),
    ("Shopatron / Kibo OMS", "OMS status SHIPPED: shipped"),
]
DELIVERY = [("aCommerce", "status IN_TRANSIT"), ("aCommerce", "status DELIVERED")]
SUPERCAT = [
    ("SuperCat eCat", "order taken"),
    ("SuperCat eCat", "received"),
    *ARRIVAL,
    ("SuperCat eCat", "acknowledged"),
    *FULFILMENT,
    *DELIVERY,
]
CLOUDSUITE = [
    ("CloudSuite", "order taken"),
    ("CloudSuite", "received"),
    *ARRIVAL,
    ("CloudSuite", "acknowledged"),
    *FULFILMENT,
    ("CloudSuite", "write-back of oms number: done"),
    ("CloudSuite", "write-back of line numbers: done"),
    ("CloudSuite", "write-back of shipped: done"),
    ("operator", "note"),
    *DELIVERY,
]


class Endpoints(Company):
    """The endpoints, with the connections of ShipRush and aCommerce."""

    def __init__(self, relay: Any, url: str, acommerce: Connection) -> None:
        super().__init__(relay, url)
        self.acommerce = acommerce

    def _connection(self, conn_id: str) -> Connection:
        return self.acommerce if conn_id == self.acommerce.conn_id else super()._connection(conn_id)

    async def status(self, number: str, status: str) -> None:
        """A webhook of aCommerce about the order's only parcel."""
        now = datetime.now(UTC).isoformat()
        entry = {
            "eventId": f"{number}-{status}",
            "shippingStatus": status,
            "shippingUpdatedTime": now,
            "updatedTime": now,
            "shippingDetail": " ".join(EVERYTHING.values()),
        }
        document = {"orderId": number, "shipPackage": [{"trackingId": "P1", "statusHistory": [entry]}]}
        body = json.dumps(document).encode()
        signature = hmac.new(SECRET.encode(), body, "sha256").hexdigest()
        answer = await self.web.post("/acommerce/events", content=body, headers={"X-Acomm-Signature": signature})
        assert answer.json() == {"orders": 1, "refused": 0}


class World:
    """Both pipelines on one ledger, and everything that happens to their orders, without Airflow."""

    def __init__(self, sandbox: ThreadedSandbox, folder: Path, url: str) -> None:
        self.sandbox, self.folder, self.url = sandbox, folder, url
        self.connections = {
            f"{name}_default": Connection(
                f"{name}_default", made["host"], made["login"], made["password"], extra=made["extra"]
            )
            for name, made in sandbox.connections().items()
        }
        known = self.connections["acommerce_default"]
        self.acommerce = replace(known, extra={**known.extra, "hook_secret": SECRET})
        self.connections["acommerce_default"] = self.acommerce
        self.engines = [Engine(folder, self.connections, url, pipeline=name) for name in (PIPELINE, OTHER)]
        self.ledger = self.engines[0].ledger

    async def ship(self, parcels: dict[str, bytes]) -> None:
        """ShipRush reads the feed and reports the parcels; the OMS ships them, and is asked."""
        endpoints = self.endpoints()
        with closing(endpoints.parts):
            assert set(numbers(await endpoints.get())) == set(parcels)
            for body in parcels.values():
                assert "recorded" in (await endpoints.notice(body)).text
            await endpoints.web.aclose()
        for number in parcels:
            wish = {"order": number, "ship": {"tracking": f"T-{number}"}}
            await asyncio.to_thread(self.sandbox.post, "/_shopatron/change", wish)
        for engine in self.engines:
            self.ledger.oms_questions.enrol(engine.pipeline, first_days=30)
            async with engine.wiring.destination.session(1) as session:
                ctx = RunContext(engine.pipeline, "status", "oms")
                await ask_about_orders(ctx, OmsStatusContext(self.ledger, engine.archive()), session)

    async def deliver(self, *orders: str) -> None:
        """Webhooks of aCommerce, and their match to the orders."""
        endpoints = self.endpoints()
        with closing(endpoints.parts):
            for number in orders:
                for status in ("IN_TRANSIT", "DELIVERED"):
                    await endpoints.status(number, status)
            await endpoints.web.aclose()
        store = (self.folder / "batches").as_uri()
        with StatusWiring(load_status(ACCOUNT), self.connections.__getitem__, self.url, store) as wiring:
            assert wiring.ledger.statuses.match(ACCOUNT, wiring.ours, 86_400.0, 0.0) == len(orders)

    def endpoints(self) -> Endpoints:
        relay = SimpleNamespace(store=self.engines[0].wiring.store, ledger=self.ledger)
        return Endpoints(relay, self.url, self.acommerce)

    def on_the_desk(self, number: int) -> str:
        with desk_client(desk_app(FixedParts(self.url), EVERYONE)) as browser:
            return str(browser.get(f"/orders/{number}").text)


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(Installation, "ledger_url", sqlite_url)
    with serve_in_thread({}, sources=["supercat", "cloudsuite"]) as sandbox:
        made = World(sandbox, tmp_path, sqlite_url)
        yield made
        for engine in made.engines:
            engine.wiring.close()


def shown(page: str) -> list[tuple[str, ...]]:
    """System and what happened, in each row of the page's timeline."""
    table = page[page.index('id="timeline-caption"') :].partition("</table>")[0]
    cells = [re.findall(r"<td>(.*?)</td>", row, re.DOTALL) for row in table.split("<tr>")[2:]]
    return [tuple(html.unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in row[1:3]) for row in cells]


def printed(text: str) -> list[str]:
    """What happened, in each entry of the printed timeline, which is at most 80 columns wide."""
    lines = text[text.index("timeline (UTC)") : text.index("\nprogress")].splitlines()[1:]
    assert max(map(len, lines)) <= 80
    assert any("sending → imported; attempt 1; HTTP 200; OMS id" in line for line in lines)
    return [re.split(r" {2,}", line)[2] for line in lines if line[0] != " "]


def test_from_where_an_order_was_taken_to_the_doorstep(world: World) -> None:
    taken = marked(plain_orders(1)[0])
    number = str(taken["order_number"])
    world.sandbox.offer([taken], source="supercat")
    world.sandbox.offer([web_order(1)], source="cloudsuite")
    for engine in world.engines:
        engine.run("first")
    items = [(line["item_number"], line["quantity"]) for line in taken["items"]]
    parcels: dict[str, Any] = {number: items, WEB: [("BEL", 2), ("LAMP", 1)]}
    asyncio.run(world.ship({word: parcel(word, *of, tracking=f"T-{word}") for word, of in parcels.items()}))
    world.engines[1].send_feedback("feedback")
    ids = {word: world.ledger.queries.find(word)[0]["id"] for word in parcels}
    world.ledger.activity.note([ids[WEB]], "asked the shop", "ann")
    asyncio.run(world.deliver(number, WEB))

    for word, expected in ((number, SUPERCAT), (WEB, CLOUDSUITE)):
        page, text = world.on_the_desk(ids[word]), call("order", word).stdout
        (life,) = as_json("order", word)["submissions"]
        assert shown(page) == expected
        assert [(system_title(one["system"]), one["what"]) for one in life["timeline"]] == expected
        assert [one["at"] for one in life["timeline"]] == sorted(one["at"] for one in life["timeline"])
        assert printed(text) == [f"{what} by ann" if what == "note" else what for _, what in expected]
        assert life["progress"][-1]["status"] == "done", "delivered"
        for output in (page, html.unescape(page), text, json.dumps(life, ensure_ascii=False)):
            assert found(output.encode(), EVERYTHING) == set()
