"""Offline orders that are to be marked as sent: a watermark of their own, growing distances, an end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from order_relay.ledger.schema.write_back_tables import offline_mark
from order_relay.ledger.write_back.offline_orders import MAX_TRIES
from order_relay.orders.messages import Acknowledgement

NAME = "shop_to_oms"
YES, NO = Acknowledgement(True), Acknowledgement(False, "refused")
PASSING = Acknowledgement(False, "HTTP 503", passing=True)
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def decide(driver, number, reason, *, retry):
    failed = [row for row in driver.ledger.write_back_tasks.failed(NAME) if row["order_number"] == number]
    return driver.ledger.write_back_tasks.decide_failed("tester", failed, reason, retry=retry)


def answered(driver, *answers, most=3, to=None):
    driver.ledger.offline_orders.record_answers(driver.ctx, answers, most, to=to)


def time_passes(driver):
    with driver.ledger.database.engine.begin() as conn:
        conn.execute(offline_mark.update().where(offline_mark.c.due_at.is_not(None)).values(due_at=offline_mark.c.at))


def test_the_watermark_moves_forward_only(driver):
    assert driver.ledger.offline_orders.watermark(NAME) is None
    for to in (NOW, NOW - timedelta(days=1), None):
        answered(driver, to=to)
        assert driver.ledger.offline_orders.watermark(NAME) == NOW
    answered(driver, to=NOW + timedelta(hours=1))
    assert driver.ledger.offline_orders.watermark(NAME) == NOW + timedelta(hours=1)


def test_what_is_refused_is_tried_again_later_and_ends_as_a_task(driver):
    for number in range(3):
        answered(driver, ("1", NO), ("2", YES))
        assert driver.ledger.offline_orders.pending(NAME) == {"1": False}
        time_passes(driver)
        assert driver.ledger.offline_orders.pending(NAME) == {"1": number < 2}
    assert [(row["source_id"], row["step"], row["tries"]) for row in driver.ledger.write_back_tasks.failed(NAME)] == [
        ("1", "offline_sent", 3)
    ]
    assert [late.orders for late in driver.ledger.write_back_tasks.pending(NAME)] == [("1",)]


def test_an_outage_takes_longer_to_end_it(driver):
    for _ in range(MAX_TRIES - 1):
        answered(driver, ("1", PASSING), most=1)
    assert driver.ledger.write_back_tasks.failed(NAME) == []
    answered(driver, ("1", PASSING), most=1)
    assert len(driver.ledger.write_back_tasks.failed(NAME)) == 1


def test_an_operator_has_it_tried_again_or_lets_it_be(driver):
    answered(driver, ("1", NO), ("2", NO), most=1)
    assert decide(driver, "1", "corrected", retry=True) == 1
    assert decide(driver, "2", "not needed", retry=False) == 1
    assert driver.ledger.offline_orders.pending(NAME) == {"1": True, "2": False}
    answered(driver, ("1", YES))
    assert driver.ledger.offline_orders.pending(NAME) == {"2": False}
    assert driver.ledger.write_back_tasks.failed(NAME) == []
