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


def answered(clerk, *answers, most=3, to=None):
    clerk.ledger.offline_orders.record_answers(clerk.ctx, answers, most, to=to)


def time_passes(clerk):
    with clerk.ledger.database.engine.begin() as conn:
        conn.execute(offline_mark.update().where(offline_mark.c.due_at.is_not(None)).values(due_at=offline_mark.c.at))


def test_the_watermark_moves_forward_only(clerk):
    assert clerk.ledger.offline_orders.watermark(NAME) is None
    for to in (NOW, NOW - timedelta(days=1), None):
        answered(clerk, to=to)
        assert clerk.ledger.offline_orders.watermark(NAME) == NOW
    answered(clerk, to=NOW + timedelta(hours=1))
    assert clerk.ledger.offline_orders.watermark(NAME) == NOW + timedelta(hours=1)


def test_what_is_refused_is_tried_again_later_and_ends_as_a_task(clerk):
    for number in range(3):
        answered(clerk, ("1", NO), ("2", YES))
        assert clerk.ledger.offline_orders.pending(NAME) == {"1": False}
        time_passes(clerk)
        assert clerk.ledger.offline_orders.pending(NAME) == {"1": number < 2}
    assert [(row["source_id"], row["step"], row["tries"]) for row in clerk.ledger.write_back_tasks.failed(NAME)] == [
        ("1", "offline_sent", 3)
    ]
    assert [late.orders for late in clerk.ledger.write_back_tasks.pending(NAME)] == [("1",)]


def test_an_outage_takes_longer_to_end_it(clerk):
    for _ in range(MAX_TRIES - 1):
        answered(clerk, ("1", PASSING), most=1)
    assert clerk.ledger.write_back_tasks.failed(NAME) == []
    answered(clerk, ("1", PASSING), most=1)
    assert len(clerk.ledger.write_back_tasks.failed(NAME)) == 1


def test_an_operator_has_it_tried_again_or_lets_it_be(clerk):
    answered(clerk, ("1", NO), ("2", NO), most=1)
    assert clerk.ledger.write_back_tasks.decide_failed(clerk.ctx, "1", "corrected", retry=True) == 1
    assert clerk.ledger.write_back_tasks.decide_failed(clerk.ctx, "2", "not needed", retry=False) == 1
    assert clerk.ledger.offline_orders.pending(NAME) == {"1": True, "2": False}
    answered(clerk, ("1", YES))
    assert clerk.ledger.offline_orders.pending(NAME) == {"2": False}
    assert clerk.ledger.write_back_tasks.failed(NAME) == []
