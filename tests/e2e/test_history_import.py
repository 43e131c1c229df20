"""A web shop's past on real Airflow: one run for a range of days, then nothing is left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from order_relay.pipeline.settings.locations import CONFIG_VARIABLE, config_folder
from order_relay_contract.trial import plain_orders

PIPELINE = "cloudsuite_to_shopatron"


def test_one_run(make_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = make_world(orders=0, source="cloudsuite")
    shipped = (config_folder() / f"{PIPELINE}.yaml").read_text()
    changed = shipped.replace("\ntransform:\n", '\ntransform:\n  assigned_location: "1"\n  use_inventory: false\n')
    (tmp_path / f"{PIPELINE}.yaml").write_text(changed)
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path))
    day = datetime.now(UTC) - timedelta(days=2)
    orders = [
        {**order, "state": state, "confirm_date": day.isoformat()}
        for order, state in zip(plain_orders("cloudsuite", 3), ("done", "processing", "cancel"), strict=True)
    ]
    world.sandbox.offer(orders, source="cloudsuite")
    days = {"first_day": f"{day:%Y-%m-%d}", "last_day": f"{day + timedelta(days=1):%Y-%m-%d}"}
    trial = world.run("history_import", pipeline=PIPELINE, dry_run=True, **days)
    assert (trial.state, world.rows()) == ("success", [])
    run = world.run("history_import", pipeline=PIPELINE, **days)
    assert (run.state, set(run.tasks.values())) == ("success", {"success"})
    counts = run.xcoms["report", "return_value", -1]
    assert (counts["done"], counts["imported"]) == (2, 3)
    assert sorted(row["sent_as"] for row in world.rows()) == ["CANCELLED", "READY", "SHIPPED"]
    reports = [report.read_text() for report in world.objects("*/runs/*/report.md")]
    assert sum("2 of 2 slices done; complete" in text for text in reports) == 2
    again = world.run("history_import", pipeline=PIPELINE, **days)
    assert again.state == "success"
    assert set(again.tasks.values()) == {"skipped"}
