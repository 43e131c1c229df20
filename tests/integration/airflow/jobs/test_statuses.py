"""From a refused row to the alert: what the task of a status account does, without a scheduler."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from order_relay.airflow import connections
from order_relay.airflow.jobs import statuses
from order_relay.airflow.notify import notifiers
from order_relay.connections import Connection
from order_relay.ledger import Delivery, Ledger, migrate
from tests.support import airflow_home as own_airflow

ACCOUNT = "acommerce_status"
BAD = "orderId,status,eventId\nN-1,NEW,e-1\n6.12206E+11,NEW,e-2\n"


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    migrate(url)
    login = Connection(
        "acommerce_default",
        "http://127.0.0.1:9",
        "user",
        "key",
        extra={
            "channel": "demo",
            "auth_url": "http://127.0.0.1:9",
            "hook_secret": "hush",
        },
    )
    monkeypatch.setenv("ORDER_RELAY_CONFIG", str(own_airflow.ROOT / "include" / "config"))
    monkeypatch.setattr(connections, "ledger_url", lambda: url)
    monkeypatch.setattr(connections, "store_url", (tmp_path / "batches").as_uri)
    monkeypatch.setattr(connections, "connection", lambda _: login)
    with closing(Ledger.open(url)) as opened:
        yield opened


@pytest.fixture
def delivered(monkeypatch: pytest.MonkeyPatch) -> list[Delivery]:
    notes: list[Delivery] = []
    monkeypatch.setattr(notifiers, "deliver", notes.append)
    return notes


@pytest.fixture
def task(tmp_path: Path) -> Callable[[str, str], dict[str, Any]]:
    """Runs the task that reads files, after a file was dropped."""

    def run(name: str, text: str) -> dict[str, Any]:
        drops = tmp_path / "batches" / ACCOUNT / "drops"
        drops.mkdir(parents=True, exist_ok=True)
        (drops / name).write_text(text)
        os.utime(drops / name, (0, 0))  # nobody is writing it any more
        dag_run = SimpleNamespace(dag_id=ACCOUNT, run_id="manual__1", run_type="manual")
        return statuses.files(ACCOUNT, {"dag_run": dag_run, "params": {}, "ti": SimpleNamespace(try_number=1)})  # type: ignore[typeddict-item]

    return run


def test_a_refused_row_is_alerted_with_its_file_and_ends_with_the_corrected_file(
    ledger: Ledger, delivered: list[Delivery], task: Callable[[str, str], dict[str, Any]]
) -> None:
    counts = task("monday.csv", BAD)
    assert (counts["orders"], counts["refused"]) == (1, 1)
    [alert] = ledger.alerts.unresolved()
    assert (alert["pipeline"], alert["kind"], alert["size"]) == (ACCOUNT, "status_refused", 1)
    assert "monday.csv" in alert["subject"]
    assert "statuses --refused" in alert["subject"]
    assert "damaged_by_spreadsheet: 1, such as row 3" in alert["text"]
    assert [note.cause for note in delivered] == [alert["cause"]]
    task("tuesday.csv", "orderId,status,eventId\nN-2,NEW,e-3\n")
    assert len(ledger.alerts.unresolved()) == 1, "another file proves nothing"
    task("monday.csv", BAD.replace("6.12206E+11", "612206000000"))
    assert ledger.alerts.unresolved() == []


def test_a_file_that_cannot_be_read_at_all_is_alerted_and_closed_by_an_operator(
    ledger: Ledger, delivered: list[Delivery], task: Callable[[str, str], dict[str, Any]]
) -> None:
    assert task("monday.csv", "what is this\n")["refused"] == 1
    [note] = delivered
    assert note.kind == "status_refused"
    assert ledger.status_refusals.close("monday.csv", "delivered by e-mail", "ann") == 1
    task("tuesday.csv", "orderId,status,eventId\nN-2,NEW,e-3\n")
    assert ledger.alerts.unresolved() == []
