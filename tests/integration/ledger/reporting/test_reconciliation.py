"""What the ledger says about orders at the destination."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from order_relay.ledger import Ledger
from tests.support.offers import offer

PIPELINE = "shop_to_oms"
DESTINATION = "oms:https://oms.example/1"


def test_imported_between(ledger: Ledger, driver: Any) -> None:
    first, second = driver.imported("1", "71"), driver.imported("2", "72")
    driver.all_ready("3")
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    assert ledger.reconciliation.imported_between(PIPELINE, now - hour, now + hour) == [first, second]
    assert ledger.reconciliation.imported_between(PIPELINE, now + hour, now + 2 * hour) == []
    assert ledger.reconciliation.imported_between("another", now - hour, now + hour) == []


def test_booked_are_imported(ledger: Ledger, driver: Any) -> None:
    imported, ready = driver.imported("1", "71"), driver.all_ready("2")[0]
    found = ledger.reconciliation.imported([imported, ready])
    assert [(row.id, row.key, row.oms_id, row.state) for row in found] == [(imported, "KEY-N-1", "71", "imported")]
    assert found[0].imported_at is not None


def test_booked_under_external_ids_and_numbers(ledger: Ledger, driver: Any) -> None:
    driver.imported("1", "71")
    driver.receive(offer("2"))
    found = ledger.reconciliation.by_destination_key(DESTINATION, ["KEY-N-1", "N-1", "N-2", "nobody", "nul\x00"])
    assert {key: row.state for key, row in found.items()} == {"KEY-N-1": "imported", "N-2": "received"}
    assert ledger.reconciliation.by_destination_key("oms:elsewhere", ["KEY-N-1", "N-2"]) == {}
