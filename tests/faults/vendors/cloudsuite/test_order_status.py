"""What became of orders at the OMS: nothing wrong is recorded, whatever it answers and whenever a run is killed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from order_relay.errors import ConfigurationError, TransientError
from order_relay.ledger.schema.oms_tables import oms_status
from order_relay.ledger.schema.states import State
from order_relay.orders.fulfilment.shipment_progress import Shipment, ShippedLine
from order_relay.pipeline.fulfilment.shipments import record_shipment
from order_relay_sandbox import ThreadedSandbox
from tests.support.engine import Engine
from tests.support.failpoints import killed_at
from tests.support.faults.web_shop import PIPELINE, Make, archive, order

HOUR = timedelta(hours=1)
PAST = datetime(2026, 1, 1, tzinfo=UTC)


def waits_pass(engine: Engine) -> None:
    with engine.ledger.database.engine.begin() as conn:
        conn.execute(oms_status.update().where(oms_status.c.due_at.is_not(None)).values(due_at=PAST))


def imported(shop: ThreadedSandbox, make: Make, number: int) -> Engine:
    shop.offer([order(n) for n in range(1, number + 1)])
    engine = make()
    engine.run("first")
    return engine


def happen(shop: ThreadedSandbox, number: int, **wish: Any) -> None:
    shop.post("/_shopatron/change", {"order": f"1-CS{number}", **wish})


def readings(engine: Engine) -> dict[str, str]:
    found = {}
    for source_id in engine.states():
        status = engine.ledger.oms_statuses.of(engine.ledger.queries.find(source_id)[0]["id"])
        found[source_id] = status.reading if status else ""
    return found


def parcels(engine: Engine) -> dict[str, list[str]]:
    """Tracking numbers of counted parcels by order."""
    found: dict[str, list[str]] = {}
    for source_id in engine.states():
        rows = engine.ledger.shipments.of_order(engine.ledger.queries.find(source_id)[0]["id"])
        found[source_id] = [row["tracking_number"] for row in rows if not row["asks"] and not row["closed"]]
    return found


def fates(shop: ThreadedSandbox) -> None:
    happen(shop, 2, ship={"tracking": "T2"})
    happen(shop, 3, ship={"tracking": "T3", "items": {"0": 1}})
    happen(shop, 4, cancel=True)
    happen(shop, 5, cancel_items=[0])
    happen(shop, 6, status="CUSTOMER CARE")
    happen(shop, 7, status="BACKORDER")


FATES = {"1": "open", "2": "shipped", "3": "partly_shipped", "4": "cancelled", "5": "partly_cancelled"}
PARCELS = {**{source_id: [] for source_id in "14567"}, "2": ["T2"], "3": ["T3"]}
FATES |= {"6": "unknown", "7": "open"}


def test_every_fate_is_read_recorded_once_and_asked_about_until_it_is_final(shop: ThreadedSandbox, make: Make) -> None:
    engine = imported(shop, make, 7)
    fates(shop)
    assert engine.ask_oms() == {"asked": 7, "changed": 7, "cancelled": 1, "parcels": 2}
    assert readings(engine) == FATES
    assert parcels(engine) == PARCELS
    rows = {source_id: engine.ledger.queries.find(source_id)[0] for source_id in FATES}
    assert {source_id: row["shipped"] for source_id, row in rows.items() if row["shipped"]} == {
        "2": "shipped",
        "3": "partly",
    }
    assert [source_id for source_id, row in rows.items() if row["cancelled_at"]] == ["4"]
    now = datetime.now(UTC)
    window = engine.ledger.feed_index.modified_between(now - HOUR, now + HOUR, entered=State.IMPORTED)
    assert {found.work.source_id: found.oms_reading for found in window.orders} == FATES
    assert engine.ask_oms() == {}
    waits_pass(engine)
    assert engine.ask_oms() == {"asked": 5}, "without the finished ones, and nothing new"
    happen(shop, 3, ship={"tracking": "T3b"})
    waits_pass(engine)
    assert engine.ask_oms(most_orders=3)["asked"] == 3
    assert engine.ask_oms()["asked"] == 2
    assert readings(engine)["3"] == "shipped"
    assert parcels(engine)["3"] == ["T3", "T3b"]
    assert engine.ledger.accounting.invariant_violations() == []


def test_a_parcel_that_was_reported_before_is_the_same_one(shop: ThreadedSandbox, make: Make) -> None:
    engine = imported(shop, make, 1)
    lines = (ShippedLine(2, item_number="BEL"), ShippedLine(1, item_number="LAMP"))
    notice = Shipment("shiprush", "k", ("1-CS1",), tracking_number="t 2", lines=lines)
    assert record_shipment(engine.ledger, archive(engine), "shiprush", notice).outcome == "recorded"
    happen(shop, 1, ship={"tracking": "T2"})
    assert engine.ask_oms() == {"asked": 1, "changed": 1}
    assert parcels(engine) == {"1": ["t 2"]}


def test_one_unreadable_order_concerns_that_order_only(shop: ThreadedSandbox, make: Make) -> None:
    engine = imported(shop, make, 3)
    fates_of = {"shopatron": {"faults": [{"at": "order", "answer": 404, "orders": ["1-CS2"]}]}}
    shop.change(fates_of)
    assert engine.ask_oms() == {"asked": 3, "changed": 2, "unanswered": 1}
    assert readings(engine) == {"1": "open", "2": "", "3": "open"}
    (task,) = engine.ledger.oms_status_counts.needing_operator(PIPELINE, timedelta(0))
    assert task.orders == ("1-CS2",)
    shop.change({"shopatron": {"faults": []}})
    waits_pass(engine)
    assert engine.ask_oms()["asked"] == 3
    assert readings(engine)["2"] == "open"


LIES: tuple[dict[str, Any], ...] = (
    {"detail_answers": "other"},
    {"detail_answers": "other", "order_carries_external_id": False, "order_carries_manufacturer": False},
    {"shipment_search": "ignored", "shipments_carry_order": False},
    {"shipment_search": "ignored"},
)


def test_an_answer_about_another_order_is_not_believed(shop: ThreadedSandbox, make: Make) -> None:
    engine = imported(shop, make, 2)
    happen(shop, 2, ship={"tracking": "T2"}, cancel=True)
    for lie in LIES[:2]:
        shop.change({"shopatron": lie})
        waits_pass(engine)
        assert engine.ask_oms()["unanswered"] == 2
        assert readings(engine) == {"1": "", "2": ""}
    for lie in LIES[2:]:
        shop.change({"shopatron": {"detail_answers": "asked", **lie}})
        waits_pass(engine)
        engine.ask_oms()
        assert parcels(engine)["1"] == []
    assert readings(engine) == {"1": "open", "2": "cancelled"}
    assert engine.ledger.queries.find("1")[0]["cancelled_at"] is None


def test_lying_searches_cancel_nothing(shop: ThreadedSandbox, make: Make) -> None:
    engine = imported(shop, make, 2)
    shop.change({"shopatron": {"search_snapshot": 0, "no_match": "empty_body", "shipment_search": "error"}})
    happen(shop, 1, ship={})
    engine.ask_oms()
    assert readings(engine) == {"1": "shipped", "2": "open"}
    waits_pass(engine)
    shop.change({"shopatron": {"shipment_search": "by_order"}})
    assert engine.ask_oms()["parcels"] == 1, "not finished before its parcels are known"


def test_a_throttle_ends_the_run_and_the_next_one_continues(shop: ThreadedSandbox, make: Make) -> None:
    engine = imported(shop, make, 4)
    answer = {"at": "order", "answer": "throttle_429", "retry_after_s": 3600.0, "orders": ["1-CS3"]}
    shop.change({"shopatron": {"faults": [answer]}})
    first = engine.ask_oms(parallel=1)
    assert first == {"asked": 2, "changed": 2, "throttled": 1}
    shop.change({"shopatron": {"faults": []}})
    assert engine.ask_oms() == {"asked": 2, "changed": 2}


def test_an_oms_that_is_down_counts_against_no_order(shop: ThreadedSandbox, make: Make) -> None:
    engine = imported(shop, make, 6)
    shop.change({"shopatron": {"faults": [{"at": "order", "answer": 503}]}})
    with pytest.raises(TransientError, match="did not answer 6 questions"):
        engine.ask_oms()
    assert engine.ledger.oms_status_counts.needing_operator(PIPELINE, timedelta(0)) == []
    shop.change({"shopatron": {"faults": [{"at": "order", "answer": "bad_key"}]}})
    with pytest.raises(ConfigurationError, match="credentials"):
        engine.ask_oms()
    shop.change({"shopatron": {"faults": []}})
    assert engine.ask_oms() == {"asked": 6, "changed": 6}


def test_a_run_killed_at_any_point_is_completed_by_the_next_one(shop: ThreadedSandbox, make: Make) -> None:
    engine = imported(shop, make, 7)
    fates(shop)
    place = 0
    while killed_at(place, engine.ask_oms):
        place += 1
    assert place >= 4
    assert readings(engine) == FATES
    assert parcels(engine) == PARCELS
    for source_id in FATES:
        events = engine.ledger.queries.find(source_id)[0]["events"]
        assert [event["who"] for event in events].count("oms") == 1, "each change once"
    assert engine.ledger.accounting.invariant_violations() == []
