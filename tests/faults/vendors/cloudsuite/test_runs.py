"""Whole runs of the web shop's pipeline against the simulated shop: payments that come late, hours without a run,
backfills beside each other, and what the shop hears afterwards."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest

from order_relay.errors import OrderRelayError
from order_relay.ledger import Ledger
from order_relay.ledger.schema.tables import submission
from order_relay.orders.fulfilment.shipment_progress import ShippedLine
from order_relay.pipeline.runs.fetch_plan import plan_interval
from order_relay_sandbox import ThreadedSandbox
from tests.support.engine import Engine
from tests.support.faults.web_shop import NOTHING, NOW, Make, clean, feedback, feedback_of, order, ship


def asks_come_due(engine: Engine) -> None:
    """However long the runs took, the time of the next question about waiting orders has come."""
    with engine.ledger.database.engine.begin() as conn:
        waits = submission.c.due_at.is_not(None)
        conn.execute(submission.update().where(waits).values(due_at=submission.c.first_offered_at))


@pytest.mark.parametrize("status", ["started", "closed_canceled"])
def test_an_order_that_is_paid_days_after_it_was_confirmed_is_imported(
    shop: ThreadedSandbox, make: Make, status: str
) -> None:
    old = NOW - timedelta(days=5)
    shop.offer([order(1, confirmed=old, payment_status=status), order(2, confirmed=old)])
    engine = make()
    engine.run("on-the-first-day")
    assert engine.states() == {"1": "waiting", "2": "imported"}
    assert engine.wiring.settings.reading.overlap_s < timedelta(days=5).total_seconds(), "it left every window"
    asks_come_due(engine)
    engine.run("still-open")
    assert engine.states()["1"] == "waiting"
    asks_come_due(engine)
    shop.change_order("1-CS1", payment_status="paid")
    engine.run("five-days-later")
    assert engine.states() == {"1": "imported", "2": "imported"}
    assert feedback_of(shop, "1-CS1")["state"] == "processing"
    assert clean(shop) == NOTHING


def test_what_the_shop_cancels_before_it_is_paid_is_never_sent(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(1, payment_status="started")])
    engine = make()
    engine.run("first")
    shop.change_order("1-CS1", state="cancel")
    engine.run("second")
    assert engine.ledger.queries.find("1")[0]["reason"] == "gate:state=cancel"
    shop.change_order("1-CS1", payment_status="paid")
    engine.run("third")
    assert engine.states() == {"1": "waiting"}
    shop.change_order("1-CS1", state="confirmed")
    engine.run("fourth")
    assert engine.states() == {"1": "imported"}, "the shop lists it again"
    assert clean(shop) == NOTHING


def requests(shop: ThreadedSandbox) -> dict[str, int]:
    """Requests so far that write something, by route, without those for tokens."""
    counted = shop.report()["requests"].items()
    writes = {route: sum(by_status.values()) for route, by_status in counted if not route.startswith("GET ")}
    return {route: number for route, number in writes.items() if "token" not in route}


def test_a_second_run_over_the_same_window_sends_and_acknowledges_nothing(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(n) for n in range(1, 6)])
    engine = make(states="confirmed, processing")  # acknowledged orders stay in the window
    engine.run("first")
    assert {feedback_of(shop, f"1-CS{n}")["state"] for n in range(1, 6)} == {"processing"}
    written, read = requests(shop), shop.report()["requests"]
    second = engine.run("second")
    assert (second.breaches, requests(shop)) == ([], written)
    details = "GET /api/order/{id}/"
    again = shop.report()["requests"][details]["200"] - read[details]["200"]
    assert again == 5, "each order is read once; none is read to be acknowledged"
    shop.change_order("1-CS3", order_lines=[order(3)["order_lines"][0]])
    third = engine.run("third")
    assert (third.breaches, requests(shop)) == ([], written)
    assert [(row["source_id"], row["reason"]) for row in engine.ledger.queries.held()] == [
        ("3", "changed_after_import")
    ]
    assert clean(shop) == NOTHING


def test_hours_without_a_run_lose_nothing(shop: ThreadedSandbox, make: Make) -> None:
    engine = make()
    engine.run("before")
    shop.offer([order(n, confirmed=NOW - timedelta(minutes=20 * n)) for n in range(1, 10)])
    engine.run("three-hours-later")
    assert set(engine.states().values()) == {"imported"}
    assert len(engine.states()) == 9
    assert clean(shop) == NOTHING


def test_hourly_backfills_run_repeatedly_and_concurrently(shop: ThreadedSandbox, make: Make) -> None:
    """Over one day; over three where ``ORDER_RELAY_LONG`` is set."""
    number = 72 if os.environ.get("ORDER_RELAY_LONG") else 24
    start = (NOW - timedelta(hours=number)).replace(minute=0, second=0, microsecond=0)
    hours = [start + timedelta(hours=n) for n in range(number)]
    shop.offer([order(n, confirmed=hours[n % number] + timedelta(minutes=n % 60)) for n in range(1, 2 * number + 1)])

    def backfill(worker: int) -> list[str]:
        engine, failures = make(alone=False), []
        for number, hour in enumerate(hours[worker % 2 :: 2]):
            name = f"backfill-{worker}-{number}"
            try:
                engine.run(name, reading=plan_interval(hour, hour + timedelta(hours=1)))
            except OrderRelayError as error:
                failures.append(f"{name}: {error}")
        with suppress(OrderRelayError):
            feedback(engine, f"feedback-{worker}", given_up_s=900.0)
        return failures

    with ThreadPoolExecutor(4) as pool:
        failures = [text for reported in pool.map(backfill, range(4)) for text in reported]
    assert failures == []
    engine = make()
    feedback(engine, given_up_s=900.0)
    assert len(engine.states()) == 2 * number
    assert set(engine.states().values()) == {"imported"}
    assert clean(shop) == NOTHING
    reported = shop.report()["cloudsuite"]["feedback"]
    assert {(one["state"], one["is_oms_id"]) for one in reported.values()} == {("processing", True)}


def test_the_shop_hears_step_by_step_what_became_of_an_order(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(1), order(2)])
    engine = make()
    engine.run("first")
    assert feedback(engine) == {"oms_number_told": 2, "line_numbers_told": 2}
    reported = feedback_of(shop, "1-CS1")
    assert (reported["state"], reported["is_oms_id"], reported["shipment_state"]) == ("processing", True, None)
    assert reported["line_numbers"] == [1, 2]
    ship(engine, "1-CS1", "T1", ShippedLine(2, item_number="BEL"))
    assert feedback(engine) == {}, "half of it is on its way"
    ship(engine, "1-CS1", "T2", ShippedLine(1, item_number="LAMP"))
    assert feedback(engine) == {"shipped_told": 1}
    assert feedback_of(shop, "1-CS1")["shipment_state"] == "sent"
    assert feedback_of(shop, "1-CS2")["shipment_state"] is None
    assert feedback(engine) == {}
    assert clean(shop) == NOTHING


def test_each_delivery_is_a_message_of_its_own(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(1)])
    engine = make(shipped_by="desadv", desadv_shop=1, desadv_user=1)
    engine.run("first")
    ship(engine, "1-CS1", "T1", ShippedLine(2, item_number="BEL"))
    assert feedback(engine) == {"oms_number_told": 1, "line_numbers_told": 1, "shipped_told": 1}
    ship(engine, "1-CS1", "T2", ShippedLine(1, item_number="LAMP"))
    assert feedback(engine) == {"shipped_told": 1}
    reported = feedback_of(shop, "1-CS1")
    assert len(reported["deliveries"]) == 2
    assert clean(shop) == NOTHING


def test_a_delivery_with_a_lost_answer_is_not_repeated(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(1)])
    engine = make(shipped_by="desadv", desadv_shop=1, desadv_user=1, timeout_s=1)
    engine.run("first")
    feedback(engine)
    ship(engine, "1-CS1", "T1")
    shop.change({"cloudsuite": {"faults": [{"at": "delivery", "effect": "done", "answer": "cut", "first": 1}]}})
    assert feedback(engine)["shipped_unknown"] >= 1
    shop.change({"cloudsuite": {"faults": []}})
    feedback(engine)
    assert len(feedback_of(shop, "1-CS1")["deliveries"]) == 1
    assert feedback(engine) == {}


def test_a_refused_step_is_retried_later_and_the_others_continue(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(1), order(2)])
    engine = make()
    engine.run("first")
    shop.change({"cloudsuite": {"faults": [{"at": "patch", "effect": "none", "answer": 400, "orders": ["1-CS1"]}]}})
    assert feedback(engine) == {"oms_number_told": 1, "oms_number_refused": 1, "line_numbers_told": 1}
    shop.change({"cloudsuite": {"faults": []}})
    assert feedback(engine) == {}, "not yet"
    _let_the_wait_pass(engine.ledger)
    assert feedback(engine) == {"oms_number_told": 1, "line_numbers_told": 1}
    assert clean(shop) == NOTHING


def test_a_repeat_after_a_lost_answer_changes_nothing(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(1)])
    engine = make(timeout_s=1)
    engine.run("first")
    shop.change({"cloudsuite": {"faults": [{"at": "patch", "effect": "done", "answer": "cut", "times": 1}]}})
    assert feedback(engine)["oms_number_unknown"] >= 1
    shop.change({"cloudsuite": {"faults": []}})
    feedback(engine)
    reported = feedback_of(shop, "1-CS1")
    assert (reported["is_oms_id"], reported["line_numbers"], reported["state"]) == (True, [1, 2], "processing")
    assert clean(shop)[:4] == NOTHING[:4]


def _let_the_wait_pass(ledger: Ledger) -> None:
    from order_relay.ledger.schema.write_back_tables import feedback as table

    with ledger.database.engine.begin() as conn:
        conn.execute(table.update().values(due_at=table.c.at))
