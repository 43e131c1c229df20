"""The DAG that compares ledger and OMS, in real Airflow."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from order_relay.ledger import Ledger


def test_a_missing_order_is_reported(make_world: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    world = make_world(orders=8)
    assert set(world.run("reconcile").tasks.values()) == {"skipped"}, "no pipeline ever ran"
    assert world.run().state == "success"
    world.change(
        "UPDATE submission SET destination_key = 'GONE', imported_at = '2026-01-01 00:00:00.000000' "
        "WHERE id = (SELECT min(id) FROM submission WHERE state = 'imported')"
    )
    hours_ago = "strftime('%Y-%m-%d %H:%M:%S.000000', 'now', '-3 hours')"  # visible at the OMS since then
    world.change(f"UPDATE submission SET imported_at = {hours_ago} WHERE state = 'imported'")
    before = world.states()
    with caplog.at_level("WARNING"):
        run = world.run("reconcile")
    assert run.state == "success"
    assert run.labels["compare[0]"] == "supercat_to_shopatron"
    counts = run.xcoms["compare", "return_value", 0]
    assert (counts["missing"], counts["doubled"], counts["unsure"]) == (1, 0, 0)
    with closing(Ledger.open(f"sqlite:///{world.home}/order_relay/ledger.sqlite")) as ledger:
        (last,) = ledger.completed_checks.latest("reconcile").values()
    assert (last.facts["missing"], last.facts["breaches"]) == (1, 0)
    assert any("GONE: missing" in record.getMessage() for record in caplog.records)
    assert world.states() == before


def test_the_whole_ledger_is_checked(make_world: Callable[..., Any]) -> None:
    world = make_world(orders=3)
    assert world.run().state == "success"
    assert world.run("reconcile").state == "success"
    world.change("UPDATE submission SET oms_id = NULL WHERE id = (SELECT min(id) FROM submission WHERE oms_id <> '')")
    assert world.run().state == "success", "a run checks what it changed"
    run = world.run("reconcile")
    assert run.state == "failed"
    assert "compare" in {task.partition("[")[0] for task, state in run.tasks.items() if state == "failed"}
