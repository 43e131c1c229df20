"""What the served apps work on, opened when first asked for and kept for the life of the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import cache
from typing import TypeVar

from order_relay.batches import BatchStore
from order_relay.connections import Connection
from order_relay.errors import ConfigurationError
from order_relay.ledger import Ledger
from order_relay.orders.mapping.canonical import CanonicalReader
from order_relay.pipeline.archive import OrderArchive
from order_relay.pipeline.settings.pipeline import PipelineSettings, load_pipeline
from order_relay.wiring.vendors import canonical_reader

T = TypeVar("T")

CONNECTION_TTL_S = 30.0
"""So long a connection is remembered: a changed password counts after this time at the latest."""


class Deployment:
    """Connections, ledger, archive and pipelines for requests in several threads. Opening raises
    ``ConfigurationError``.
    """

    def __init__(
        self, connection: Callable[[str], Connection], ledger_url: Callable[[], str], store: Callable[[], BatchStore]
    ) -> None:
        self._load_connection = connection
        self._ledger_url = ledger_url
        self._store = store
        self._lock = threading.RLock()
        self._connections: dict[str, tuple[float, Connection | None]] = {}
        self._ledger: Ledger | None = None
        self._archive: OrderArchive | None = None
        self.pipeline: Callable[[str], PipelineSettings] = cache(load_pipeline)

    def connection(self, conn_id: str) -> Connection | None:
        """A connection as it was at most ``CONNECTION_TTL_S`` ago; ``None`` where it is not defined."""
        with self._lock:
            asked_at, known = self._connections.get(conn_id, (-CONNECTION_TTL_S, None))
            if time.monotonic() - asked_at >= CONNECTION_TTL_S or asked_at < 0:
                try:
                    known = self._load_connection(conn_id)
                except ConfigurationError:
                    known = None
                self._connections[conn_id] = (time.monotonic(), known)
            return known

    @property
    def ledger(self) -> Ledger:
        """The ledger."""
        with self._lock:
            if self._ledger is None:
                self._ledger = Ledger.open(self._ledger_url())
            return self._ledger

    @property
    def archive(self) -> OrderArchive:
        """The archived orders of every pipeline."""
        with self._lock:
            if self._archive is None:
                readers: Callable[[str], CanonicalReader] = cache(lambda name: canonical_reader(self.pipeline(name)))
                self._archive = OrderArchive(self._store(), readers)
            return self._archive

    def close(self) -> None:
        """Close the ledger, where it was opened."""
        with self._lock:
            if self._ledger is not None:
                self._ledger.close()
                self._ledger = None
