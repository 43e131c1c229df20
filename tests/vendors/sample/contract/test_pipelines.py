"""Runs of each sample pipeline between two stand-ins, audited by them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.support.ledger_rows import let_leases_end
from tests.vendors.sample import CONFIG
from tests.vendors.sample.conftest import Trial
from tests.vendors.sample.orders import odd_order

Start = Callable[..., Trial]

PIPELINES = sorted(path.stem for path in CONFIG.glob("*.yaml"))
IDEMPOTENT = [name for name in PIPELINES if not name.endswith("shopatron")]
WRONG = ("doubled", "versions_doubled", "missing", "lost", "acknowledged_early", "unexpected", "totals_differ")


def wrong(trial: Trial) -> dict[str, Any]:
    found = trial.audit()
    return {name: found[name] for name in WRONG if found[name]}


def written(trial: Trial) -> Counter[str]:
    """Requests that change something at one of the vendors."""
    requests = trial.sandbox.report()["requests"]
    return Counter({name: sum(n.values()) for name, n in requests.items() if "GET" not in name and "oken" not in name})


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_each_order_once_and_a_second_run_sends_and_acknowledges_nothing(
    trial: Start, pipeline: str, ledger_url: str
) -> None:
    here = trial(pipeline, 12, ledger_url)
    here.run()
    once = written(here)
    assert once
    assert wrong(here) == {}
    assert len(here.audit()["acknowledged"]) == 12
    here.run()
    here.run()
    assert written(here) == once
    assert set(here.sandbox.report()["posts"].values()) == {1}


@pytest.mark.parametrize("pipeline", [name for name in PIPELINES if name.startswith("sample")])
def test_totals_are_the_same_at_both_ends(trial: Start, pipeline: str) -> None:
    made = [odd_order(random.Random(number), number) for number in range(1, 41)]
    here = trial(pipeline, made)
    here.run()
    assert wrong(here) == {}
    stored = here.sandbox.report()["orders"]
    assert {key: Decimal(order["total"]) / 100 for key, order in stored.items()} == {
        order["number"]: Decimal(order["total"]) for order in made
    }


@pytest.mark.parametrize("pipeline", IDEMPOTENT)
@pytest.mark.parametrize("when", ["after", "before"])
def test_a_lost_answer_is_settled_by_sending_again(trial: Start, pipeline: str, when: str) -> None:
    """``after``: the order was stored. A search, if there is one, finds it; else it is sent under the same key."""
    destination = pipeline.partition("_to_")[2]
    here = trial(
        pipeline, 4, **{destination: {"spoil": [{"purpose": "import", "answer": 503, "when": when, "first": 1}]}}
    )
    here.run()
    assert Counter(here.engine.states().values())["in_doubt"] == 1
    for _ in range(2):
        let_leases_end(here.engine.ledger)
        here.run()
    assert set(here.engine.states().values()) <= {"imported", "superseded"}
    assert wrong(here) == {}
    again = 1 if destination == "sample" or when == "before" else 0
    assert sorted(here.sandbox.report()["posts"].values())[-1] == (1 + again if when == "after" else 1)


def test_an_edit_after_the_import_is_held(trial: Start) -> None:
    made = [odd_order(random.Random(number), number) for number in range(1, 4)]
    here = trial("sample_to_shipstation", made)
    here.run()
    before = here.sandbox.bodies("5002")
    here.sandbox.offer([made[1] | {"customer_note": "Please deliver to my neighbour"}])
    here.run()
    assert here.engine.states() == {"1": "imported", "2": "held", "3": "imported"}
    assert here.sandbox.bodies("5002") == before
    assert here.sandbox.report()["posts"]["5002"] == 1


@pytest.mark.parametrize("status", ["cancelled", "on-hold"])
def test_an_order_that_is_not_paid_is_not_sent(trial: Start, status: str) -> None:
    here = trial("sample_to_sample", [odd_order(random.Random(1), 1) | {"status": status}])
    here.run()
    assert here.engine.states() == {}
    assert here.audit()["imported"] == {}
