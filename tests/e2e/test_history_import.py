"""History imports on real Airflow: one run for a web shop's days, or for delivered files; then nothing is left."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from order_relay.airflow.jobs import history
from order_relay.pipeline.fulfilment.status_fetch import RemoteFile
from order_relay.pipeline.settings.locations import CONFIG_VARIABLE, config_folder
from order_relay_contract.trial import plain_orders

PIPELINE = "cloudsuite_to_shopatron"
FILES = "orderfiles_to_shopatron"


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


def test_files_of_a_server(make_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = make_world(orders=0, source="cloudsuite")
    shipped = (config_folder() / "supercat_to_shopatron.yaml").read_text()
    changed = shipped.replace("supercat", "orderfiles").replace("mode: shadow", "mode: live")
    changed += "\nfiles:\n  fetch: {connection: order_server, pattern: '*.jsonl', settled_s: 0}\n"
    (tmp_path / f"{FILES}.yaml").write_text(changed)
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path))
    monkeypatch.setenv(
        "AIRFLOW_CONN_ORDERFILES_DEFAULT", '{"conn_type": "orderfiles", "extra": {"origin": "old-shop"}}'
    )
    address = {"address1": "1 Main St", "city": "Springfield", "state": "IL", "postal_code": "62701", "country": "US"}
    party = {f"{side}_{name}": text for side in ("bill", "ship") for name, text in {**address, "name": "Ada"}.items()}
    order = {
        "submitted_at": "2024-03-17T09:30:00Z",
        "status": "CANCELLED",
        "subtotal": 10,
        "total": 10,
        "lines": [{"item_number": "MUG", "quantity": 1, "unit_price": 10}],
    }
    lines = [json.dumps({**order, **party, "order_number": name}) for name in ("A-1", "A-2")]
    server = _Server({"orders.jsonl": "\n".join(lines).encode(), "other.txt": b"x"})
    monkeypatch.setattr(history, "open_file_server", lambda _id, _folder: nullcontext(server))
    monkeypatch.setattr("order_relay.pipeline.history.files.SETTLED", timedelta(0))
    trial = world.run("history_import", pipeline=FILES, dry_run=True)
    assert set(trial.tasks.values()) == {"skipped"}, "a dry run fetches nothing"
    run = world.run("history_import", pipeline=FILES)
    assert (run.state, set(run.tasks.values())) == ("success", {"success"})
    counts = run.xcoms["report", "return_value", -1]
    assert (counts["slices"], counts["done"], counts["imported"]) == (1, 1, 2)
    assert world.objects(f"{FILES}/drops/*") == []
    again = world.run("history_import", pipeline=FILES)
    assert set(again.tasks.values()) == {"skipped"}


class _Server:
    """A folder of a file server, whose files stay there."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def files(self) -> list[RemoteFile]:
        return [RemoteFile(name, len(data), "") for name, data in self._files.items()]

    def read(self, file: RemoteFile, limit: int) -> bytes:
        return self._files[file.name][: limit + 1]
