"""Lost responses and unreliable searches: each order is imported once, or left in doubt for an operator.

The destination of these trials takes every order it is sent, a second time too: nothing but our own care keeps it from
doubling. Each trial loses every kind of answer once; ``make prove`` also varies how the destination treats doubles.
"""

from __future__ import annotations

import pytest

from tests.support.faults.case import Case
from tests.support.faults.cases import share
from tests.support.faults.forks import Forks
from tests.support.trials.lost_answers import EFFECTS, sample


@pytest.mark.parametrize("effect", EFFECTS)
def test_lost_answers(case: Case, forks: Forks, effect: str) -> None:
    trials = [{"case": case.name, **trial} for trial in share(case, sample(case)) if trial["effect"] == effect]
    results = forks.run("lost_answers:lose", trials)
    assert [(r["search"], r["effect"], r["faults"]) for r in results if r["faults"]] == []
    assert all(r["verdict"]["stored"] >= r["tried"] for r in results if r["effect"] != "none")
