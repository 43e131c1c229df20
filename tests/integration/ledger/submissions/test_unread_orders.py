"""Orders that their source lists and does not show: never dropped, asked for again with growing distance."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from order_relay.errors import ValidationIssue
from order_relay.ledger.schema.source_tables import unread
from order_relay.ledger.submissions.unread_orders import DENIALS, LONGEST_DELAY, ORDER_WITHDRAWN, read_attempts
from order_relay.orders.mapping.eligibility import NOT_RETURNED, REASON_PREFIX
from order_relay.orders.messages import DETAIL_MISSING, DETAIL_UNREADABLE
from tests.support.offers import offer

NAME = "shop_to_oms"


def attempts_of(driver):
    return driver.ledger.database.read(lambda tx: read_attempts(tx, NAME, "1"))


def set_aside(driver, source_id, problem, times=1):
    """Offered without content, and quarantined as ``validate`` does."""
    for _ in range(times):
        driver.receive(offer(source_id, problem=problem, content_hash="id only", order_number=""), complete=False)
        work = driver.work(source_id)
        if work.state == "received":
            driver.ledger.validation.quarantine(driver.ctx, [(work, [ValidationIssue(problem, "", "cannot be read")])])


def waits(driver, source_id, ask_again_s=0.0):
    from order_relay.ledger import SourceHold

    driver.receive(offer(source_id), complete=False)
    wait = SourceHold(driver.work(source_id), f"{REASON_PREFIX}payment=open", ask_again=True)
    driver.ledger.source_holds.wait(driver.ctx, [wait], ask_again_s)


def hours_pass(driver, hours):
    with driver.ledger.database.engine.begin() as conn:
        for row in conn.execute(sa.select(unread)).all():
            moved = {
                name: getattr(row, name) - timedelta(hours=hours)
                for name in ("since", "missing_since", "gone_at", "last_at", "due_at")
                if getattr(row, name)
            }
            conn.execute(unread.update().where(unread.c.source_id == row.source_id).values(moved))


@pytest.mark.parametrize("problem", [DETAIL_UNREADABLE, DETAIL_MISSING])
def test_an_unread_order_has_a_row_immediately_and_is_requested_in_the_next_run(driver, problem):
    set_aside(driver, "1", problem)
    assert driver.row("1")["state"] == "quarantined"
    assert driver.ledger.source_holds.due_for_recheck(NAME, 10) == ["1"]
    assert driver.ledger.unread_orders.pending(NAME) == {"1": True}


@pytest.mark.parametrize("problem", [DETAIL_UNREADABLE, DETAIL_MISSING])
def test_the_distance_grows_and_never_ends(driver, problem):
    distances = []
    for _ in range(12):
        set_aside(driver, "1", problem)
        row = attempts_of(driver)
        distances.append(row["due_at"] - row["last_at"])
        if distances[-1]:
            assert driver.ledger.source_holds.due_for_recheck(NAME, 10) == []
        hours_pass(driver, 0.001 + distances[-1].total_seconds() / 3600)
        assert driver.ledger.source_holds.due_for_recheck(NAME, 10) == ["1"]
    assert distances[:4] == [timedelta(0), timedelta(minutes=15), timedelta(minutes=45), timedelta(minutes=105)]
    assert distances == sorted(distances)
    if problem == DETAIL_UNREADABLE:
        assert distances[-1] == LONGEST_DELAY


def test_once_it_is_read_it_is_an_order_like_any_other(driver):
    set_aside(driver, "1", DETAIL_UNREADABLE, times=5)
    driver.receive(offer("1"), complete=False)
    assert driver.state("1") == "received"
    assert driver.ledger.unread_orders.pending(NAME) == {}
    assert attempts_of(driver) is None


def test_an_order_that_waits_for_its_payment_is_asked_for_after_a_passing_404(driver):
    waits(driver, "1")
    set_aside(driver, "1", DETAIL_MISSING)
    assert driver.row("1")["reason"] == f"{REASON_PREFIX}payment=open"
    assert driver.ledger.source_holds.due_for_recheck(NAME, 10) == ["1"]
    driver.receive(offer("1", content_hash="paid"), complete=False)
    assert driver.state("1") == "received"


def test_a_404_counts_as_withdrawn_only_after_several_asks_over_a_day(driver):
    waits(driver, "1")
    set_aside(driver, "1", DETAIL_MISSING, times=DENIALS + 5)
    assert driver.row("1")["reason"] != NOT_RETURNED, "many asks within a moment prove nothing"
    hours_pass(driver, 25)
    waits(driver, "2")
    set_aside(driver, "2", DETAIL_MISSING)
    hours_pass(driver, 25)
    set_aside(driver, "2", DETAIL_MISSING)
    assert driver.row("2")["reason"] != NOT_RETURNED, "two asks prove nothing either"
    set_aside(driver, "1", DETAIL_MISSING)
    assert (driver.row("1")["state"], driver.row("1")["reason"]) == ("waiting", NOT_RETURNED)
    assert driver.ledger.source_holds.due_for_recheck(NAME, 10) == []
    hours_pass(driver, 23)
    assert driver.ledger.source_holds.due_for_recheck(NAME, 10) == ["2"]
    hours_pass(driver, 1.5)
    assert driver.ledger.source_holds.due_for_recheck(NAME, 10) == ["1", "2"], (
        "even then it is asked for, ever less often"
    )
    driver.receive(offer("1", content_hash="paid"), complete=False)
    assert driver.state("1") == "received"


def test_another_failure_between_interrupts_the_row_of_denials(driver):
    set_aside(driver, "1", DETAIL_MISSING, times=DENIALS)
    hours_pass(driver, 25)
    set_aside(driver, "1", DETAIL_UNREADABLE)
    set_aside(driver, "1", DETAIL_MISSING)
    assert attempts_of(driver)["gone_at"] is None


def test_one_that_was_never_read_and_is_withdrawn_stays_visible_under_a_code_of_its_own(driver):
    set_aside(driver, "1", DETAIL_MISSING, times=DENIALS)
    hours_pass(driver, 25)
    set_aside(driver, "1", DETAIL_MISSING)
    [shown] = driver.ledger.queries.quarantined(ORDER_WITHDRAWN)
    assert (shown["source_id"], shown["state"]) == ("1", "quarantined")
    assert "discard" in shown["message"]
    moves = len(driver.row("1")["events"])
    hours_pass(driver, 25)
    set_aside(driver, "1", DETAIL_MISSING)
    assert len(driver.row("1")["events"]) == moves, "no event while nothing changes"


def test_an_order_refused_for_its_content_keeps_that_reason(driver):
    driver.receive(offer("1"), complete=False)
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work("1"), [ValidationIssue("bad", "/x", "is bad")])])
    set_aside(driver, "1", DETAIL_MISSING, times=DENIALS)
    hours_pass(driver, 25)
    set_aside(driver, "1", DETAIL_MISSING)
    assert driver.row("1")["reason"] == "bad"


def test_what_is_settled_or_on_its_way_is_not_asked_for(driver):
    driver.imported("1")
    set_aside(driver, "1", DETAIL_MISSING)
    assert driver.state("1") == "imported"
    assert driver.ledger.unread_orders.pending(NAME) == {}
    set_aside(driver, "2", DETAIL_UNREADABLE)
    driver.ledger.bulk.discard(driver.ctx, [driver.row("2")["id"]], "not ours")
    assert driver.ledger.source_holds.due_for_recheck(NAME, 10) == []
    assert driver.ledger.unread_orders.pending(NAME) == {}


def test_a_repeated_order_counts_as_read_if_read_once(driver):
    driver.receive(offer("1"), offer("1", problem=DETAIL_UNREADABLE, content_hash="id only"), complete=False)
    assert driver.ledger.unread_orders.pending(NAME) == {}
