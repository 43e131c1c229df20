"""``UpkeepDesk``: the part of ``Ledger`` by which it is compared with the destination and kept small."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from order_relay.ledger import comparing
from order_relay.ledger.comparing import Booked
from order_relay.ledger.database import Database


class UpkeepDesk:
    """Each method is one transaction."""

    _db: Database

    def imported_between(self, pipeline: str, since: datetime, until: datetime) -> list[int]:
        """The ids of what was imported in [since, until] (``comparing.imported_between``)."""
        return self._db.read(lambda tx: comparing.imported_between(tx, pipeline, since, until))

    def booked(self, ids: Iterable[int]) -> list[Booked]:
        """These submissions, as far as they are imported (``comparing.booked``)."""
        wanted = list(ids)
        return self._db.read(lambda tx: comparing.booked(tx, wanted))

    def booked_under(self, destination: str, keys: Iterable[str]) -> dict[str, Booked]:
        """What the books have under these external ids (``comparing.booked_under``)."""
        wanted = list(keys)
        return self._db.read(lambda tx: comparing.booked_under(tx, destination, wanted))
