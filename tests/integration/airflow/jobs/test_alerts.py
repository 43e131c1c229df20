"""``watch`` raises an alert while parcels wait for an operator, and closes it once none does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from order_relay.airflow.jobs import alerts
from order_relay.airflow.metadata import stop_variable
from order_relay.airflow.notify import notifications
from order_relay.ledger import Ledger
from order_relay.orders.fulfilment.shipment_progress import Shipment
from order_relay.orders.messages import RunContext
from order_relay.pipeline.runs.stop_switch import read_switch


def test_parcels_that_wait_are_alerted_until_they_are_decided(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> None:
    ledger = Ledger.open(sqlite_url)

    @contextmanager
    def opened() -> Iterator[Ledger]:
        yield ledger

    monkeypatch.setattr(alerts, "open_ledger", opened)
    monkeypatch.setattr(alerts, "pipeline_files", dict)
    monkeypatch.setattr(stop_variable, "read_or_stop_all", lambda: read_switch("", ()))
    monkeypatch.setattr(notifications, "deliver_due", lambda _ledger: {})
    assert alerts.look() == {"causes": 0}
    notice = Shipment("shiprush", "k", ("N-1",), "UPS", tracking_number="1Z9")
    kept = ledger.shipments.record(RunContext("", "", "shiprush"), notice, None)
    for _ in range(2):
        assert alerts.look() == {"causes": 1}
    (alert,) = ledger.alerts.unresolved()
    assert "1 parcel needs an operator" in str(alert)
    ledger.shipments.dismiss(kept.shipment_id, "not ours")
    assert alerts.look() == {"causes": 0}
    assert ledger.alerts.unresolved() == []
    ledger.close()
