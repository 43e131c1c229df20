"""Pairs with the sample vendors, whose destination creates or updates an order by its key.

``make prove`` tries every failpoint of every act for each of these pairs.
"""

from __future__ import annotations

import pytest

from tests.support.faults.case import Case
from tests.support.faults.cases import named
from tests.support.faults.forks import Forks
from tests.support.trials.lost_answers import EFFECTS


@pytest.fixture(params=["sample-sample", "supercat-sample"])
def pair(request: pytest.FixtureRequest) -> Case:
    return named(request.param)


def test_killed_at_a_request_or_commit_around_an_import(pair: Case, forks: Forks) -> None:
    steps = ("ledger Claims.claim", "destination import", "ledger Outcomes.record", pair.acknowledged_by)
    points = [f"{when} {step}" for step in steps for when in ("before", "after")]
    trials = [{"case": pair.name, "act": "first run", "point": point, "number": 1} for point in points]
    results = forks.run("crashes:crash", trials)
    assert [(r["point"], r["killed"], r["faults"]) for r in results] == [(point, True, {}) for point in points]


def test_lost_answers_are_settled_under_the_same_key(pair: Case, forks: Forks) -> None:
    trials = [{"case": pair.name, "search": "none", "effect": effect} for effect in EFFECTS]
    results = forks.run("lost_answers:lose", trials)
    assert [(r["faults"], r["verdict"]["in_doubt"]) for r in results] == [({}, [])] * len(EFFECTS)
    assert all(r["verdict"]["stored"] > r["tried"] for r in results)
