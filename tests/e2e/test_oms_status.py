"""The DAG that asks the OMS what became of orders, in real Airflow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from order_relay.pipeline.settings.locations import CONFIG_VARIABLE
from tests.support.airflow_home import live_files

PIPELINE = "supercat_to_shopatron"


def test_what_became_of_orders_is_read_and_logged_until_they_are_finished(
    make_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(orders=3)
    assert world.run().state == "success"
    assert set(world.run("shopatron_status").tasks.values()) == {"skipped"}, "it is off by default"
    file = live_files() / f"{PIPELINE}.yaml"
    (tmp_path / file.name).write_text(file.read_text() + "\noms_status: {enabled: true}\n")
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path))
    shipped, cancelled, *_ = (row["destination_key"] for row in world.rows() if row["state"] == "imported")
    world.sandbox.post("/_shopatron/change", {"order": shipped, "ship": {"tracking": "1Z999"}})
    world.sandbox.post("/_shopatron/change", {"order": cancelled, "cancel": True})
    with caplog.at_level("INFO"):
        run = world.run("shopatron_status")
    assert (run.state, run.labels["ask[0]"]) == ("success", PIPELINE)
    counts = run.xcoms["ask", "return_value", 0]
    assert (counts["asked"], counts["cancelled"], counts["parcels"]) == (counts["new"], 1, 1)
    assert counts["open"] == counts["new"] - 2
    changed, left = counts["changed"], counts["open"]
    logged = f"{PIPELINE}: asked {counts['asked']}, cancelled 1, changed {changed}, parcels 1; {left} orders open"
    assert logged in {record.getMessage() for record in caplog.records}
    assert "1Z999" not in caplog.text
    again = world.run("shopatron_status").xcoms["ask", "return_value", 0]
    assert again == {"pipeline": PIPELINE, "new": 0, "open": counts["open"]}
