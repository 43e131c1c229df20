"""A ledger and an archive with orders, and a ShipRush client of the app that serves them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from order_relay.batches import BatchStore
from order_relay.ledger import Ledger
from tests.support.archived_orders import Relay
from tests.support.shiprush_client import Company


@pytest.fixture
def relay(sqlite_url: str, tmp_path: Path) -> Iterator[Relay]:
    ledger = Ledger.open(sqlite_url)
    yield Relay(ledger, BatchStore(tmp_path.as_uri()))
    assert ledger.accounting.invariant_violations() == []
    ledger.close()


@pytest.fixture
async def company(relay: Relay, sqlite_url: str) -> AsyncIterator[Company]:
    company = Company(relay, sqlite_url)
    yield company
    await company.web.aclose()
    company.parts.close()
