"""A web shop whose details fail or vanish, and that cancels orders at any moment: none lost, none told afterwards.

``make prove`` tries every answer and moment in every way, on both databases.
"""

from __future__ import annotations

import pytest

from tests.support.faults.case import Case
from tests.support.faults.cases import CASES
from tests.support.faults.forks import Forks
from tests.support.trials import web_shop as shop_trials


@pytest.fixture(params=[case for case in CASES if case.feedback], ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    """A pair whose source shows single orders and wants to know what became of them."""
    chosen: Case = request.param
    return chosen


def test_orders_that_the_shop_cancels(case: Case, forks: Forks) -> None:
    ways = [*case.feedback] * len(shop_trials.MOMENTS)
    trials = [
        {"case": case.name, "moment": moment, "way": way}
        for moment, way in zip(shop_trials.MOMENTS, ways, strict=False)
    ]
    results = forks.run("web_shop:cancelled", trials)
    assert [(r["moment"], r["way"], r["faults"]) for r in results if r["faults"]] == []


def test_details_that_vanish(case: Case, forks: Forks) -> None:
    trial = {"case": case.name, "answer": shop_trials.VANISHING, "struck": [0, 4, 9]}
    results = forks.run("web_shop:unread", [trial])
    assert [r["faults"] for r in results if r["faults"]] == []
