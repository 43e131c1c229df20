"""Which pipelines' destinations are asked about their orders, and what one run of the task does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow import dags
from order_relay.airflow.jobs import oms_status
from order_relay.connections import Connection
from order_relay.ledger import migrate
from order_relay.wiring.pipeline import Wiring
from order_relay_sandbox import serve_in_thread
from tests.support import airflow_home as own_airflow
from tests.support.engine import Engine

NAME = "supercat_to_shopatron"
ENABLED = "\noms_status: {enabled: true}\n"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    monkeypatch.setenv("ORDER_RELAY_CONFIG", str(folder))
    live = (own_airflow.live_files() / f"{NAME}.yaml").read_text()
    (folder / f"{NAME}.yaml").write_text(live)
    (folder / f"{NAME}__eu.yaml").write_text(live + ENABLED)
    return folder


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pipeline ran at least once."""

    @contextmanager
    def ledger() -> Iterator[Any]:
        yield SimpleNamespace(runs=SimpleNamespace(last_sequence=lambda _: 1))

    monkeypatch.setattr(oms_status, "open_ledger", ledger)


def test_only_pipelines_that_are_switched_on_are_asked(used: None, files: Path) -> None:
    with pytest.raises(AirflowSkipException, match="enabled: true"):
        oms_status.pipelines_to_ask("_to_shopatron")
    assert oms_status.pipelines_to_ask("_to_shopatron__eu") == [f"{NAME}__eu"]
    (files / f"{NAME}.yaml").write_text("mode: [\n")
    assert oms_status.pipelines_to_ask("_to_shopatron") == [NAME], "its own task names the key"


def test_one_dag_for_each_ending(files: Path) -> None:
    shutil.copy(files / f"{NAME}.yaml", files / "cloudsuite_to_shopatron.yaml")
    assert sorted(dags.oms_status_dags("shopatron", "x")) == ["shopatron_status", "shopatron_status__eu"]


def test_a_run_enrols_asks_and_counts(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (files / f"{NAME}.yaml").write_text((files / f"{NAME}__eu.yaml").read_text())
    with serve_in_thread({}, 3, seed=1, sources=["supercat"]) as sandbox:
        connections = {
            f"{name}_default": Connection(
                f"{name}_default", made["host"], made["login"], made["password"], extra=made["extra"]
            )
            for name, made in sandbox.connections().items()
        }
        url = f"sqlite:///{tmp_path}/ledger.sqlite"
        migrate(url)
        engine = Engine(tmp_path, connections, url, pipeline=NAME)
        engine.run("first")

        @contextmanager
        def wiring(pipeline: str) -> Iterator[Wiring]:
            yield engine.wiring

        monkeypatch.setattr(oms_status, "open_wiring", wiring)
        context: Any = {"dag_run": SimpleNamespace(run_id="manual__1")}
        first = {"pipeline": NAME, "new": 3, "asked": 3, "changed": 3, "open": 3}
        assert oms_status.ask(NAME, context) == first
        assert oms_status.ask(NAME, context) == {"pipeline": NAME, "new": 0, "open": 3}
        engine.wiring.close()
