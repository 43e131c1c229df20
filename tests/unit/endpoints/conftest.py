"""A desk with a ledger and an archive, and ShipRush's side of the app on top of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from order_relay.batches import BatchStore
from order_relay.ledger import Ledger
from tests.support.archived_orders import Desk
from tests.support.shiprush_client import Firm


@pytest.fixture
def desk(sqlite_url: str, tmp_path: Path) -> Iterator[Desk]:
    ledger = Ledger.open(sqlite_url)
    yield Desk(ledger, BatchStore(tmp_path.as_uri()))
    assert ledger.accounting.invariant_violations() == []
    ledger.close()


@pytest.fixture
async def firm(desk: Desk, sqlite_url: str) -> AsyncIterator[Firm]:
    firm = Firm(desk, sqlite_url)
    yield firm
    await firm.web.aclose()
    firm.parts.close()
