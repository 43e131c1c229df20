"""Commands over all pipelines: one that is not set up, or whose file is wrong, does not keep the others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from order_relay.airflow.installation import Installation
from order_relay.airflow.jobs import reconcile
from order_relay.cli.app import app
from order_relay.errors import ConfigurationError
from order_relay.ledger import Ledger
from order_relay.orders.messages import RunContext
from order_relay.pipeline.lookup.diff import ReconciliationReport
from order_relay.wiring.pipeline import Wiring

ROOT = Path(__file__).resolve().parents[3]
USED, OTHER = "supercat_to_shopatron", "cloudsuite_to_shopatron"
NOW = datetime(2026, 5, 2, tzinfo=UTC)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two of the shipped files; the connections of none of them are defined."""
    folder = tmp_path / "config"
    folder.mkdir()
    for name in (USED, OTHER):
        shutil.copy(ROOT / "include" / "config" / f"{name}.yaml", folder)
    monkeypatch.setenv("ORDER_RELAY_CONFIG", str(folder))
    return folder


@pytest.fixture
def ledger(sqlite_url: str, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """One pipeline ran; the other never did."""

    def undefined(self: Installation, conn_id: str) -> Any:
        raise ConfigurationError(f"connection {conn_id!r} is not defined")

    monkeypatch.setattr(Installation, "connection", undefined)
    monkeypatch.setattr(Installation, "ledger_url", sqlite_url)
    monkeypatch.setattr(Installation, "store_url", (tmp_path / "store").as_uri())
    opened = Ledger.open(sqlite_url)
    opened.runs.bind(USED, "s", "d")
    opened.runs.begin(RunContext(USED, "r1"), "run", 0)
    yield opened
    opened.close()


@pytest.fixture
def oms(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An OMS with which everything agrees; which pipelines were compared."""
    asked: list[str] = []

    def compared(wiring: Wiring, run: str) -> tuple[ReconciliationReport, str]:
        asked.append(wiring.name)
        return ReconciliationReport(wiring.name, NOW, NOW), f"{wiring.name}/runs/{run}/reconcile.md"

    monkeypatch.setattr(reconcile, "write_comparison", compared)
    return asked


def call(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == code, (result.output, result.exception)
    return json.loads(result.output)


def test_reconcile_skips_and_names_pipelines_that_never_ran(ledger: Ledger, oms: list[str]) -> None:
    answer = call("reconcile")
    assert oms == [USED]
    assert answer["skipped"] == [OTHER]
    assert (answer["failed"], len(answer["pipelines"])) == ({}, 1)
    assert f"{OTHER}: skipped" in CliRunner().invoke(app, ["reconcile"]).output


def test_reconcile_compares_the_others_where_one_that_ran_cannot_be(
    ledger: Ledger, oms: list[str], files: Path
) -> None:
    ledger.runs.bind(OTHER, "s2", "d2")
    ledger.runs.begin(RunContext(OTHER, "r1"), "run", 0)
    (files / f"{OTHER}.yaml").write_text("source: {vendor: cloudsuite}\n")
    answer = call("reconcile", code=2)
    assert oms == [USED]
    assert list(answer["failed"]) == [OTHER]
    assert "connection: is missing" in answer["failed"][OTHER]
    assert call("reconcile", "--pipeline", USED)["failed"] == {}


def test_reconcile_reports_a_missing_connection(ledger: Ledger) -> None:
    answer = call("reconcile", code=2)
    assert "'supercat_default' is not defined" in answer["failed"][USED]


def test_retention_and_report_go_on_beside_a_wrong_file(ledger: Ledger, files: Path) -> None:
    (files / f"{OTHER}.yaml").write_text("source: [\n")
    removed = call("retention", "--dry-run", code=2)
    assert (list(removed["pipelines"]), list(removed["failed"])) == ([USED], [OTHER])
    assert call("report")["balanced"] is True
    assert call("report", "--source", "supercat")["pipelines"] == [USED]


def test_the_doctor_checks_the_others_beside_a_wrong_file(
    ledger: Ledger, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / f"{OTHER}.yaml").write_text("source: [\n")
    monkeypatch.setattr(Installation, "paused_dags", lambda self: {})
    monkeypatch.setenv("AIRFLOW_VAR_ORDER_RELAY_STOP", "false")
    failed = {f["check"] for f in call("doctor", code=1)["findings"] if f["level"] == "fail"}
    assert f"pipeline {OTHER}" in failed
    assert "connection supercat_default" in failed
    assert "pipelines" not in failed
