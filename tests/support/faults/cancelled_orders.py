"""The audit of known cancellations: such an order is neither offered for shipping nor reported to its source as sent.

An order's cancellation is known once the ledger has recorded that its source or its destination cancelled it, until an
operator decides to keep it.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from types import SimpleNamespace
from typing import Any

from order_relay.batches import BatchStore
from order_relay.ledger.schema.states import State
from order_relay.orders.fulfilment.oms_order import OmsReading
from order_relay_sandbox import ThreadedSandbox
from tests.support.engine import Engine
from tests.support.faults.world import World
from tests.support.shiprush_client import Company
from tests.support.shiprush_schema import checked

OFFERED = "paid"
"""The word with which ShipRush's feed offers an order."""


class CancellationAudit:
    """Checks one world at several moments; a cancellation that was known once stays known."""

    def __init__(self, here: World, sandbox: ThreadedSandbox) -> None:
        self._here, self._sandbox = here, sandbox
        self._as_known: dict[str, Any] = {}  # by key at the destination: what the source had been sent by then

    def shipped(self, engine: Engine) -> list[str]:
        """The orders that were shipped, in one of both ways, after their cancellation was known."""
        sent = _reports(self._sandbox.report()[self._here.case.source_side]["feedback"])
        for key in _known(engine):
            self._as_known.setdefault(key, sent.get(key, []))
        offered = asyncio.run(_offered(engine)) if self._as_known else set()
        reported = {key for key, before in self._as_known.items() if sent.get(key, []) != before}
        found = {"offered": offered & self._as_known.keys(), "reported as sent": reported}
        return [f"{key} is {how}" for how, keys in found.items() for key in sorted(keys)]


def _reports(feedback: dict[str, Any]) -> dict[str, list[Any]]:
    """What says to the source that an order was shipped, by the order's key."""
    return {
        key: [one["shipment_state"] == "sent", one["state"] == "done", one["deliveries"]]
        for key, one in feedback.items()
        if one["shipment_state"] == "sent" or one["state"] == "done" or one["deliveries"]
    }


def _known(engine: Engine) -> list[str]:
    """The keys of the imported orders whose cancellation is known."""
    found = []
    for source_id in engine.ids_in(State.IMPORTED):
        for life in engine.ledger.queries.find(source_id):
            status = engine.ledger.oms_statuses.of(life["id"])
            at_source = life["source_cancelled_at"] is not None and life["cancellation_decided_at"] is None
            if at_source or (status is not None and status.reading == OmsReading.CANCELLED):
                found.append(life["destination_key"])
    return found


async def _offered(engine: Engine) -> set[str]:
    """The orders that ShipRush's feed offers, as its client reads them."""
    store = BatchStore((engine.folder / "batches").as_uri())
    company = Company(SimpleNamespace(store=store), engine.ledger_url)
    company.extra = {"page_size": 50}
    with closing(company.parts):
        answer = await company.get()
        await company.web.aclose()
    orders = checked(answer.content).iterfind("Order")
    return {one.findtext("OrderNumber") or "" for one in orders if one.findtext("OrderStatus") == OFFERED}
