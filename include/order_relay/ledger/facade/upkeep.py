"""``UpkeepDesk``: the part of ``Ledger`` by which it is compared with the destination and kept small."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from order_relay.ledger.reporting import reconciliation, retention
from order_relay.ledger.reporting.reconciliation import LedgerOrder
from order_relay.ledger.reporting.retention import RequiredRows
from order_relay.ledger.store.database import Database


class UpkeepDesk:
    """Each method is one transaction."""

    _db: Database

    def imported_between(self, pipeline: str, since: datetime, until: datetime) -> list[int]:
        """The ids of what was imported in [since, until] (``comparing.imported_between``)."""
        return self._db.read(lambda tx: reconciliation.imported_between(tx, pipeline, since, until))

    def booked(self, ids: Iterable[int]) -> list[LedgerOrder]:
        """These submissions, as far as they are imported (``comparing.booked``)."""
        wanted = list(ids)
        return self._db.read(lambda tx: reconciliation.imported_orders(tx, wanted))

    def booked_under(self, destination: str, keys: Iterable[str]) -> dict[str, LedgerOrder]:
        """What the books have under these external ids (``comparing.booked_under``)."""
        wanted = list(keys)
        return self._db.read(lambda tx: reconciliation.orders_by_destination_key(tx, destination, wanted))

    def needed(self, pipeline: str) -> RequiredRows:
        """What open orders need of the batch store (``retaining.needed``)."""
        return self._db.read(lambda tx: retention.required_rows(tx, pipeline))

    def fetched(self, pipeline: str) -> dict[str, datetime]:
        """When each batch was fetched."""
        return self._db.read(lambda tx: retention.batch_fetch_times(tx, pipeline))

    def started(self, pipeline: str) -> dict[str, datetime]:
        """When each run was started."""
        return self._db.read(lambda tx: retention.run_start_times(tx, pipeline))

    def with_personal_data(self, pipeline: str, before: datetime) -> list[int]:
        """Settled submissions that ``forget`` would change (``retaining.with_personal_data``)."""
        return self._db.read(lambda tx: retention.with_personal_data(tx, pipeline, before))

    def forget(self, pipeline: str, before: datetime, limit: int) -> int:
        """Remove personal data of at most ``limit`` settled submissions (``retaining.forget``); of how many."""
        return self._db.write(lambda tx: retention.remove_personal_data(tx, pipeline, before, limit))

    def nobodys_texts(self, account: str, before: datetime) -> list[str]:
        """Orders that ``forget_texts`` would change (``retaining.nobodys_texts``)."""
        return self._db.read(lambda tx: retention.unmatched_status_texts(tx, account, before))

    def forget_texts(self, account: str, before: datetime, limit: int) -> int:
        """Remove texts of statuses of at most ``limit`` orders that are nobody's (``retaining.forget_texts``)."""
        return self._db.write(lambda tx: retention.remove_status_texts(tx, account, before, limit))
