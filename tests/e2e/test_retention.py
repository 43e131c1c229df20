"""The DAG that removes what is settled, in real Airflow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from order_relay.pipeline.settings.locations import CONFIG_VARIABLE, config_folder


def test_one_run(make_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = make_world(orders=8)
    shipped = config_folder() / "supercat_to_shopatron.yaml"
    (tmp_path / shipped.name).write_text(shipped.read_text() + "\nretention: {ledger_days: 1, archive_days: 1}\n")
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path))
    assert world.run().state == "success"
    for column, table in (("changed_at", "submission"), ("ack_at", "submission"), ("fetched_at", "batch")):
        world.change(f"UPDATE {table} SET {column} = '2026-01-01 00:00:00.000000' WHERE {column} IS NOT NULL")
    before = world.states()
    listed = world.run("retention", dry_run=True)
    assert listed.xcoms["remove", "return_value", 0]["dry_run"] == 1
    run = world.run("retention")
    assert (listed.state, run.state) == ("success", "success")
    counts = run.xcoms["remove", "return_value", 0]
    assert (counts["batches"], counts["run_objects"], counts["failed"]) == (1, 0, 0)
    assert counts["submissions"] == listed.xcoms["remove", "return_value", 0]["submissions"] > 0
    assert world.states() == before
