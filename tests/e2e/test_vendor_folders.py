"""Vendors, pipeline files and DAGs of a team's own repository (the sample vendors) on real Airflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.vendors.sample import CONFIG, DAGS, installed

PIPELINE = "sample_to_shipstation"


@pytest.fixture(scope="module")
def moved(make_world: Callable[..., Any]) -> Iterator[tuple[Any, Any]]:
    """Twelve orders, after one run."""
    with installed():
        world = make_world(orders=12, seed=3, source="sample")
        world.connect(shipstation={"extra": {"requests_per_minute": 0}})
        world.env.setenv("ORDER_RELAY_CONFIG", str(CONFIG))
        world.take_dags(DAGS)
        yield world, world.run(PIPELINE)


def test_every_order_is_stored_once_and_to_the_cent(moved: tuple[Any, Any]) -> None:
    world, run = moved
    assert (run.state, set(run.tasks.values())) == ("success", {"success"}), run.tasks
    assert world.states() == {"imported": 12}
    audit = world.sandbox.pair("sample", "shipstation")
    assert list(audit["imported"].values()) == [1] * 12
    assert set(audit["acknowledged"]) == set(audit["imported"])
    assert [audit[name] for name in ("doubled", "missing", "totals_differ", "acknowledged_early")] == [[], [], {}, []]


def test_a_second_run_sends_nothing_again(moved: tuple[Any, Any]) -> None:
    world, _ = moved
    before = world.sandbox.report()["posts"]
    assert world.run(PIPELINE).state == "success"
    assert world.sandbox.report()["posts"] == before
    assert set(before.values()) == {1}
