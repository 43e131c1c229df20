"""The past that `make ui` begins with: made by the real engine, with clocks that are set back meanwhile."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from order_relay.ledger import Ledger
from order_relay.ledger.store import database
from order_relay.pipeline.stages import extract
from order_relay_sandbox.serving import serve_in_thread
from tests.support.airflow_home import local_airflow


def test_two_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from history.__main__ import make_history
    from history.offers import Shops
    from history.pipelines import CLOUDSUITE, SUPERCAT
    from ui import stop_at_unknown_methods

    local_airflow.live_files(tmp_path / "config")
    stop_at_unknown_methods(tmp_path / "config" / f"{SUPERCAT}.yaml")
    monkeypatch.setenv("ORDER_RELAY_CONFIG", str(tmp_path / "config"))
    read_clock = database.read_clock
    with serve_in_thread(sources=["supercat", "cloudsuite"]) as vendors:
        make_history(tmp_path, vendors, Shops(7), seed=7, days=1)
        assert vendors.report()["doubled"] == []
    assert database.read_clock is read_clock
    assert vars(extract)["datetime"] is datetime
    ledger = Ledger.open(f"sqlite:///{tmp_path}/order_relay/ledger.sqlite")
    try:
        for pipeline in (SUPERCAT, CLOUDSUITE):
            assert ledger.accounting.invariant_violations(pipeline) == []
            assert ledger.accounting.counts(pipeline)["received"] > 5
        assert ledger.accounting.counts(SUPERCAT)["states"]["held"]
        (days,) = ledger.database.read(
            lambda tx: tx.run(text("SELECT count(DISTINCT substr(at, 1, 10)) FROM event")).all()
        )
        assert days[0] == 2
    finally:
        ledger.close()
