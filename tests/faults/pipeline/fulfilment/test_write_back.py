"""Feedback to a source with killed workers, lost responses, and several concurrent workers."""

from __future__ import annotations

import pytest

from tests.support.faults.case import Case
from tests.support.faults.cases import CASES
from tests.support.faults.forks import Forks
from tests.support.trials.crashes import short_profile


@pytest.fixture(params=[case for case in CASES if case.feedback], ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    """A pair whose source wants to know what became of its orders."""
    chosen: Case = request.param
    return chosen


def test_killed_while_reporting(case: Case, forks: Forks) -> None:
    found = forks.run("feedback:discover", [{"case": case.name, "way": way} for way in case.feedback])
    points = short_profile(dict(zip(case.feedback, found, strict=True)))
    assert {"after ledger Feedback.claim", "after ledger Feedback.record_answers"} <= {point for _, point, _ in points}
    trials = [{"case": case.name, "way": way, "point": point, "number": number} for way, point, number in points]
    results = forks.run("feedback:crash", trials)
    assert [(r["way"], r["point"], r["number"], r["faults"]) for r in results if r["faults"] or not r["killed"]] == []


def test_lost_answers(case: Case, forks: Forks) -> None:
    trials = [{"case": case.name, "way": way, "effect": effect} for way in case.feedback for effect in ("done", "none")]
    results = forks.run("feedback:lose", trials)
    assert [(r["way"], r["effect"], r["faults"]) for r in results if r["faults"]] == []


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_several_workers(case: Case, databases, forks: Forks, kind: str) -> None:
    ways = list(case.feedback)[kind == "postgres" :: 2]  # make prove: all of them on both
    trials = [{"case": case.name, "way": way, "workers": 3, "ledger_url": databases(kind)} for way in ways]
    results = forks.run("feedback:together", trials)
    assert [(r["way"], r["faults"]) for r in results if r["faults"]] == []
