"""Trouble while the files of a history import are fetched: what its tasks alert, without a scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow import connections
from order_relay.airflow.jobs import history
from order_relay.airflow.notify import notifiers
from order_relay.connections import Connection
from order_relay.errors import RunFailedError, TransientError
from order_relay.ledger import Ledger, migrate
from order_relay.pipeline.fulfilment.status_fetch import RemoteFile
from order_relay.pipeline.settings.locations import CONFIG_VARIABLE, config_folder

PIPELINE = "orderfiles_to_shopatron"
LIMIT = 100
FIELDS = {"token_url": "http://127.0.0.1:9/token", "manufacturer_id": 1, "catalog_id": 0}


class Server:
    """A folder of a file server that can be unreachable."""

    def __init__(self) -> None:
        self.listed: list[RemoteFile] = []
        self.reachable = True

    def open(self, _connection: str, _folder: str) -> AbstractContextManager[Any]:
        if not self.reachable:
            raise TransientError("connection 'order_server': the server cannot be reached")
        return nullcontext(self)

    def files(self) -> list[RemoteFile]:
        return self.listed


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    monkeypatch.setattr(history, "open_file_server", made.open)
    return made


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    migrate(url)
    shipped = (config_folder() / "supercat_to_shopatron.yaml").read_text()
    changed = shipped.replace("supercat", "orderfiles").replace("mode: shadow", "mode: live")
    changed += f"\nfiles:\n  size_limit_bytes: {LIMIT}\n  fetch: {{connection: order_server, pattern: '*.csv'}}\n"
    (tmp_path / f"{PIPELINE}.yaml").write_text(changed)
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path))
    found = {
        "orderfiles_default": Connection("orderfiles_default", extra={"origin": "old-shop"}),
        "shopatron_default": Connection("shopatron_default", "http://127.0.0.1:9", "user", "secret", extra=FIELDS),
    }
    monkeypatch.setattr(connections, "ledger_url", lambda: url)
    monkeypatch.setattr(connections, "store_url", (tmp_path / "batches").as_uri)
    monkeypatch.setattr(connections, "connection", found.__getitem__)
    monkeypatch.setattr(notifiers, "deliver", lambda _note: None)
    with closing(Ledger.open(url)) as opened:
        yield opened


def context(task: str, **states: str) -> Any:
    run = SimpleNamespace(dag_id="history_import", run_id="manual__1", run_type="manual", triggering_user_name="ann")
    ti = SimpleNamespace(
        task_id=task, map_index=-1, try_number=1, get_task_states=lambda dag_id, run_ids: {run_ids[0]: states}
    )
    return {"dag_run": run, "params": {"pipeline": PIPELINE}, "ti": ti}


def test_files_that_cannot_be_fetched_are_alerted_until_they_can(ledger: Ledger, server: Server) -> None:
    server.listed = [RemoteFile("old.csv", LIMIT + 1, "")]
    with pytest.raises(AirflowSkipException):
        history.plan(context("plan"))
    [alert] = ledger.alerts.unresolved()
    assert (alert["pipeline"], alert["kind"], alert["size"]) == (PIPELINE, "files_left", 1)
    assert "'old.csv': has 101 bytes, more than files.size_limit_bytes (100)" in alert["text"]
    server.listed = []
    with pytest.raises(AirflowSkipException):
        history.plan(context("plan"))
    assert ledger.alerts.unresolved() == []


def test_a_server_that_cannot_be_reached_fails_the_run_and_is_alerted(ledger: Ledger, server: Server) -> None:
    server.reachable = False
    with pytest.raises(TransientError):
        history.plan(context("plan"))
    with pytest.raises(RunFailedError, match="failed: plan; connection 'order_server': the server cannot be reached"):
        history.report(context("report", plan="failed", import_slices="upstream_failed"), None)
    [alert] = ledger.alerts.unresolved()
    assert (alert["pipeline"], alert["kind"]) == (PIPELINE, "run_failed")
    assert "plan: connection 'order_server': the server cannot be reached" in alert["text"]
