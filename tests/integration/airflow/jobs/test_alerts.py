"""``watch`` raises an alert while parcels wait for an operator, and closes it once none does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from order_relay.airflow_bindings import stopping, telling, watch
from order_relay.ledger import Ledger
from order_relay.orders.exchange import RunContext
from order_relay.orders.shipping import Shipment
from order_relay.pipeline.stop_switch import read_switch


def test_parcels_that_wait_are_alerted_until_they_are_decided(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> None:
    ledger = Ledger.open(sqlite_url)

    @contextmanager
    def opened() -> Iterator[Ledger]:
        yield ledger

    monkeypatch.setattr(watch, "opened_ledger", opened)
    monkeypatch.setattr(watch, "pipeline_files", dict)
    monkeypatch.setattr(stopping, "switch_or_all", lambda: read_switch("", ()))
    monkeypatch.setattr(telling, "deliver", lambda _ledger: {})
    assert watch.look() == {"causes": 0}
    notice = Shipment("shiprush", "k", ("N-1",), "UPS", tracking_number="1Z9")
    kept = ledger.record_shipment(RunContext("", "", "shiprush"), notice, None)
    for _ in range(2):
        assert watch.look() == {"causes": 1}
    (alert,) = ledger.open_alerts()
    assert "1 parcel waits" in str(alert)
    ledger.dismiss_shipment(kept.shipment_id, "not ours")
    assert watch.look() == {"causes": 0}
    assert ledger.open_alerts() == []
    ledger.close()
