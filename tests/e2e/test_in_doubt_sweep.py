"""Orders whose answer was lost, and the DAG that asks what became of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

SWEEP = "in_doubt_sweep"
LOST = {"shopatron": {"faults": [{"at": "import", "effect": "done", "answer": "cut", "every": 2, "times": 1}]}}


def make_due(world: Any) -> None:
    """As if hours had passed."""
    world.change("UPDATE submission SET due_at = '2026-01-01 00:00:00.000000' WHERE state = 'in_doubt'")
    world.change("UPDATE attempt SET sent_at = '2026-01-01 00:00:00.000000'")
    world.change("UPDATE submission SET first_sent_at = '2026-01-01 00:00:00.000000' WHERE first_sent_at IS NOT NULL")


def test_with_nothing_due_it_is_skipped(make_world: Callable[..., Any]) -> None:
    world = make_world(orders=0)
    run = world.run(SWEEP)
    assert run.state == "success"
    assert set(run.tasks.values()) == {"skipped"}
    assert world.sandbox.report()["requests"] == {}


def test_stored_orders_are_found(make_world: Callable[..., Any]) -> None:
    world = make_world(orders=12, scenario=LOST)
    assert world.run().state == "success"
    assert world.states()["in_doubt"] > 0
    run = world.run(SWEEP)
    assert run.state == "success"
    assert run.labels["look_up[0]"] == "supercat_to_shopatron"
    assert world.states()["in_doubt"] == 0
    audit = world.sandbox.report()
    assert (audit["doubled"], audit["imported"]) == ([], world.states()["imported"])


def test_an_operator_is_alerted_after_the_configured_time(
    make_world: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(orders=12, scenario=LOST)
    world.connect(shopatron={"extra": {"search_by": "none"}})
    assert world.run().state == "success"
    doubtful = {row["order_number"] for row in world.rows() if row["state"] == "in_doubt"}
    assert doubtful
    make_due(world)
    with caplog.at_level("WARNING"):
        run = world.run(SWEEP)
    assert run.state == "success"
    messages = [record.getMessage() for record in caplog.records]
    overdue = [text for text in messages if "been without a confirmed import for more than" in text]
    assert len(overdue) == 1
    assert all(number in overdue[0] for number in doubtful)
    assert world.states()["in_doubt"] == len(doubtful), "nobody decides by time"
    assert set(world.run(SWEEP).tasks.values()) == {"skipped"}, "the next look-up is minutes away"
