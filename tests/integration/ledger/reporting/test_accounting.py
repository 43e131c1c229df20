"""Acknowledging, the counting law, finding, and people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from inspect import unwrap

import pytest
import sqlalchemy as sa

from order_relay.errors import ConcurrentUpdateError, IllegalTransitionError, ValidationIssue
from order_relay.ledger.reporting.accounting import Accounting
from order_relay.ledger.store.database import Transaction
from order_relay.orders.messages import Acknowledgement, SendOutcome, VersionPolicies
from tests.support.offers import offer

NAME = "shop_to_oms"
BAD = [ValidationIssue("bad", "/x", "is wrong")]


def test_only_what_is_settled_is_acknowledged(driver):
    driver.imported("1")
    driver.all_ready("2")
    driver.claim(*driver.all_ready("3"))
    driver.in_doubt("4")
    rejected = driver.all_ready("5")[0]
    driver.claim(rejected)
    driver.settle(rejected, SendOutcome.REJECTED, status=400)
    driver.receive(offer("6"), offer("7", suffix=1), offer("8", lineage="L"), offer("9", lineage="L"))
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work("6"), BAD), (driver.work("9"), BAD)])
    driver.resolve()
    assert {s: driver.state(s) for s in "6789"} == {
        "6": "quarantined",
        "7": "held",
        "8": "waiting",
        "9": "quarantined",
    }
    driver.receive(offer("10"))
    assert driver.due() == ["N-1"]


def test_superseded_only_once_its_winner_is_imported(driver):
    driver.receive(offer("1", lineage="L"), offer("2", lineage="L"))
    number = driver.make_ready(*driver.resolve())[0][0]
    assert driver.due() == []
    driver.claim(number)
    assert driver.due() == []
    driver.settle(number, SendOutcome.IMPORTED, status=201, oms_id="OMS2")
    assert set(driver.due()) == {"N-1", "N-2"}


def test_superseded_once_an_operator_settled_the_lineage(driver):
    driver.receive(offer("1", lineage="L"), offer("2", lineage="L"))
    winner = driver.resolve()[0]
    driver.ledger.validation.quarantine(driver.ctx, [(winner, BAD)])
    assert (driver.state("1"), driver.due()) == ("superseded", [])
    driver.ledger.bulk.discard(driver.ctx, [winner.id], "not wanted")
    assert set(driver.due()) == {"N-1", "N-2"}


def test_a_refused_acknowledgement_stays_due_and_a_missing_answer_waits(driver):
    one, two, three, four = [driver.imported(s) for s in "1234"]
    assert driver.ledger.acknowledgements.mark_sent(driver.ctx, [one, two, three, four]) == [one, two, three, four]
    driver.ledger.acknowledgements.record_answers(
        driver.ctx,
        {
            one: Acknowledgement(accepted=True),
            two: Acknowledgement(accepted=False, message="locked"),
            four: Acknowledgement(accepted=False, message="locked"),
        },
    )
    assert [driver.row(s)["ack"] for s in "1234"] == ["confirmed", "refused", "sent", "refused"]
    assert driver.due() == ["N-2", "N-4"]
    assert driver.ledger.accounting.counts(NAME)["acknowledged"] == 1
    assert driver.row("2")["ack_message"] == "locked"


@pytest.mark.parametrize(
    "answer",
    [
        Acknowledgement(accepted=False, message="order not found"),
        Acknowledgement(accepted=False, message="the response has no entry for it"),
        None,
    ],
)
def test_absence_confirms_an_acknowledgement_that_was_refused_or_not_answered(driver, answer):
    one, two = driver.imported("1"), driver.imported("2")
    driver.ledger.acknowledgements.mark_sent(driver.ctx, [one, two])
    if answer is not None:
        driver.ledger.acknowledgements.record_answers(driver.ctx, {one: answer, two: answer})
    driver.receive(offer("2"), complete=False)
    assert driver.row("1")["ack"] != "confirmed", "an incomplete answer says nothing about what it lacks"
    driver.receive(offer("2"), fetched_at=datetime.now(UTC) - timedelta(hours=1))
    assert driver.row("1")["ack"] != "confirmed", "neither does one that was fetched before"
    driver.receive(offer("2"))
    assert (driver.row("1")["ack"], driver.due()) == ("confirmed", ["N-2"])
    driver.receive(offer("1"))
    assert "N-1" in driver.due(), "the source offers it again after all"


def test_the_exact_string_is_acknowledged_in_slices(driver):
    driver.receive(offer("1", order_number=" N/1 é "), offer("2"), offer("3"))
    ids = driver.make_ready(*driver.resolve())[0]
    driver.claim(*ids)
    for number in ids:
        driver.settle(number, SendOutcome.IMPORTED, status=201, oms_id=f"OMS{number}")
    assert [d.order_number for d in driver.ledger.acknowledgements.due(NAME, 2)] == [" N/1 é ", "N-2"]
    assert len(driver.ledger.acknowledgements.due(NAME)) == 3


BREACHES = {
    "last event": "UPDATE submission SET state = 'held' WHERE source_id = '2'",
    "without an OMS id": "UPDATE submission SET oms_id = NULL WHERE source_id = '1'",
    "that of another order": "UPDATE submission SET oms_id = 'OMS1' WHERE source_id = '3'",
    "more than one OMS id": "UPDATE attempt SET oms_id = 'OMS2nd' WHERE oms_id = 'OMS1'",
    "acknowledged too early": "UPDATE submission SET ack = 'confirmed' WHERE source_id = '2'",
}


@pytest.mark.parametrize("expected", BREACHES)
def test_the_accounting_check_finds_every_violation(driver, expected):
    driver.imported("1", "OMS1")
    driver.imported("3", "OMS3")
    driver.receive(offer("2"))
    assert driver.ledger.accounting.invariant_violations(NAME) == []
    with driver.ledger.database.engine.connect() as conn:
        transaction = conn.begin()
        conn.execute(sa.text(BREACHES[expected]))
        check = partial(unwrap(Accounting.invariant_violations), driver.ledger.accounting, Transaction(conn), NAME)
        whole, this_run, another_run = check(), check(run=driver.ctx.run), check(run="another")
        transaction.rollback()
    assert any(expected in breach for breach in whole), whole
    assert this_run == whole
    assert another_run == [], "a run checks what it changed"


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


@pytest.mark.parametrize("word", ["N-1", "1", "UUID-1", "uuid-1", "OMS1", "PO77", "KEY-N-1"])
def test_an_order_is_found_by_any_identifier(driver, word):
    driver.receive(offer("1", lineage="UUID-1", customer_po="PO77"), offer("2"))
    number = driver.make_ready(*[w for w in driver.resolve() if w.source_id == "1"])[0][0]
    driver.claim(number)
    driver.settle(number, SendOutcome.IMPORTED, status=201, oms_id="OMS1")
    lives = driver.ledger.queries.find(word)
    assert [life["source_id"] for life in lives] == ["1"]
    assert len(lives[0]["events"]) == 4
    assert len(lives[0]["attempts"]) == 1


def hold(driver):
    driver.imported("1")
    driver.receive(offer("1", content_hash="changed"))
    return driver.work("1").id


def test_discarding_a_held_edition_frees_the_number(driver):
    number = hold(driver)
    assert driver.due() == []
    assert driver.ledger.decisions.decide("N-1", "discard", "a mistake", "ann", shown={number: None}) == [number]
    assert driver.row("1", 2)["state"] == "discarded"
    assert driver.due() == ["N-1"]
    event = driver.row("1", 2)["events"][-1]
    assert (event["who"], event["why"]) == ("ann", "discard: a mistake")


@pytest.mark.parametrize("choice", ["replacement", "separate"])
def test_a_held_edition_continues_in_its_own_lineage(driver, choice):
    number = hold(driver)
    driver.ledger.decisions.decide("N-1", choice, "cancelled there", "ann", shown={number: None}, cancelled=True)
    works = driver.resolve()
    assert [w.id for w in works] == [number]
    assert works[0].lineage != driver.row("1", 1)["lineage"]
    ready = driver.ready_of(works[0], destination_key="KEY-N-1-2")
    assert driver.ledger.payloads.make_ready(driver.ctx, [ready])[0] == [number]
    assert number in driver.claim(number)


def test_a_replacement_that_waits_with_nothing_imported_wins_its_lineage(driver):
    driver.receive(offer("1", lineage="L", items=("A",)), offer("2", lineage="L", items=("X",)))
    assert driver.resolve() == []
    assert (driver.state("1"), driver.state("2")) == ("held", "held")
    driver.ledger.decisions.decide("N-2", "replacement", "same customer", "ann")
    assert [w.source_id for w in driver.resolve()] == ["2"]
    assert driver.state("1") == "superseded", "one answer closes the group"


def test_a_decision_needs_the_versions_that_were_shown(driver):
    number = hold(driver)
    with pytest.raises(ConcurrentUpdateError):
        driver.ledger.decisions.decide("N-1", "discard", "x", "ann", shown=dict.fromkeys((number, number + 1)))
    with pytest.raises(IllegalTransitionError):
        driver.ledger.decisions.decide("N-1", "nonsense", "x", "ann")
    with pytest.raises(IllegalTransitionError):
        driver.ledger.decisions.decide("N-99", "discard", "x", "ann")
    assert driver.row("1", 2)["state"] == "held"


@pytest.mark.parametrize(("oms_id", "state"), [("OMS5", "imported"), (None, "ready")])
def test_an_operator_settles_an_order_in_doubt(driver, oms_id, state):
    number = driver.in_doubt("1")
    assert driver.ledger.decisions.settle_in_doubt("N-1", oms_id, "called them", "ann") == [number]
    row = driver.row("1")
    assert (row["state"], row["oms_id"], row["events"][-1]["who"]) == (state, oms_id, "ann")
    assert row["lookups"][-1]["method"] == "person"
    with pytest.raises(IllegalTransitionError):
        driver.ledger.decisions.settle_in_doubt("N-1", oms_id, "again", "ann")


def test_replay_and_discard_in_bulk(driver):
    driver.receive(*[offer(str(n)) for n in range(1, 5)])
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work(s), BAD) for s in "123"])
    ids = [driver.work(s).id for s in "1234"]
    assert driver.ledger.bulk.replay(driver.ctx, ids[:2], "mapping mended") == 2
    assert driver.ledger.bulk.discard(driver.ctx, ids[2:], "tests") == 1
    assert [driver.state(s) for s in "1234"] == ["received", "received", "discarded", "received"]
    assert len(driver.ledger.versions.resolve(driver.ctx, ids, VersionPolicies())) == 3
