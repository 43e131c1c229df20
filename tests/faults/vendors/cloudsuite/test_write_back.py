"""What the shop is told: never of an order that it has cancelled, never without end, and of offline orders after any
pause."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from order_relay.errors import ConfigurationError
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.write_back_tables import feedback as table
from order_relay.ledger.schema.write_back_tables import offline_mark
from order_relay.orders.fulfilment.oms_order import AskingPace, OmsOrder, OmsReading
from order_relay.orders.messages import RunContext
from order_relay.orders.review.choices import AT_OMS, REINSTATED
from order_relay.pipeline.fulfilment.cancelled_orders import mark_offline_orders, record_cancellations
from order_relay.pipeline.fulfilment.write_back import WriteBackContext, send_write_back
from order_relay.pipeline.runs.start import start_run
from order_relay_sandbox import ThreadedSandbox
from tests.support.engine import Engine
from tests.support.faults.web_shop import NOW, PIPELINE, Make, archive, feedback, feedback_of, order, ship

CTX = RunContext(PIPELINE, "feedback", "tester")


def parts(engine: Engine, **more: Any) -> WriteBackContext:
    wiring = engine.wiring
    return WriteBackContext(
        wiring.write_back_source,
        engine.ledger,
        archive(engine),
        wiring.source_connection.fingerprint(),
        given_up_s=0.0,
        **more,
    )


def waits_pass(engine: Engine) -> None:
    with engine.ledger.database.engine.begin() as conn:
        conn.execute(table.update().where(table.c.state == "refused").values(due_at=table.c.at))
        conn.execute(offline_mark.update().where(offline_mark.c.state == "refused").values(due_at=offline_mark.c.at))


def decide(engine: Engine, number: str, choice: str, reason: str) -> None:
    tasks = [one for one in engine.ledger.cancellations.unsettled(PIPELINE) if one["order_number"] == number]
    engine.ledger.cancellations.decide({one["id"]: one["revision"] for one in tasks}, choice, reason, "tester")


def retry_or_give_up(engine: Engine, reason: str, *, retry: bool) -> int:
    failed = engine.ledger.write_back_tasks.failed(PIPELINE)
    return engine.ledger.write_back_tasks.decide_failed("tester", failed, reason, retry=retry)


def failing(shop: ThreadedSandbox, answer: int, *keys: str) -> None:
    rules = [{"at": "patch", "effect": "none", "answer": answer, "orders": [key]} for key in keys]
    shop.change({"cloudsuite": {"faults": rules}})


def test_sent_is_never_written_on_an_order_that_the_shop_cancelled(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(1), order(2)])
    engine = make()
    engine.run("first")
    feedback(engine)
    shop.change_order("1-CS1", state="cancel")
    for number in ("1", "2"):
        ship(engine, f"1-CS{number}", f"T{number}")
    assert feedback(engine) == {"shipped_cancelled": 1, "shipped_told": 1}
    assert feedback_of(shop, "1-CS1")["shipment_state"] is None
    assert feedback_of(shop, "1-CS2")["shipment_state"] == "sent"
    waits_pass(engine)
    assert feedback(engine) == {}, "no feedback is sent again"
    [task] = engine.ledger.cancellations.unsettled(PIPELINE)
    assert task["order_number"] == "1-CS1"
    assert [late.state for late in engine.ledger.write_back_tasks.pending(PIPELINE)] == ["cancelled"]


def test_a_cancellation_is_noticed_before_anything_is_shipped_and_reaches_the_feed(
    shop: ThreadedSandbox, make: Make
) -> None:
    shop.offer([order(1), order(2)])
    engine = make()
    engine.run("first")
    shop.change_order("1-CS1", state="cancel")
    assert record_cancellations(CTX, parts(engine), 30) == 1
    assert record_cancellations(CTX, parts(engine), 30) == 0, "once"
    window = engine.ledger.feed_index.modified_between(
        NOW - timedelta(days=1),
        NOW + timedelta(days=1),
        entered=State.IMPORTED,
        pipelines=[PIPELINE],
    )
    shown = {found.work.source_id: found.cancelled for found in window.orders}
    assert shown == {"1": True, "2": False}
    result = engine.run("second")
    assert "1 order was cancelled in the shop after the import" in result.text
    assert result.breaches == []
    assert feedback(engine) == {"oms_number_told": 1, "line_numbers_told": 1}, "of the other one only"


def test_an_order_cancelled_between_import_and_take_over_is_a_task_and_not_repeated(
    shop: ThreadedSandbox, make: Make
) -> None:
    shop.offer([order(1)])
    engine = make()
    failing(shop, 400, "1-CS1")
    engine.run("first")
    shop.change({"cloudsuite": {"faults": []}})
    shop.change_order("1-CS1", state="cancel")
    engine.run("second")
    assert [task["source_id"] for task in engine.ledger.cancellations.unsettled(PIPELINE)] == ["1"]
    assert engine.ledger.acknowledgements.due(PIPELINE) == []


def made_ready(engine: Engine, run: str = "first") -> None:
    """A run that ends before anything is sent."""
    ctx, wiring = RunContext(PIPELINE, run), engine.wiring
    start_run(ctx, engine.ledger, wiring.store, (wiring.source.account, wiring.destination.account))
    engine.prepare(ctx, engine.extract(ctx))


def test_a_ready_order_that_the_shop_cancels_before_it_is_sent_is_not_sent(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(1), order(2)])
    engine = make()
    made_ready(engine)
    assert engine.states() == {"1": "ready", "2": "ready"}
    shop.change_order("1-CS1", state="cancel")
    for number in range(3):
        engine.run(f"run-{number}")
    [row] = engine.ledger.queries.find("1")
    assert (row["state"], row["reason"]) == ("waiting", "gate:state=cancel")
    assert engine.states()["2"] == "imported"
    assert set(shop.report()["orders"]) == {"1-CS2"}
    events = len(row["events"])
    engine.run("another")
    assert len(engine.ledger.queries.find("1")[0]["events"]) == events, "nothing new, no event"
    shop.change_order("1-CS1", state="confirmed")
    engine.run("confirmed-again")
    assert engine.states() == {"1": "imported", "2": "imported"}


def test_a_take_over_that_the_shop_always_refuses_ends_as_a_task(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(1), order(2)])
    engine = make()
    failing(shop, 400, "1-CS1")
    for number in range(10):
        engine.run(f"run-{number}")
        waits_pass(engine)
    [row] = engine.ledger.write_back_tasks.failed(PIPELINE)
    assert (row["order_number"], row["step"], row["tries"]) == ("1-CS1", "take_over", 5)
    assert "refused by the source" in engine.run("another").text
    shop.change({"cloudsuite": {"faults": []}})
    engine.run("not-again")
    assert "1-CS1" not in shop.report()["cloudsuite"]["feedback"], "no feedback is sent again"
    retry_or_give_up(engine, "corrected in the shop", retry=True)
    engine.run("again")
    assert engine.ledger.write_back_tasks.failed(PIPELINE) == []
    assert feedback_of(shop, "1-CS1")["state"] == "processing"


def test_an_operator_settles_a_cancellation_or_takes_it_back(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(1), order(2)])
    engine = make()
    engine.run("first")
    for key in ("1-CS1", "1-CS2"):
        shop.change_order(key, state="cancel")
    record_cancellations(CTX, parts(engine), 30)
    decide(engine, "1-CS1", AT_OMS, "cancelled by phone")
    shop.change_order("1-CS2", state="processing")
    decide(engine, "1-CS2", REINSTATED, "a mistake of the shop")
    assert engine.ledger.cancellations.unsettled(PIPELINE) == []
    assert feedback(engine) == {"oms_number_told": 1, "line_numbers_told": 1}


@pytest.mark.parametrize(("reported", "state"), [(True, "cancel"), (False, "processing")])
def test_what_the_oms_cancelled_is_cancelled_in_the_shop_if_its_setting_is_on(
    shop: ThreadedSandbox, make: Make, reported: bool, state: str
) -> None:
    shop.offer([order(1), order(2)])
    engine = make(report_cancelled=reported)
    engine.run("first")
    engine.ledger.oms_questions.enrol(PIPELINE, first_days=30)
    [row] = engine.ledger.queries.find("1-CS1")
    answer = {row["id"]: OmsOrder("CANCELED", OmsReading.CANCELLED)}
    engine.ledger.oms_statuses.record(CTX, answer, AskingPace(), NOW - timedelta(days=9))
    ship(engine, "1-CS2", "T2")
    counts = feedback(engine)
    assert (counts["shipped_told"], counts["oms_cancelled_told"]) == (1, 1)
    first, second = feedback_of(shop, "1-CS1"), feedback_of(shop, "1-CS2")
    assert (first["state"], first["shipment_state"]) == (state, None)
    assert (second["state"], second["shipment_state"]) == ("processing", "sent")
    record_cancellations(CTX, parts(engine), 30)
    assert engine.ledger.cancellations.unsettled(PIPELINE) == []


def test_an_order_that_the_shop_counts_as_sent_is_not_cancelled(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(1)])
    engine = make(report_cancelled=True)
    engine.run("first")
    shop.change_order("1-CS1", shipment_state="sent")
    answer = engine.wiring.write_back_source.mark_cancelled("1")
    assert (answer.accepted, "sent" in answer.message) == (False, True)
    assert feedback_of(shop, "1-CS1")["state"] == "processing"


def test_a_step_that_the_shop_always_refuses_ends_and_an_operator_may_retry_it(
    shop: ThreadedSandbox, make: Make
) -> None:
    shop.offer([order(1)])
    engine = make()
    engine.run("first")
    failing(shop, 400, "1-CS1")
    counts = []
    for _ in range(12):
        counts.append(send_write_back(CTX, parts(engine, most_refusals=3)))
        waits_pass(engine)
    assert counts == [{"oms_number_refused": 1}] * 3 + [{}] * 9
    [row] = engine.ledger.write_back_tasks.failed(PIPELINE)
    assert (row["order_number"], row["step"], row["tries"]) == ("1-CS1", "oms_number", 3)
    assert [late.state for late in engine.ledger.write_back_tasks.pending(PIPELINE)] == ["untold"]
    shop.change({"cloudsuite": {"faults": []}})
    assert retry_or_give_up(engine, "corrected in the shop", retry=True) == 1
    assert feedback(engine) == {"oms_number_told": 1, "line_numbers_told": 1}
    assert engine.ledger.write_back_tasks.pending(PIPELINE) == []


def test_a_shop_that_never_answers_is_not_asked_without_end_and_an_outage_uses_up_no_refusals(
    shop: ThreadedSandbox, make: Make
) -> None:
    shop.offer([order(1)])
    engine = make()
    engine.run("first")
    failing(shop, 500, "1-CS1")
    unknown = 0
    for _ in range(60):
        unknown += send_write_back(CTX, parts(engine, most_refusals=3)).get("oms_number_unknown", 0)
        waits_pass(engine)
    assert 10 < unknown <= 60
    [row] = engine.ledger.write_back_tasks.failed(PIPELINE)
    assert row["tries"] == 20
    assert retry_or_give_up(engine, "nobody needs it", retry=False) == 1
    assert engine.ledger.write_back_tasks.pending(PIPELINE) == []


@pytest.mark.parametrize("way", ["shipment_state", "done"])
def test_without_deliveries_the_import_is_reported_immediately(shop: ThreadedSandbox, make: Make, way: str) -> None:
    shop.offer([order(1)])
    engine = make(shipped_by=way)
    engine.run("first")
    counts = send_write_back(CTX, parts(engine, at_import=True))
    assert counts == {"oms_number_told": 1, "line_numbers_told": 1, "shipped_told": 1}
    seen = feedback_of(shop, "1-CS1")
    assert "sent" in (seen["shipment_state"], "sent" if seen["state"] == "done" else "")
    assert send_write_back(CTX, parts(engine, at_import=True)) == {}


def test_reporting_at_import_excludes_delivery_messages(shop: ThreadedSandbox, make: Make) -> None:
    engine = make(shipped_by="desadv", desadv_shop=1, desadv_user=1)
    with pytest.raises(ConfigurationError, match="done_after: import"):
        send_write_back(CTX, parts(engine, at_import=True))


def test_offline_orders_are_marked_after_any_pause_and_one_that_fails_is_tried_again(
    shop: ThreadedSandbox, make: Make
) -> None:
    engine = make(offline_sent=True)
    engine.run("first")
    clock = [NOW - timedelta(days=4)]

    def mark() -> dict[str, int]:
        return mark_offline_orders(CTX, parts(engine), first_days=1.0, overlap_s=3600.0, now=clock[0])

    assert mark() == {}
    shop.offer([order(n, offline=True, confirmed=NOW - timedelta(days=4 - n)) for n in (1, 2, 3)])
    failing(shop, 400, "1-CS2")
    clock[0] = NOW
    assert mark() == {"offline_sent": 2, "offline_refused": 1}, "the whole pause, whatever the overlap"
    shop.change({"cloudsuite": {"faults": []}})
    assert mark() == {}, "not yet due, and the watermark has passed it"
    waits_pass(engine)
    assert mark() == {"offline_sent": 1}
    assert engine.ledger.write_back_tasks.failed(PIPELINE) == []


def test_a_cancelled_offline_order_is_left_alone_and_one_always_refused_becomes_a_task(
    shop: ThreadedSandbox, make: Make
) -> None:
    shop.offer([order(1, offline=True), order(2, offline=True, state="cancel")])
    engine = make(offline_sent=True)
    engine.run("first")
    failing(shop, 400, "1-CS1", "1-CS2")
    counts = []
    for _ in range(8):
        counts.append(mark_offline_orders(CTX, parts(engine, most_refusals=3), first_days=1.0, overlap_s=0.0))
        waits_pass(engine)
    assert counts == [{"offline_refused": 1}] * 3 + [{}] * 5
    [row] = engine.ledger.write_back_tasks.failed(PIPELINE)
    assert (row["source_id"], row["step"]) == ("1", "offline_sent")
