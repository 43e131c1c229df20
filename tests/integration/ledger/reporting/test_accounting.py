"""The accounting check: counts by state, and violations of the invariants."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial

import pytest
import sqlalchemy as sa

from order_relay.errors import ValidationIssue
from order_relay.ledger.reporting import accounting
from order_relay.ledger.reporting.accounting import CheckProgress
from order_relay.ledger.schema.order_counts import merge
from order_relay.ledger.store.database import Transaction
from order_relay.orders.messages import SendOutcome
from tests.support.offers import offer

NAME = "shop_to_oms"
BAD = [ValidationIssue("bad", "/x", "is wrong")]


BREACHES = {
    "last event": "UPDATE submission SET state = 'held' WHERE source_id = '2'",
    "without an OMS id": "UPDATE submission SET oms_id = NULL WHERE source_id = '1'",
    "that of another order": "UPDATE submission SET oms_id = 'OMS1' WHERE source_id = '3'",
    "more than one OMS id": "UPDATE attempt SET oms_id = 'OMS2nd' WHERE oms_id = 'OMS1'",
    "acknowledged too early": "UPDATE submission SET ack = 'confirmed' WHERE source_id = '2'",
}


@pytest.mark.parametrize("expected", BREACHES)
def test_the_accounting_check_finds_every_violation(driver, expected, monkeypatch):
    driver.imported("1", "OMS1")
    driver.imported("3", "OMS3")
    driver.receive(offer("2"))
    assert driver.ledger.accounting.invariant_violations(NAME) == []
    check = partial(driver.ledger.accounting.invariant_violations, NAME)
    with driver.ledger.database.engine.connect() as conn:
        transaction = conn.begin()
        conn.execute(sa.text(BREACHES[expected]))
        monkeypatch.setattr(driver.ledger.database, "read", lambda work: work(Transaction(conn)))
        whole, this_run, another_run = check(), check(run=driver.ctx.run), check(run="another")
        monkeypatch.setattr(accounting, "PORTION", 1)
        assert check() == whole, "in portions"
        transaction.rollback()
    assert any(expected in breach for breach in whole), whole
    assert this_run == [breach for breach in whole if "maintained counts" not in breach]
    assert another_run == [], "a run checks what it changed"


def test_an_interrupted_check_resumes_with_what_it_had_found(driver, monkeypatch):
    for number in range(5):
        driver.imported(str(number), f"OMS{number}")
    saved = []

    def stop(progress):
        saved.append(json.loads(json.dumps(asdict(progress))))
        raise RuntimeError("the worker was killed")

    check = partial(driver.ledger.accounting.invariant_violations, NAME)
    monkeypatch.setattr(accounting, "PORTION", 2)
    with driver.ledger.database.engine.connect() as conn:
        transaction = conn.begin()
        monkeypatch.setattr(driver.ledger.database, "read", lambda work: work(Transaction(conn)))
        conn.execute(sa.text("UPDATE submission SET ack = 'sent', state = 'held' WHERE source_id IN ('0', '4')"))
        expected = check()
        with pytest.raises(RuntimeError):
            check(save=stop)
        conn.execute(sa.text("UPDATE submission SET ack = NULL WHERE source_id = '0'"))
        resumed = check(progress=CheckProgress(**saved[0]))
        transaction.rollback()
    assert any(breach.startswith("2 submissions: the state differs") for breach in expected)
    assert resumed == expected, "the first portion is not checked again"


def test_counts_that_were_compared_are_not_compared_again(driver):
    driver.imported("1")
    driver.ledger.database.write(lambda tx: tx.run(sa.text("UPDATE order_count SET n = 5 WHERE kind = 'imported'")))
    saved: list[CheckProgress] = []
    expected = driver.ledger.accounting.invariant_violations(NAME, save=saved.append)
    before, after = (next(p for p in saved if bool(p.wrong) is found) for found in (False, True))
    driver.ledger.accounting.recount()
    assert driver.ledger.accounting.invariant_violations(NAME, progress=before) == []
    assert driver.ledger.accounting.invariant_violations(NAME, progress=after) == expected


def test_counts_that_do_not_match_the_orders_are_found_and_counted_again(driver):
    driver.imported("1")
    check, expected = driver.ledger.accounting, driver.ledger.accounting.counts(NAME)
    driver.ledger.database.write(lambda tx: tx.run(sa.text("UPDATE order_count SET n = 5 WHERE kind = 'imported'")))
    assert check.counts(NAME) != expected
    assert check.invariant_violations(NAME, driver.ctx.run) == [], "a run does not count the whole ledger"
    (breach,) = check.invariant_violations(NAME)
    assert "imported: 5, counted 1" in breach
    assert "ledger recount" in breach
    check.recount()
    assert check.counts(NAME) == expected
    assert check.invariant_violations() == []


def test_counts_are_merged_at_the_end_of_a_run(driver):
    for number in range(1, 4):
        driver.imported(str(number))
    driver.ledger.runs.begin(driver.ctx, "run")
    expected = driver.ledger.accounting.counts(NAME)
    driver.ledger.runs.end(driver.ctx, {})
    driver.ledger.runs.end(driver.ctx, {})
    rows = driver.ledger.database.read(lambda tx: tx.run(sa.text("SELECT kind, n FROM order_count")).all())
    assert sorted(tuple(row) for row in rows) == [("import_time", 3), ("imported", 3), ("received", 3)]
    assert driver.ledger.accounting.counts(NAME) == expected
    assert driver.ledger.accounting.invariant_violations() == []


def test_days_older_than_five_weeks_lose_their_hours(driver):
    driver.ledger.runs.begin(driver.ctx, "run")
    driver.imported("1")
    old = sa.text("UPDATE order_count SET day = '2020-02-29', hour = 7")
    driver.ledger.database.write(lambda tx: tx.run(old))
    driver.imported("2")
    driver.ledger.runs.end(driver.ctx, {})
    query = sa.text("SELECT day < '2026', hour, sum(n) FROM order_count WHERE kind = 'imported' GROUP BY 1, 2")
    (recent, past) = sorted(driver.ledger.database.read(lambda tx: tx.run(query).all()), key=lambda row: row[0])
    assert (past[1], past[2], recent[2]) == (None, 1, 1)
    assert recent[1] is not None
    assert driver.ledger.accounting.invariant_violations() == []


def test_two_processes_merge_at_once(driver):
    """Each merges the rows that the other has not locked; the sums stay the same, and neither waits."""
    if driver.ledger.database.engine.name == "sqlite":
        pytest.skip("one writer at a time")
    driver.imported("1")
    driver.imported("2")
    expected = driver.ledger.accounting.counts(NAME)

    def beside(tx):
        merge(tx, NAME)
        driver.ledger.database.write(lambda other: merge(other, NAME))

    driver.ledger.database.write(beside)
    assert driver.ledger.accounting.counts(NAME) == expected
    assert driver.ledger.accounting.invariant_violations() == []


def test_a_double_is_found_though_its_answer_came_too_late(driver):
    number = driver.in_doubt("1")
    driver.ledger.decisions.settle_in_doubt("N-1", None, "absent", "ann")
    driver.claim(number)
    assert driver.settle(number, SendOutcome.IMPORTED, attempt=1, status=201, oms_id="OMS1") == [number]
    driver.settle(number, SendOutcome.IMPORTED, attempt=2, status=201, oms_id="OMS2")
    assert any("more than one OMS id" in breach for breach in driver.ledger.accounting.invariant_violations(NAME))
    driver.ledger.database.write(lambda tx: tx.run(sa.text("UPDATE attempt SET oms_id = NULL WHERE number = 1")))


def test_counts_by_state_and_reason(driver):
    driver.imported("1")
    driver.receive(offer("2"), offer("3"))
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work("2"), BAD)])
    counts = driver.ledger.accounting.counts()
    assert counts["received"] == 3
    assert {s: n for s, n in counts["states"].items() if n} == {"imported": 1, "quarantined": 1, "received": 1}
    assert counts["reasons"] == {("quarantined", "bad"): 1}
    assert driver.ledger.accounting.counts("other")["received"] == 0
    assert driver.ledger.accounting.unknown_source_ids(NAME, ["1", "2", "99"]) == {"99"}
    assert [b["batch_id"] for b in driver.ledger.accounting.batches(NAME)] == ["batch-1", "batch-2"]
