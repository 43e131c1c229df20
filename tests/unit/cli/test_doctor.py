"""The `doctor` command on a real ledger and batch store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from order_relay.airflow.installation import Installation
from order_relay.batches.store import BatchStore
from order_relay.connections import Connection
from order_relay.errors import ConfigurationError
from order_relay.ledger import Ledger
from order_relay.pipeline.runs.stop_switch import StopSwitch
from order_relay.pipeline.settings.pipeline import pipeline_files
from tests.support.command_line import PIPELINE, as_json, call


def test_the_doctor_checks_all_components(ledger: Ledger, store: BatchStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Installation, "store_url", store.url)
    monkeypatch.setattr(Installation, "paused_dags", lambda self: {"watch": True})
    monkeypatch.setattr(Installation, "stop_switch", StopSwitch())
    answer = as_json("doctor", "--no-vendors")
    assert answer["ok"] is True
    checks = {f["check"] for f in answer["findings"]} - {f"pipeline {name}" for name in pipeline_files()}
    assert {name for name in checks if not name.startswith("DAG ")} == {
        "pipelines",
        "ledger",
        "accounting check",
        "batch store",
        "stop switch",
        "DAGs",
        "alerts",
    }
    assert next(f["found"] for f in answer["findings"] if f["check"] == "DAG watch").startswith("paused")
    assert list(store.list("doctor")) == []


def test_the_doctor_reports_a_read_only_store(
    ledger: Ledger, store: BatchStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(Installation, "store", BatchStore((tmp_path / "file").as_uri()))
    answer = as_json("doctor", "--no-vendors", code=1)
    assert [f["check"] for f in answer["findings"] if f["level"] == "fail"] == ["batch store"]


def test_the_doctor_reports_missing_connections(
    ledger: Ledger, store: BatchStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(self: Installation, conn_id: str) -> Any:
        raise ConfigurationError(f"connection {conn_id!r} is not defined")

    monkeypatch.setattr(Installation, "store_url", store.url)
    monkeypatch.setattr(Installation, "connection", missing)
    answer = as_json("doctor", "--pipeline", PIPELINE, code=1)
    failed = [f["check"] for f in answer["findings"] if f["level"] == "fail"]
    assert failed == ["connection supercat_default", "connection shopatron_default"]
    skipped = {f["check"]: f["found"] for f in answer["findings"] if f["level"] == "skip"}
    assert "same cause as 'connection supercat_default'" in skipped[f"pipeline {PIPELINE}"]
    assert call("doctor", "--pipeline", PIPELINE).stdout.splitlines()[-1].startswith("2 errors, ")


def test_the_doctor_skips_unused_pipelines(ledger: Ledger, store: BatchStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_but_supercat(self: Installation, conn_id: str) -> Any:
        if conn_id == "supercat_default":
            return Connection(conn_id, host="https://supercat.example")
        raise ConfigurationError(f"connection {conn_id!r} is not defined")

    monkeypatch.setattr(Installation, "store_url", store.url)
    monkeypatch.setattr(Installation, "connection", none_but_supercat)
    findings = as_json("doctor", code=1)["findings"]
    assert "connection supercat_default" in {f["check"] for f in findings if f["level"] == "fail"}
    found = [f["found"] for f in findings if f["check"] == "pipeline cloudsuite_to_shopatron"]
    assert any("not in use" in arguments and "cloudsuite_default" in arguments for arguments in found)
