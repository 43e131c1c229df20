"""Crash trials of shipment notices: the server is killed at a failpoint, and ShipRush sends the notices again."""

from __future__ import annotations

import asyncio
import signal
from contextlib import closing
from types import SimpleNamespace
from typing import Any

from order_relay.batches import BatchStore
from order_relay.ledger import Ledger
from tests.support.archived_orders import Relay, plain_orders
from tests.support.faults.world import World, world
from tests.support.shiprush_client import Company
from tests.support.trials.crashes import killed_at, recorded

CASE = "supercat-shopatron"
ORDER = next(order for order in plain_orders(20) if order["items"][0]["quantity"] > 1)
ITEM = ORDER["items"][0]
UNITS = ITEM["quantity"] - 1
NOTICES = {"1Z1": ORDER["order_number"], "": ORDER["order_number"], "1Z2": "nobody"}
"""A parcel with all but one unit of an item, one of that unit without a tracking number, one of an unknown order."""


def _body(tracking: str) -> bytes:
    units = UNITS if tracking else 1
    item = f"<Item><SKU>{ITEM['item_number']}</SKU><Quantity>{units}</Quantity></Item>"
    return f"<ShipNotice><TrackingNumber>{tracking}</TrackingNumber><Items>{item}</Items></ShipNotice>".encode()


def _send_feedback(here: World) -> None:
    """A server of its own, and all notices."""

    async def send_feedback(company: Company) -> list[int]:
        answers = [
            await company.notice(_body(tracking), order_number=number, carrier="UPS")
            for tracking, number in NOTICES.items()
        ]
        return [answer.status_code for answer in answers]

    company = Company(SimpleNamespace(store=_store(here)), here.ledger_url)  # it uses the store only
    with closing(company.parts):
        assert asyncio.run(send_feedback(company)) == [200, 200, 200]


def _before(here: World) -> None:
    with closing(Ledger.open(here.ledger_url)) as ledger:
        Relay(ledger, _store(here)).imported(ORDER)


def _store(here: World) -> BatchStore:
    return BatchStore((here.folder / "batches").as_uri())


def discover(params: dict[str, Any]) -> dict[str, int]:
    """Send the notices once; returns the number of calls of each failpoint."""
    with world({"case": CASE, **params}) as here:
        _before(here)
        return recorded(here, lambda: _send_feedback(here))


def crash(params: dict[str, Any]) -> dict[str, Any]:
    """Kill the server at the ``number``-th call of failpoint ``point``, then send the notices two times; the faults."""
    with world({"case": CASE, **params}) as here:
        _before(here)
        code = killed_at(here, params, lambda: _send_feedback(here))
        _send_feedback(here)
        _send_feedback(here)
        return {**params, "killed": code == -signal.SIGKILL, "faults": _faults(here)}


def _faults(here: World) -> list[str]:
    with closing(Ledger.open(here.ledger_url)) as ledger:
        (order,) = ledger.queries.find(ORDER["order_number"])
        sent = sorted(
            (parcel["tracking_number"], parcel["submission_id"], *(line["quantity"] for line in parcel["lines"]))
            for parcel in ledger.shipments.recent()
        )
        expected = [("", order["id"], 1), ("1Z1", order["id"], UNITS), ("1Z2", None, UNITS)]
        found = [] if sent == expected else [f"parcels: {sent}"]
        whole = "shipped" if len(ORDER["items"]) == 1 else "partly"
        if order["shipped"] != whole:
            found.append(f"the order is {order['shipped']!r}")
        return found + ledger.accounting.invariant_violations()
