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


def test_only_what_is_settled_is_acknowledged(clerk):
    clerk.imported("1")
    clerk.all_ready("2")
    clerk.claim(*clerk.all_ready("3"))
    clerk.in_doubt("4")
    rejected = clerk.all_ready("5")[0]
    clerk.claim(rejected)
    clerk.settle(rejected, SendOutcome.REJECTED, status=400)
    clerk.receive(offer("6"), offer("7", suffix=1), offer("8", lineage="L"), offer("9", lineage="L"))
    clerk.ledger.validation.quarantine(clerk.ctx, [(clerk.work("6"), BAD), (clerk.work("9"), BAD)])
    clerk.resolve()
    assert {s: clerk.state(s) for s in "6789"} == {
        "6": "quarantined",
        "7": "held",
        "8": "waiting",
        "9": "quarantined",
    }
    clerk.receive(offer("10"))
    assert clerk.due() == ["N-1"]


def test_superseded_only_once_its_winner_is_imported(clerk):
    clerk.receive(offer("1", lineage="L"), offer("2", lineage="L"))
    number = clerk.make_ready(*clerk.resolve())[0][0]
    assert clerk.due() == []
    clerk.claim(number)
    assert clerk.due() == []
    clerk.settle(number, SendOutcome.IMPORTED, status=201, oms_id="OMS2")
    assert set(clerk.due()) == {"N-1", "N-2"}


def test_superseded_once_an_operator_settled_the_lineage(clerk):
    clerk.receive(offer("1", lineage="L"), offer("2", lineage="L"))
    winner = clerk.resolve()[0]
    clerk.ledger.validation.quarantine(clerk.ctx, [(winner, BAD)])
    assert (clerk.state("1"), clerk.due()) == ("superseded", [])
    clerk.ledger.bulk.discard(clerk.ctx, [winner.id], "not wanted")
    assert set(clerk.due()) == {"N-1", "N-2"}


def test_a_refused_acknowledgement_stays_due_and_a_missing_answer_waits(clerk):
    one, two, three, four = [clerk.imported(s) for s in "1234"]
    assert clerk.ledger.acknowledgements.mark_sent(clerk.ctx, [one, two, three, four]) == [one, two, three, four]
    clerk.ledger.acknowledgements.record_answers(
        clerk.ctx,
        {
            one: Acknowledgement(accepted=True),
            two: Acknowledgement(accepted=False, message="locked"),
            four: Acknowledgement(accepted=False, message="locked"),
        },
    )
    assert [clerk.row(s)["ack"] for s in "1234"] == ["confirmed", "refused", "sent", "refused"]
    assert clerk.due() == ["N-2", "N-4"]
    assert clerk.ledger.accounting.counts(NAME)["acknowledged"] == 1
    assert clerk.row("2")["ack_message"] == "locked"


@pytest.mark.parametrize(
    "answer",
    [
        Acknowledgement(accepted=False, message="order not found"),
        Acknowledgement(accepted=False, message="the response has no entry for it"),
        None,
    ],
)
def test_absence_confirms_an_acknowledgement_that_was_refused_or_not_answered(clerk, answer):
    one, two = clerk.imported("1"), clerk.imported("2")
    clerk.ledger.acknowledgements.mark_sent(clerk.ctx, [one, two])
    if answer is not None:
        clerk.ledger.acknowledgements.record_answers(clerk.ctx, {one: answer, two: answer})
    clerk.receive(offer("2"), complete=False)
    assert clerk.row("1")["ack"] != "confirmed", "an incomplete answer says nothing about what it lacks"
    clerk.receive(offer("2"), fetched_at=datetime.now(UTC) - timedelta(hours=1))
    assert clerk.row("1")["ack"] != "confirmed", "neither does one that was fetched before"
    clerk.receive(offer("2"))
    assert (clerk.row("1")["ack"], clerk.due()) == ("confirmed", ["N-2"])
    clerk.receive(offer("1"))
    assert "N-1" in clerk.due(), "the source offers it again after all"


def test_the_exact_string_is_acknowledged_in_slices(clerk):
    clerk.receive(offer("1", order_number=" N/1 é "), offer("2"), offer("3"))
    ids = clerk.make_ready(*clerk.resolve())[0]
    clerk.claim(*ids)
    for number in ids:
        clerk.settle(number, SendOutcome.IMPORTED, status=201, oms_id=f"OMS{number}")
    assert [d.order_number for d in clerk.ledger.acknowledgements.due(NAME, 2)] == [" N/1 é ", "N-2"]
    assert len(clerk.ledger.acknowledgements.due(NAME)) == 3


BREACHES = {
    "last event": "UPDATE submission SET state = 'held' WHERE source_id = '2'",
    "without an OMS id": "UPDATE submission SET oms_id = NULL WHERE source_id = '1'",
    "that of another order": "UPDATE submission SET oms_id = 'OMS1' WHERE source_id = '3'",
    "more than one OMS id": "UPDATE attempt SET oms_id = 'OMS2nd' WHERE oms_id = 'OMS1'",
    "acknowledged too early": "UPDATE submission SET ack = 'confirmed' WHERE source_id = '2'",
}


@pytest.mark.parametrize("words", BREACHES)
def test_the_accounting_check_finds_every_violation(clerk, words):
    clerk.imported("1", "OMS1")
    clerk.imported("3", "OMS3")
    clerk.receive(offer("2"))
    assert clerk.ledger.accounting.invariant_violations(NAME) == []
    with clerk.ledger.database.engine.connect() as conn:
        transaction = conn.begin()
        conn.execute(sa.text(BREACHES[words]))
        check = partial(unwrap(Accounting.invariant_violations), clerk.ledger.accounting, Transaction(conn), NAME)
        whole, this_run, another_run = check(), check(run=clerk.ctx.run), check(run="another")
        transaction.rollback()
    assert any(words in breach for breach in whole), whole
    assert this_run == whole
    assert another_run == [], "a run checks what it changed"


def test_a_double_is_found_though_its_answer_came_too_late(clerk):
    number = clerk.in_doubt("1")
    clerk.ledger.decisions.settle_in_doubt("N-1", None, "absent", "ann")
    clerk.claim(number)
    assert clerk.settle(number, SendOutcome.IMPORTED, attempt=1, status=201, oms_id="OMS1") == [number]
    clerk.settle(number, SendOutcome.IMPORTED, attempt=2, status=201, oms_id="OMS2")
    assert any("more than one OMS id" in breach for breach in clerk.ledger.accounting.invariant_violations(NAME))
    clerk.ledger.database.write(lambda tx: tx.run(sa.text("UPDATE attempt SET oms_id = NULL WHERE number = 1")))


def test_counts_by_state_and_reason(clerk):
    clerk.imported("1")
    clerk.receive(offer("2"), offer("3"))
    clerk.ledger.validation.quarantine(clerk.ctx, [(clerk.work("2"), BAD)])
    counts = clerk.ledger.accounting.counts()
    assert counts["received"] == 3
    assert {s: n for s, n in counts["states"].items() if n} == {"imported": 1, "quarantined": 1, "received": 1}
    assert counts["reasons"] == {("quarantined", "bad"): 1}
    assert clerk.ledger.accounting.counts("other")["received"] == 0
    assert clerk.ledger.accounting.unknown_source_ids(NAME, ["1", "2", "99"]) == {"99"}
    assert [b["batch_id"] for b in clerk.ledger.accounting.batches(NAME)] == ["batch-1", "batch-2"]


@pytest.mark.parametrize("word", ["N-1", "1", "UUID-1", "uuid-1", "OMS1", "PO77", "KEY-N-1"])
def test_an_order_is_found_by_any_identifier(clerk, word):
    clerk.receive(offer("1", lineage="UUID-1", customer_po="PO77"), offer("2"))
    number = clerk.make_ready(*[w for w in clerk.resolve() if w.source_id == "1"])[0][0]
    clerk.claim(number)
    clerk.settle(number, SendOutcome.IMPORTED, status=201, oms_id="OMS1")
    lives = clerk.ledger.queries.find(word)
    assert [life["source_id"] for life in lives] == ["1"]
    assert len(lives[0]["events"]) == 4
    assert len(lives[0]["attempts"]) == 1


def hold(clerk):
    clerk.imported("1")
    clerk.receive(offer("1", content_hash="changed"))
    return clerk.work("1").id


def test_discarding_a_held_edition_frees_the_number(clerk):
    number = hold(clerk)
    assert clerk.due() == []
    assert clerk.ledger.decisions.decide("N-1", "discard", "a mistake", "ann", shown={number: None}) == [number]
    assert clerk.row("1", 2)["state"] == "discarded"
    assert clerk.due() == ["N-1"]
    event = clerk.row("1", 2)["events"][-1]
    assert (event["who"], event["why"]) == ("ann", "discard: a mistake")


@pytest.mark.parametrize("choice", ["replacement", "separate"])
def test_a_held_edition_continues_in_its_own_lineage(clerk, choice):
    number = hold(clerk)
    clerk.ledger.decisions.decide("N-1", choice, "cancelled there", "ann", shown={number: None}, cancelled=True)
    works = clerk.resolve()
    assert [w.id for w in works] == [number]
    assert works[0].lineage != clerk.row("1", 1)["lineage"]
    ready = clerk.ready_of(works[0], destination_key="KEY-N-1-2")
    assert clerk.ledger.payloads.make_ready(clerk.ctx, [ready])[0] == [number]
    assert number in clerk.claim(number)


def test_a_replacement_that_waits_with_nothing_imported_wins_its_lineage(clerk):
    clerk.receive(offer("1", lineage="L", items=("A",)), offer("2", lineage="L", items=("X",)))
    assert clerk.resolve() == []
    assert (clerk.state("1"), clerk.state("2")) == ("held", "held")
    clerk.ledger.decisions.decide("N-2", "replacement", "same customer", "ann")
    assert [w.source_id for w in clerk.resolve()] == ["2"]
    assert clerk.state("1") == "superseded", "one answer closes the group"


def test_a_decision_needs_the_versions_that_were_shown(clerk):
    number = hold(clerk)
    with pytest.raises(ConcurrentUpdateError):
        clerk.ledger.decisions.decide("N-1", "discard", "x", "ann", shown=dict.fromkeys((number, number + 1)))
    with pytest.raises(IllegalTransitionError):
        clerk.ledger.decisions.decide("N-1", "nonsense", "x", "ann")
    with pytest.raises(IllegalTransitionError):
        clerk.ledger.decisions.decide("N-99", "discard", "x", "ann")
    assert clerk.row("1", 2)["state"] == "held"


@pytest.mark.parametrize(("oms_id", "state"), [("OMS5", "imported"), (None, "ready")])
def test_an_operator_settles_an_order_in_doubt(clerk, oms_id, state):
    number = clerk.in_doubt("1")
    assert clerk.ledger.decisions.settle_in_doubt("N-1", oms_id, "called them", "ann") == [number]
    row = clerk.row("1")
    assert (row["state"], row["oms_id"], row["events"][-1]["who"]) == (state, oms_id, "ann")
    assert row["lookups"][-1]["method"] == "person"
    with pytest.raises(IllegalTransitionError):
        clerk.ledger.decisions.settle_in_doubt("N-1", oms_id, "again", "ann")


def test_replay_and_discard_in_bulk(clerk):
    clerk.receive(*[offer(str(n)) for n in range(1, 5)])
    clerk.ledger.validation.quarantine(clerk.ctx, [(clerk.work(s), BAD) for s in "123"])
    ids = [clerk.work(s).id for s in "1234"]
    assert clerk.ledger.bulk.replay(clerk.ctx, ids[:2], "mapping mended") == 2
    assert clerk.ledger.bulk.discard(clerk.ctx, ids[2:], "tests") == 1
    assert [clerk.state(s) for s in "1234"] == ["received", "received", "discarded", "received"]
    assert len(clerk.ledger.versions.resolve(clerk.ctx, ids, VersionPolicies())) == 3
