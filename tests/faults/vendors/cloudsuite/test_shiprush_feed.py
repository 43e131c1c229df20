"""From the web shop through the engine to a poller of the feed, and back with a shipment notice."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from lxml import etree

from order_relay.batches import BatchStore
from order_relay_sandbox import ThreadedSandbox
from tests.support.faults.web_shop import Make, order
from tests.support.shiprush_client import Company, parcel
from tests.support.shiprush_schema import checked


def sent_total(engine: Any, life: dict[str, Any]) -> Decimal:
    """What the OMS works out from the payload that was sent."""
    text = BatchStore((engine.folder / "batches").as_uri()).read_rows(life["payload_name"], [life["payload_row"]])
    items = json.loads(text[life["payload_row"]], parse_float=Decimal)["orderItems"]
    each = (item["itemSpecifics"] for item in items)
    return sum((Decimal(str(one["actualPrice"])) * one["quantity"] for one in each), Decimal(0))


async def test_every_imported_web_shop_order_is_in_the_feed_with_the_total_that_was_sent(
    shop: ThreadedSandbox, make: Make
) -> None:
    shop.offer([order(n) for n in range(1, 6)])
    engine = make()
    await asyncio.to_thread(engine.run, "first")
    assert set(engine.states().values()) == {"imported"}
    store = BatchStore((engine.folder / "batches").as_uri())
    company = Company(SimpleNamespace(store=store, ledger=engine.ledger), engine.ledger_url)
    with closing(company.parts):
        pages = [checked((await company.get(page=str(page))).content) for page in (1, 2)]
        orders = {one.findtext("OrderNumber"): one for page in pages for one in page.iterfind("Order")}
        assert sorted(orders) == [f"1-CS{n}" for n in range(1, 6)]
        for number, one in orders.items():
            (life,) = engine.ledger.queries.find(number)
            assert Decimal(one.findtext("OrderTotal")) == sent_total(engine, life) > 0
            assert one.findtext("OrderStatus") == "paid"
            assert life["sent_as"] == "READY"
        given = orders["1-CS1"].findtext("OrderID")
        answer = await company.notice(parcel("1-CS1", ("BEL", 2), ("LAMP", 1), order_id=given))
        assert etree.fromstring(answer.content).findtext("Outcome") == "recorded"
        assert engine.ledger.queries.find("CS1")[0]["shipped"] == "shipped", "found by its reference alone"
        assert [work.order_number for work in engine.ledger.order_references.named("CS1")] == ["1-CS1"]
        await company.web.aclose()
