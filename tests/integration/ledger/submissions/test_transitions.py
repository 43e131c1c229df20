"""The one table of moves, and that nothing moves outside it or behind somebody's back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise, product

import pytest

from order_relay.errors import ConcurrentUpdateError, IllegalTransitionError
from order_relay.ledger.schema.states import TRANSITIONS, State, path, validate_path
from order_relay.ledger.submissions.transitions import TransitionCause, lock, transition, update
from order_relay.orders.messages import SendOutcome
from tests.support.offers import offer

S = State
STATED = {  # the rules' own list, word for word: every move beyond the straight way
    S.READY: {S.SUPERSEDED, S.HELD, S.WAITING, S.QUARANTINED},
    S.SUPERSEDED: {S.RECEIVED},
    S.WAITING: {S.RECEIVED},
    S.QUARANTINED: {S.RECEIVED, S.DISCARDED, S.SUPERSEDED},
    S.REJECTED: {S.RECEIVED, S.DISCARDED, S.SUPERSEDED},
    S.HELD: {S.RECEIVED, S.DISCARDED},
    S.SENDING: {S.IN_DOUBT, S.REJECTED, S.READY},
    S.IN_DOUBT: {S.IMPORTED, S.REJECTED, S.READY, S.SENDING},
}
STRAIGHT = (S.RECEIVED, S.READY, S.SENDING, S.IMPORTED)


def test_table_is_the_stated_one():
    for origin, targets in STATED.items():
        straight = {b for a, b in pairwise(STRAIGHT) if a is origin}
        assert TRANSITIONS[origin] == targets | straight, origin
    evaluated = {S.READY, S.WAITING, S.SUPERSEDED, S.QUARANTINED, S.HELD, S.DISCARDED}
    assert TRANSITIONS[S.RECEIVED] == evaluated
    assert not TRANSITIONS[S.IMPORTED]
    assert not TRANSITIONS[S.DISCARDED]
    assert set(TRANSITIONS) == set(State)


@pytest.mark.parametrize(("origin", "target"), list(product(State, State)))
def test_every_route_consists_of_moves(origin, target):
    try:
        way = (origin, *path(origin, target))
    except IllegalTransitionError:
        return
    assert all(b in TRANSITIONS[a] for a, b in pairwise(way))
    assert set(way[1:-1]) <= {S.WAITING, S.RECEIVED}, "nothing is sent, held or settled on the way to something else"


def test_nothing_leads_out_of_imported_or_to_sending_but_from_ready_and_in_doubt():
    for state in State:
        with pytest.raises(IllegalTransitionError):
            path(S.IMPORTED, state)
    for origin in set(State) - {S.READY, S.IN_DOUBT}:
        with pytest.raises(IllegalTransitionError):
            path(origin, S.SENDING)


def test_a_way_outside_the_table_is_refused():
    with pytest.raises(IllegalTransitionError):
        validate_path((S.READY, S.IMPORTED))


@dataclass(frozen=True)
class Seen:
    id: int
    state: str
    revision: int


def test_a_move_outside_the_table_changes_nothing(driver):
    number = driver.imported("1")
    before = driver.row("1")
    with pytest.raises(IllegalTransitionError):
        driver.ledger.database.write(
            lambda tx: transition(tx, lock(tx, [number]), State.RECEIVED, TransitionCause(driver.ctx, "because"))
        )
    assert driver.row("1") == before


@pytest.mark.parametrize("stale", [{"revision": 99}, {"state": "ready"}])
def test_a_move_needs_state_and_revision_as_they_were_read(driver, stale):
    driver.receive(offer("1"), offer("2"))
    works = [driver.work("1"), driver.work("2")]
    seen = [Seen(w.id, w.state, w.revision) for w in works]
    seen[1] = replace(seen[1], **stale)
    events = driver.events("1"), driver.events("2")
    with pytest.raises(ConcurrentUpdateError):
        driver.ledger.database.write(
            lambda tx: transition(tx, seen, State.HELD, TransitionCause(driver.ctx, "because", "because"))
        )
    assert (driver.events("1"), driver.events("2")) == events, "not even the rows that were not stale"
    with pytest.raises(ConcurrentUpdateError):
        driver.ledger.database.write(lambda tx: update(tx, seen, {w.id: {"customer_po": "x"} for w in seen}))


def test_events_say_from_to_when_run_who_and_why(driver):
    number = driver.all_ready("1")[0]
    driver.claim(number)
    driver.settle(number, SendOutcome.REJECTED, status=400, code="5007")
    last = driver.row("1")["events"][-1]
    assert (last["from_state"], last["to_state"], last["run"], last["who"]) == ("sending", "rejected", "run-1", "run")
    assert last["why"] == "http_400_5007"
    assert last["at"].tzinfo is not None
    assert last["revision"] == driver.work("1").revision
    revisions = [e["revision"] for e in driver.row("1")["events"]]
    assert revisions == sorted(set(revisions))
