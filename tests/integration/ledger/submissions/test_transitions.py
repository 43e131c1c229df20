"""The one table of moves, and that nothing moves outside it or behind somebody's back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise, product

import pytest

from order_relay.errors import MoveRefused, StaleRevision
from order_relay.ledger.moving import Cause, change, lock, move
from order_relay.ledger.states import MOVES, State, check_way, route
from order_relay.orders.exchange import Outcome
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
    S.IN_DOUBT: {S.IMPORTED, S.REJECTED, S.READY},
}
STRAIGHT = (S.RECEIVED, S.READY, S.SENDING, S.IMPORTED)


def test_table_is_the_stated_one():
    for origin, targets in STATED.items():
        straight = {b for a, b in pairwise(STRAIGHT) if a is origin}
        assert MOVES[origin] == targets | straight, origin
    judged = {S.READY, S.WAITING, S.SUPERSEDED, S.QUARANTINED, S.HELD, S.DISCARDED}
    assert MOVES[S.RECEIVED] == judged
    assert not MOVES[S.IMPORTED]
    assert not MOVES[S.DISCARDED]
    assert set(MOVES) == set(State)


@pytest.mark.parametrize(("origin", "target"), list(product(State, State)))
def test_every_route_consists_of_moves(origin, target):
    try:
        way = (origin, *route(origin, target))
    except MoveRefused:
        return
    assert all(b in MOVES[a] for a, b in pairwise(way))
    assert set(way[1:-1]) <= {S.WAITING, S.RECEIVED}, "nothing is sent, held or settled on the way to something else"


def test_nothing_leads_out_of_imported_or_to_sending_but_from_ready():
    for state in State:
        with pytest.raises(MoveRefused):
            route(S.IMPORTED, state)
    for origin in set(State) - {S.READY}:
        with pytest.raises(MoveRefused):
            route(origin, S.SENDING)


def test_a_way_outside_the_table_is_refused():
    with pytest.raises(MoveRefused):
        check_way((S.READY, S.IMPORTED))


@dataclass(frozen=True)
class Seen:
    id: int
    state: str
    revision: int


def test_a_move_outside_the_table_changes_nothing(clerk):
    number = clerk.imported("1")
    before = clerk.row("1")
    with pytest.raises(MoveRefused):
        clerk.ledger.database.write(
            lambda tx: move(tx, lock(tx, [number]), State.RECEIVED, Cause(clerk.ctx, "because"))
        )
    assert clerk.row("1") == before


@pytest.mark.parametrize("stale", [{"revision": 99}, {"state": "ready"}])
def test_a_move_needs_state_and_revision_as_they_were_read(clerk, stale):
    clerk.receive(offer("1"), offer("2"))
    works = [clerk.work("1"), clerk.work("2")]
    seen = [Seen(w.id, w.state, w.revision) for w in works]
    seen[1] = replace(seen[1], **stale)
    events = clerk.events("1"), clerk.events("2")
    with pytest.raises(StaleRevision):
        clerk.ledger.database.write(lambda tx: move(tx, seen, State.HELD, Cause(clerk.ctx, "because", "because")))
    assert (clerk.events("1"), clerk.events("2")) == events, "not even the rows that were not stale"
    with pytest.raises(StaleRevision):
        clerk.ledger.database.write(lambda tx: change(tx, seen, {w.id: {"customer_po": "x"} for w in seen}))


def test_events_say_from_to_when_run_who_and_why(clerk):
    number = clerk.all_ready("1")[0]
    clerk.claim(number)
    clerk.settle(number, Outcome.REJECTED, status=400, code="5007")
    last = clerk.row("1")["events"][-1]
    assert (last["from_state"], last["to_state"], last["run"], last["who"]) == ("sending", "rejected", "run-1", "run")
    assert last["why"] == "http_400_5007"
    assert last["at"].tzinfo is not None
    assert last["revision"] == clerk.work("1").revision
    revisions = [e["revision"] for e in clerk.row("1")["events"]]
    assert revisions == sorted(set(revisions))
