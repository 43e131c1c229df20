"""Counts of today against earlier weeks, and of each day: what enters them, and how they are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from order_relay.errors import ValidationIssue
from order_relay.ledger.reporting.trends import SoFar
from order_relay.ledger.schema.order_counts import order_count
from order_relay.orders.fulfilment.shipment_progress import OrderedLine, Shipment, ShippedLine
from order_relay.orders.messages import SendOutcome
from tests.support.offers import offer

NAME = "shop_to_oms"
NOW = datetime(2026, 11, 26, 10, 30, tzinfo=UTC)  # a Thursday
BAD = [ValidationIssue("bad", "/x", "is wrong")]


def counted(driver, *rows):
    """Write counts (moment, kind, n) of the past, in place of those that the test's orders made."""
    values = [
        {"pipeline": NAME, "day": at.date().isoformat(), "hour": at.hour, "kind": kind, "reason": "", "n": n}
        for at, kind, n in rows
    ]
    driver.ledger.database.write(lambda tx: tx.many(order_count.insert(), values))


def uncounted(driver):
    """Remove the written counts, which belong to no orders."""
    driver.ledger.accounting.recount()


def bound_since(driver, at):
    statement = sa.text("UPDATE pipeline SET bound_at = :at").bindparams(sa.bindparam("at", at, sa.DateTime(True)))
    driver.ledger.database.write(lambda tx: tx.run(statement))


def today_of(driver):
    return driver.ledger.trends.daily([NAME], datetime.now(UTC))[-1]


def test_today_is_compared_with_the_same_time_of_the_same_weekday(driver):
    bound_since(driver, NOW - timedelta(days=300))
    weeks = [NOW - timedelta(weeks=n) for n in range(1, 5)]
    counted(
        driver,
        (NOW.replace(hour=9), "received", 7),
        (NOW.replace(hour=10), "received", 1),
        (NOW - timedelta(days=1), "received", 500),
        *((week.replace(hour=3), "received", 4) for week in weeks),
        *((week.replace(hour=10), "received", 2) for week in weeks),  # half of this hour has passed
        *((week.replace(hour=11), "received", 90) for week in weeks),
    )
    found = driver.ledger.trends.today([NAME], NOW)
    assert found["received"] == SoFar(today=8, usual=5.0, weeks=4)
    assert found["shipped"] == SoFar(today=0, usual=0.0, weeks=4)
    assert driver.ledger.trends.today(["other"], NOW)["received"] == SoFar(0, None, 0)
    uncounted(driver)


def test_weeks_before_the_first_run_are_not_compared(driver):
    bound_since(driver, NOW - timedelta(weeks=2, days=1))
    counted(driver, (NOW - timedelta(weeks=1, hours=1), "imported", 3))
    assert driver.ledger.trends.today([NAME], NOW)["imported"] == SoFar(today=0, usual=1.5, weeks=2)
    bound_since(driver, NOW)
    assert driver.ledger.trends.today([NAME], NOW)["imported"].usual is None
    uncounted(driver)


def test_each_day_is_listed_also_without_orders(driver):
    days = driver.ledger.trends.daily([NAME], datetime.now(UTC) - timedelta(days=29))
    assert len(days) == 30
    assert days[-1].day == datetime.now(UTC).date()
    assert {day.assisted_share for day in days} == {None}


def test_an_order_counts_where_it_stopped_and_whether_an_operator_was_needed(driver):
    driver.imported("1")
    driver.receive(offer("2"), offer("3"), offer("4"))
    works = [driver.work(number) for number in "234"]
    driver.ledger.validation.quarantine(driver.ctx, [(work, BAD) for work in works])
    driver.ledger.bulk.discard(driver.ctx, [works[0].id], "not ours")
    driver.ledger.bulk.replay(driver.ctx, [works[1].id], "fixed")
    driver.make_ready(*driver.resolve())
    driver.claim(works[1].id)
    driver.settle(works[1].id, SendOutcome.IMPORTED, status=201, oms_id="OMS-3")
    driver.in_doubt("5")
    driver.ledger.decisions.settle_in_doubt("N-5", "OMS-5", "seen in the OMS", "ann")
    found = today_of(driver)
    assert dict(found.entered) == {
        "received": 5, "imported": 3, "quarantined": 3, "discarded": 1, "in_doubt": 1,
    }  # fmt: skip
    assert found.assisted == 3
    assert found.assisted_share == pytest.approx(3 / 4)


def test_a_version_that_arrives_held_is_counted(driver):
    driver.imported("1")
    driver.receive(offer("1", content_hash="changed"))
    assert driver.row("1", 2)["state"] == "held"
    assert today_of(driver).entered["held"] == 1


def test_an_order_is_shipped_once_all_its_lines_have_left(driver):
    number = driver.imported("1")
    ordered = [OrderedLine("1", "A", 2)]

    def parcel(key, quantity, **more):
        lines = (ShippedLine(quantity, item_number="A"),)
        notice = Shipment("wms", key, (), submission_id=number, lines=lines, tracking_number=f"1Z{key}", **more)
        return driver.ledger.shipments.record(driver.ctx, notice, ordered)

    parcel("10", 1)
    assert today_of(driver).entered["shipped"] == 0
    parcel("20", 1)
    parcel("30", 1)
    assert today_of(driver).entered["shipped"] == 1


@pytest.mark.parametrize(("minutes", "within"), [(0, 60), (1, 120), (11, 720), (59, 3_600), (60, 4_500)])
def test_the_time_from_submission_to_import(driver, minutes, within):
    driver.receive(offer("1"))
    (work,) = driver.resolve()
    submitted = datetime.now(UTC) - timedelta(minutes=minutes, seconds=1)
    driver.ledger.payloads.make_ready(driver.ctx, [driver.ready_of(work, submitted_at=submitted)])
    driver.claim(work.id)
    driver.settle(work.id, SendOutcome.IMPORTED, status=201, oms_id="OMS-1")
    assert today_of(driver).import_times == {within: 1}


def test_without_a_time_of_submission_an_order_counts_from_its_first_offer(driver):
    driver.receive(offer("1"), fetched_at=datetime.now(UTC) - timedelta(hours=5, minutes=30))
    driver.make_ready(*driver.resolve())
    driver.claim(driver.work("1").id)
    driver.settle(driver.work("1").id, SendOutcome.IMPORTED, status=201, oms_id="OMS-1")
    assert today_of(driver).import_times == {6 * 3_600: 1}
