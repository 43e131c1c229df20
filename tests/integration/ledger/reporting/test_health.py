"""What is late, whether a pipeline lives, and its day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import sqlalchemy as sa

from order_relay.ledger import BatchInfo, SourceHold
from order_relay.ledger.schema.records import LookupFinding
from order_relay.ledger.schema.tables import submission
from tests.support.offers import offer

NAME = "shop_to_oms"
HOUR_S = 3600


def back_date(ledger, table, **columns):
    ledger.database.write(lambda tx: tx.run(sa.update(table).values(**columns)))


def test_late_means_longer_than_its_limit(driver):
    driver.all_ready("1", "2")
    limits = {"ready": HOUR_S, "held": HOUR_S}
    assert driver.ledger.health.overdue(NAME, limits) == []
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    back_date(driver.ledger, submission, changed_at=long_ago)
    (found,) = driver.ledger.health.overdue(NAME, limits)
    assert (found.state, found.number) == ("ready", 2)
    assert abs(found.oldest - long_ago) < timedelta(seconds=1)
    assert len(found.orders) == 2
    assert driver.ledger.health.overdue(NAME, {"ready": 3 * HOUR_S}) == []
    assert driver.ledger.health.overdue("other", limits) == []


def test_an_order_in_doubt_counts_from_its_first_attempt(driver):
    number = driver.in_doubt("1")
    back_date(driver.ledger, submission, first_sent_at=datetime.now(UTC) - timedelta(hours=2))
    driver.look(number, 1, LookupFinding.unclear())
    assert [entry.state for entry in driver.ledger.health.overdue(NAME, {"in_doubt": HOUR_S})] == ["in_doubt"]


def test_an_acknowledgement_that_is_never_confirmed_is_late(driver):
    driver.imported("1")
    back_date(driver.ledger, submission, changed_at=datetime.now(UTC) - timedelta(hours=2))
    (found,) = driver.ledger.health.overdue(NAME, {"acknowledgement": HOUR_S})
    assert (found.state, found.number) == ("acknowledgement", 1)


def test_many_late_orders_are_counted_and_some_are_named(driver):
    driver.all_ready(*map(str, range(1, 41)))
    (found,) = driver.ledger.health.overdue(NAME, {"ready": 0})
    assert (found.number, len(found.orders)) == (40, 20)


def test_signs_of_life(driver):
    assert driver.ledger.health.heartbeat("other") is None
    quiet = driver.ledger.health.heartbeat(NAME)
    assert (quiet.read_at, quiet.order_at, quiet.resting, quiet.last_run) == (None, None, "", {})
    first, second, third = (datetime(2026, 5, day, tzinfo=UTC) for day in (1, 2, 3))
    driver.receive(offer("1"), fetched_at=first)
    driver.receive(fetched_at=second)
    driver.receive(offer("2"), complete=False, fetched_at=third)
    driver.ledger.runs.end(driver.ctx, {"failed_tasks": 1})
    driver.ledger.runs.suspend(NAME, "f", "refused")
    pulse = driver.ledger.health.heartbeat(NAME)
    assert (pulse.read_at, pulse.order_at) == (second, first)
    assert (pulse.resting, pulse.last_run) == ("refused", {"failed_tasks": 1})


def test_the_day(driver):
    driver.imported("1")
    driver.all_ready("2", "3")
    driver.ledger.runs.end(driver.ctx, {"failed_tasks": 0, "balanced": "no"})
    day = driver.ledger.health.activity_since(NAME, datetime.now(UTC) - timedelta(days=1))
    assert (day["received"], day["imported"], day["acknowledged"]) == (3, 1, 0)
    assert (day["runs"], day["runs_failed"]) == (1, 1)
    assert [(row["state"], row["n"], row["lately"]) for row in day["states"]] == [("ready", 2, 2)], "open orders"
    assert day["acknowledgement"].number == 1
    later = driver.ledger.health.activity_since(NAME, datetime.now(UTC) + timedelta(hours=1))
    assert (later["received"], later["imported"], later["runs"]) == (0, 0, 0)
    assert [(row["n"], row["lately"]) for row in later["states"]] == [(2, 0)]


def test_a_source_that_is_asked_by_time_lives_by_its_point(driver):
    read_to = datetime(2026, 5, 1, 12, tzinfo=UTC)
    rows = pd.DataFrame([offer("1") | {"part": 0, "row": 0}])
    info = BatchInfo("b", "b/manifest.json", 1, read_to, complete=False, read_to=read_to)
    driver.ledger.intake.receive(driver.ctx, info, rows, "t1")
    pulse = driver.ledger.health.heartbeat(NAME)
    assert (pulse.read_at, pulse.order_at) == (read_to, read_to)


def test_an_open_payment_is_not_late(driver):
    driver.receive(offer("1"))
    driver.ledger.source_holds.wait(
        driver.ctx, [SourceHold(driver.work("1"), "gate:payment=open", ask_again=True)], 0.0
    )
    assert driver.ledger.health.overdue(NAME, {"waiting": 0.0}) == []
