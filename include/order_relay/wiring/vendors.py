"""Parts that the wirings of pipelines and of status accounts share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

from order_relay.batches import BatchStore
from order_relay.connections import Connection
from order_relay.pipeline.settings.sections import VendorAccount


class WiredParts:
    """Common to the wirings of pipelines and status accounts: a context manager that closes source and ledger."""

    connections: Callable[[str], Connection]
    store_url: str
    filesystem: Any

    @cached_property
    def store(self) -> BatchStore:
        """The batch store."""
        return BatchStore(self.store_url, self.filesystem)

    def connection_of(self, party: VendorAccount) -> Connection:
        """A vendor account's connection, with the file's options."""
        connection = self.connections(party.connection)
        return replace(connection, extra={**connection.extra, **party.options})

    def close(self) -> None:
        """Close the source and the ledger, if they were created."""
        for name in ("source", "ledger"):
            made = self.__dict__.pop(name, None)
            if made is not None:
                made.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
