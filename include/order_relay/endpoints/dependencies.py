"""Ledger, archive, connections and pipelines of the endpoints, opened on first use and kept for the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import cache, lru_cache
from typing import TypeVar

from order_relay.batches import BatchStore
from order_relay.connections import Connection
from order_relay.errors import ConfigurationError
from order_relay.ledger import Ledger
from order_relay.orders.mapping.canonical import CanonicalReader
from order_relay.pipeline.archive import OrderArchive
from order_relay.pipeline.settings.pipeline import PipelineSettings, load_pipeline
from order_relay.wiring.transformation import canonical_reader

T = TypeVar("T")

CONNECTION_TTL_S = 30.0
"""Seconds for which a connection is cached, and after which a changed password is effective at the latest."""

_READERS = 32  # prepared readers of archived orders that are kept


class Deployment:
    """Thread-safe access to connections, ledger, archive and pipelines. Opening raises ``ConfigurationError``."""

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
        self._reader = lru_cache(maxsize=_READERS)(self._make_reader)

    def connection(self, conn_id: str) -> Connection | None:
        """A connection, at most ``CONNECTION_TTL_S`` old; ``None`` if it is not defined."""
        with self._lock:
            loaded_at, known = self._connections.get(conn_id, (-CONNECTION_TTL_S, None))
            if time.monotonic() - loaded_at >= CONNECTION_TTL_S or loaded_at < 0:
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
                self._archive = OrderArchive(
                    self._store(), lambda name: self._reader(name, self.ledger.code_tables.version(name))
                )
            return self._archive

    def _make_reader(self, pipeline: str, _version: int) -> CanonicalReader:
        """A pipeline's reader; cached by the version of the code tables' rows that operators made."""
        return canonical_reader(self.pipeline(pipeline), self.ledger.code_tables.rows(pipeline))

    def close(self) -> None:
        """Close the ledger if it was opened."""
        with self._lock:
            if self._ledger is not None:
                self._ledger.close()
                self._ledger = None
