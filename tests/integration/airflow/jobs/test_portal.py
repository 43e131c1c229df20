"""The task that writes files for a sales portal, against a real SFTP server; who is switched on; and doctor's check."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow.doctor.checks import Severity
from order_relay.airflow.doctor.portal import portal_files
from order_relay.airflow.incoming.remote_files import open_upload_server
from order_relay.airflow.installation import Installation
from order_relay.airflow.jobs import feedback
from order_relay.batches import BatchStore
from order_relay.errors import ConfigurationError
from order_relay.ledger import Ledger
from order_relay.pipeline.fulfilment.status_fetch import FileSkipped, RemoteFile
from tests.support.archived_orders import CONNECTIONS, PIPELINE, Relay, plain_orders
from tests.support.portal_folder import rows
from tests.support.sftp_server import PASSWORD, USER, sftp, sftp_extra

CONFIG = Path(__file__).parents[4] / "include" / "config" / f"{PIPELINE}.yaml"


@pytest.fixture
def portal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "home" / "data"
    folder.mkdir(parents=True)
    with sftp(folder.parent) as port:
        connection = {"conn_type": "sftp", "host": "127.0.0.1", "port": port, "login": USER, "password": PASSWORD}
        monkeypatch.setenv("AIRFLOW_CONN_SALES_PORTAL", json.dumps({**connection, "extra": sftp_extra()}))
        yield folder


def switch(folder: Path, monkeypatch: pytest.MonkeyPatch, section: str, mode: str = "live") -> None:
    (folder / "config").mkdir(exist_ok=True)
    text = CONFIG.read_text().replace("mode: shadow", f"mode: {mode}", 1)
    (folder / "config" / f"{PIPELINE}.yaml").write_text(f"{text}\nportal_files: {section}\n")
    monkeypatch.setenv("ORDER_RELAY_CONFIG", str(folder / "config"))


@pytest.fixture
def relay(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """An installation whose orders were imported some minutes ago."""
    store = (tmp_path / "batches").as_uri()
    oms = replace(CONNECTIONS["shopatron_default"], host="https://oms.example")
    known = {**CONNECTIONS, "shopatron_default": oms}
    monkeypatch.setattr("order_relay.airflow.connections.ledger_url", lambda: sqlite_url)
    monkeypatch.setattr("order_relay.airflow.connections.store_url", lambda: store)
    monkeypatch.setattr("order_relay.airflow.connections.connection", known.__getitem__)
    ledger = Ledger.open(sqlite_url)
    made = Relay(ledger, BatchStore(store))
    with monkeypatch.context() as earlier:
        past = datetime.now(UTC) - timedelta(minutes=5)
        earlier.setattr("order_relay.ledger.store.database.read_clock", lambda _: past)
        made.imported(*plain_orders(2))
    yield made
    ledger.close()


def run() -> dict[str, Any]:
    return feedback.write_portal(PIPELINE, cast("Any", {"dag_run": SimpleNamespace(run_id="r")}))


@pytest.mark.usefixtures("relay")
def test_it_is_off_until_it_is_switched_on_in_live_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for section, mode in (("{}", "live"), ("{enabled: false}", "live"), ("{enabled: true}", "shadow")):
        switch(tmp_path, monkeypatch, section, mode)
        with pytest.raises(AirflowSkipException):
            feedback.portal_pipelines("supercat_to_")
        assert run() == {"pipeline": PIPELINE}  # planned before it was switched off
    switch(tmp_path, monkeypatch, "{enabled: perhaps}")
    assert feedback.portal_pipelines("supercat_to_") == [PIPELINE]
    with pytest.raises(ConfigurationError, match=r"portal_files\.enabled"):
        run()
    switch(tmp_path, monkeypatch, "{enabled: true}")
    assert feedback.portal_pipelines("supercat_to_") == [PIPELINE]


@pytest.mark.usefixtures("relay")
def test_files_arrive_at_the_server(portal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    switch(tmp_path, monkeypatch, "{enabled: true}")
    numbers = [order["order_number"] for order in plain_orders(2)]
    lines = sum(len(order["items"]) for order in plain_orders(2))
    assert run() == {"pipeline": PIPELINE, "order_data.csv_written": lines}
    assert list(dict.fromkeys(row["OrderNumber"] for row in rows((portal / "order_data.csv").read_bytes()))) == numbers
    assert [path.name for path in portal.iterdir()] == ["order_data.csv"]
    assert run() == {"pipeline": PIPELINE, "order_data.csv_waiting": 1}
    (portal / "order_data.csv").write_bytes(b"from the ERP")
    with pytest.raises(ConfigurationError, match="wrote last"):
        run()
    assert (portal / "order_data.csv").read_bytes() == b"from the ERP"


def test_no_upload_replaces_a_file(portal: Path) -> None:
    with open_upload_server("sales_portal", "/data") as server:
        server.write("part", b"ours")
        (portal / "order_data.csv").write_bytes(b"theirs")
        with pytest.raises(FileSkipped):
            server.move(RemoteFile("part", 4, ""), "/data", "order_data.csv")
    assert (portal / "order_data.csv").read_bytes() == b"theirs"


def test_a_wrong_connection_or_folder_is_named(portal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        pytest.raises(ConfigurationError, match=r"'/none' \(portal_files.folder\)"),
        open_upload_server("sales_portal", "/none") as server,
    ):
        server.files()
    monkeypatch.setenv("AIRFLOW_CONN_SALES_PORTAL", json.dumps({"conn_type": "ftp", "host": "127.0.0.1"}))
    for name, problem in (("sales_portal", "type must be sftp"), ("nowhere", "is not defined")):
        with (
            pytest.raises(ConfigurationError, match=rf"'{name}' \(portal_files.connection\):? {problem}"),
            open_upload_server(name, "/data"),
        ):
            pass


@pytest.mark.usefixtures("relay")
def test_doctor_lists_the_folder(portal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (portal / "order_data.csv").write_bytes(b"x")
    switch(tmp_path, monkeypatch, "{enabled: true}")
    listed, statuses, there = portal_files(Installation(), PIPELINE)
    assert (listed.level, "lists 1 files in /data" in listed.found) == (Severity.OK, True)
    assert (statuses.level, "oms_status is off" in statuses.found) == (Severity.WARN, True)
    assert "order_data.csv is there" in there.found
