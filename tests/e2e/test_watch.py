"""What people are told, by runs that fail and by the DAG that watches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

WATCH = "watch"


def alerts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.endswith("airflow.notify.notifiers")]


def test_without_problems_or_runs_nothing_is_sent(
    make_world: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(orders=0)
    world.env.setenv("AIRFLOW_VAR_ORDER_RELAY_SUMMARY_AT", "never")
    run = world.run(WATCH)
    assert run.state == "success"
    assert run.tasks == {"look": "success", "summarize": "skipped"}
    assert alerts(caplog) == []
    assert world.sandbox.report()["requests"] == {}


def test_a_refused_login_is_reported_once_by_the_run_and_once_by_the_watch(
    make_world: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(orders=3)
    world.env.setenv("AIRFLOW_VAR_ORDER_RELAY_SUMMARY_AT", "never")
    world.connect(supercat={"password": "wrong"})
    for _ in range(2):
        assert world.run().state == "failed"
        assert world.run(WATCH).state == "success"
    failed, rests = alerts(caplog)
    assert "supercat_to_shopatron: run " in failed
    assert "extract" in failed
    assert "supercat_to_shopatron: suspended" in rests


def test_stuck_orders_are_reported_with_their_numbers_and_counted_in_the_summary(
    make_world: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(orders=6)
    world.env.setenv("AIRFLOW_VAR_ORDER_RELAY_STOP", "supercat")  # a mistake: it names no pipeline
    assert world.run().state == "success"
    assert world.sandbox.report()["posts"] == {}
    world.change("UPDATE submission SET changed_at = '2026-01-01 00:00:00.000000'")
    world.env.setenv("AIRFLOW_VAR_ORDER_RELAY_SUMMARY_AT", f"{datetime.now(UTC):%H:%M}")
    for _ in range(2):
        assert world.run(WATCH).state == "success"
    numbers = {row["order_number"] for row in world.rows() if row["state"] == "ready"}
    assert numbers
    (summary,) = [text for text in alerts(caplog) if "imported in the last 24 hours" in text]
    (mistyped,) = [text for text in alerts(caplog) if "'supercat'" in text and text != summary]
    assert "sending is stopped for all pipelines" in mistyped
    (stuck,) = [text for text in alerts(caplog) if "been ready for more than" in text and text != summary]
    assert all(number in stuck for number in numbers)
    assert f"- ready: {len(numbers)} " in summary
    names = {value for row in world.rows() for value in (row["customer_po"],) if value}
    assert not any(name in text for name in names for text in alerts(caplog))


def test_a_wrong_target_turns_the_watch_red(make_world: Callable[..., Any]) -> None:
    world = make_world(orders=3)
    world.env.setenv("AIRFLOW_VAR_ORDER_RELAY_SUMMARY_AT", "never")
    world.env.setenv("AIRFLOW_CONN_ORDER_RELAY_ALERTS", '{"conn_type": "ftp", "host": "x"}')
    world.connect(supercat={"password": "wrong"})
    assert world.run().state == "failed"
    world.change("UPDATE alert SET next_at = first_at")
    run = world.run(WATCH)
    assert run.state == "failed"
    assert run.tasks["look"] == "failed"
