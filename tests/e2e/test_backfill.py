"""A backfill of the order DAG: the same tasks with a run of type backfill, whose interval is then to be trusted.

``dag.test`` makes no backfill runs, so the tasks' functions are called in their order with such a run's context.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

PIPELINE = "supercat_to_shopatron"


@dataclass
class Instance:
    """What the tasks of one run push and pull."""

    kept: dict[tuple[str, str], Any] = field(default_factory=dict)
    task_id: str = ""
    try_number: int = 1

    def xcom_push(self, key: str, value: Any) -> None:
        self.kept[self.task_id, key] = value

    def xcom_pull(self, task_ids: str, key: str = "return_value") -> Any:
        return self.kept.get((task_ids, key))

    def get_task_states(self, dag_id: str, run_ids: list[str]) -> dict[str, Any]:
        return {}


def backfill(run_id: str, start: datetime, end: datetime) -> dict[str, Any]:
    """All tasks of one backfill run; what the report's task returned."""
    from airflow.sdk.exceptions import AirflowSkipException

    from order_relay.airflow.jobs import orders

    ti = Instance()
    run = SimpleNamespace(
        dag_id=PIPELINE, run_id=run_id, run_type="backfill", data_interval_start=start, data_interval_end=end
    )
    events: Any = defaultdict(SimpleNamespace)
    context: Any = {"ti": ti, "dag_run": run, "params": {}, "outlet_events": events}

    def task(name: str, *inputs: Any) -> Any:
        ti.task_id = name
        ti.kept[name, "return_value"] = value = getattr(orders, name)(PIPELINE, context, *inputs)
        return value

    batch = task("extract")
    try:
        chunks = task("transform", task("dedupe", task("validate", batch)))
        ti.kept["load", "return_value"] = [orders.load(PIPELINE, context, chunk) for chunk in chunks]
    except AirflowSkipException:
        ti.kept["load", "return_value"] = []
    task("acknowledge")
    result: dict[str, Any] = task("report")
    return result


@pytest.fixture(scope="module")
def world(make_world: Callable[..., Any]) -> Any:
    world = make_world(orders=12, seed=7)
    assert world.run().state == "success"
    return world


def reads(report: dict[str, Any]) -> dict[str, Any]:
    """Requests that read or import. A superseded order that was judged again is acknowledged again: harmless."""
    return {
        route: seen
        for route, seen in report["requests"].items()
        if not route.endswith("/new_orders") or route.startswith("GET")
    }


def test_an_imported_interval_is_sent_no_second_time(world: Any) -> None:
    now = datetime.now(UTC)
    before, states = world.sandbox.report(), world.states()
    for number in range(2):
        backfill(f"backfill__2026-11-2{number}T00:00:00+00:00", now - timedelta(days=1), now + timedelta(days=1))
        after = world.sandbox.report()
        assert after["posts"] == before["posts"]
        assert (after["doubled"], after["acknowledged_early"]) == ([], [])
        assert reads(after) == reads(before), "the archive is read, nobody is asked"
        assert world.states() == states, "what was quarantined, held and superseded ends where it was"


def test_refused_orders_are_evaluated_again(world: Any) -> None:
    """A quarantined order of the interval goes through the whole way again, and gets its events."""
    (one, *_) = [row for row in world.rows() if row["state"] == "quarantined"]
    events = world.ask(f"SELECT to_state, run FROM event WHERE submission_id = {one['id']} ORDER BY id")
    assert [event["to_state"] for event in events[-2:]] == ["received", "quarantined"]
    assert all(event["run"].startswith("backfill__") for event in events[-2:])


def test_an_interval_without_batches_is_reported(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    states = world.states()
    with caplog.at_level("INFO"):
        backfill("backfill__2020-01-01T00:00:00+00:00", long_ago, long_ago + timedelta(days=1))
    assert any("no archived order" in record.getMessage() for record in caplog.records), caplog.text
    assert world.states() == states
