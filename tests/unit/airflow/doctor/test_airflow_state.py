"""Doctor on the stop switch, paused DAGs, lineage and shadow mode, and on a wrong file beside good ones."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from order_relay.airflow.dags import ACTIVE_FROM_START
from order_relay.airflow.doctor import airflow_state, storage
from order_relay.airflow.doctor.checks import Severity
from order_relay.airflow.installation import Installation
from order_relay.airflow.metadata import database, stored_values
from order_relay.errors import TransientError
from order_relay.pipeline.report.dag_effects import MISSING_WHILE_PAUSED
from order_relay.pipeline.runs.stop_switch import StopSwitch, read_switch

ROOT = Path(__file__).resolve().parents[4]
PIPELINE = "supercat_to_shopatron"
ACTIVE = dict.fromkeys((*ACTIVE_FROM_START, PIPELINE), False)


def outcome(monkeypatch: pytest.MonkeyPatch, states: dict[str, bool]) -> list[tuple[Severity, str, str]]:
    monkeypatch.setattr(Installation, "paused_dags", lambda self: states)
    found = airflow_state.dags(Installation(), [PIPELINE])
    return [(finding.level, finding.check, finding.found) for finding in found]


def test_every_dag_that_sends_nothing_has_a_line_of_its_own() -> None:
    assert set(MISSING_WHILE_PAUSED) == set(ACTIVE_FROM_START)


def test_all_active(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome(monkeypatch, ACTIVE) == [(Severity.OK, "DAGs", "6 of 6 are active")]


@pytest.mark.parametrize("name", ACTIVE)
def test_a_paused_dag_is_named_with_what_is_missing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (_, warned) = outcome(monkeypatch, {**ACTIVE, name: True})
    assert warned[:2] == (Severity.WARN, f"DAG {name}")
    assert warned[2].startswith("paused: ")


def test_a_dag_that_airflow_does_not_know_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    (_, warned) = outcome(monkeypatch, {name: paused for name, paused in ACTIVE.items() if name != "watch"})
    assert (warned[0], warned[1]) == (Severity.WARN, "DAG watch")
    ((level, check, _),) = outcome(monkeypatch, {"somebody_elses": False})
    assert (level, check) == (Severity.WARN, "DAGs")


def test_a_database_that_cannot_be_read_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "has_database", lambda: True)

    def broken() -> Any:
        raise OSError("no route to host")

    monkeypatch.setattr("airflow.utils.session.create_session", broken)
    (finding,) = airflow_state.dags(Installation(), [])
    assert (finding.level, finding.check) == (Severity.WARN, "DAGs")
    assert "cannot read which DAGs are paused" in finding.found
    assert "OSError" in finding.found
    monkeypatch.setattr(database, "has_database", lambda: False)
    with pytest.raises(TransientError, match="does not exist yet"):
        database.paused_dags()


@pytest.mark.parametrize(
    ("value", "level", "says"),
    [
        ("", Severity.OK, "not set"),
        ("false", Severity.OK, "not set"),
        ("true", Severity.WARN, "all pipelines"),
        (PIPELINE, Severity.WARN, f"stopped for {PIPELINE}"),
        ("supercat", Severity.FAIL, "'supercat'"),
    ],
)
def test_an_active_and_a_mistyped_stop(value: str, level: Severity, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Installation, "stop_switch", read_switch(value, [PIPELINE]))
    (finding,) = airflow_state.stop_switch(Installation())
    assert finding.level is level
    assert says in finding.found


def test_an_unreadable_stop_switch_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Any:
        raise TransientError("Variable order_relay_stop: Airflow's API server did not answer")

    monkeypatch.setattr("order_relay.airflow.metadata.stop_variable.read_variable_strictly", away)
    assert isinstance(Installation().stop_switch, StopSwitch)
    (finding,) = airflow_state.stop_switch(Installation())
    assert finding.level is Severity.FAIL
    assert "did not answer" in finding.found


def test_shadow_mode_and_a_wrong_file_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "include" / "config" / f"{PIPELINE}.yaml", tmp_path)
    (tmp_path / f"{PIPELINE}__broken.yaml").write_text("source: {vendor: supercat}\n")
    monkeypatch.setenv("ORDER_RELAY_CONFIG", str(tmp_path))
    findings = list(storage.pipelines(Installation()))
    assert any(f.level is Severity.WARN and "mode is shadow" in f.found for f in findings)
    (failed,) = (f for f in findings if f.level is Severity.FAIL)
    assert failed.check == f"pipeline {PIPELINE}__broken"
    assert "connection: is missing" in failed.found
    assert any(f.level is Severity.OK and str(tmp_path) in f.found for f in findings)


@pytest.mark.parametrize(
    ("variable", "setting"),
    [("AIRFLOW__OPENLINEAGE__TRANSPORT", "[openlineage] transport"), ("OPENLINEAGE_URL", "OPENLINEAGE_URL")],
)
def test_lineage_without_its_provider(variable: str, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "airflow.providers.openlineage", None)
    assert list(airflow_state.lineage()) == []
    monkeypatch.setenv(variable, '{"type": "console"}')
    (finding,) = airflow_state.lineage()
    assert (finding.level, finding.check) == (Severity.WARN, "lineage")
    assert finding.found.startswith(f"{setting} needs apache-airflow-providers-openlineage")
    assert "pip install 'order-relay[openlineage]'" in finding.found


def test_airflow_s_database_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "air flow.db"
    file.write_text("x")
    from airflow.sdk.configuration import conf

    monkeypatch.setattr(conf, "get", lambda *_, **__: f"sqlite:///{str(file).replace(' ', '%20')}")
    assert stored_values.has_database()
    file.unlink()
    assert not stored_values.has_database()
