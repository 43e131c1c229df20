"""Vendors for dry runs and shadow runs: a read-only source, and destinations to which nothing can be sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from order_relay.errors import ConfigurationError
from order_relay.orders.messages import Acknowledgement, Selection, SendResult, SourceOrder
from order_relay.orders.schema.validator import VendorFormat
from order_relay.pipeline.ports import Destination, DestinationSession, Source


class ReadOnlySource:
    """A source that is read but never changed: for dry runs."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.account = source.account
        self.format: VendorFormat = source.format
        self.windowed = source.windowed
        self.acknowledges = source.acknowledges

    def fetch(self, selection: Selection) -> Iterator[SourceOrder]:
        """See ``Source.fetch``."""
        return self._source.fetch(selection)

    def acknowledge(self, names: Sequence[str]) -> dict[str, Acknowledgement]:
        """Sends nothing; no order is answered."""
        return {}

    def close(self) -> None:
        """See ``Source.close``."""
        self._source.close()


class UnreachableDestination:
    """A destination with a format and limits that cannot be contacted: for dry runs."""

    def __init__(self, destination: Destination) -> None:
        self.account = destination.account
        self.format: VendorFormat = destination.format
        self.idempotent = destination.idempotent
        self.search_by = destination.search_by
        self.timeout_s = destination.timeout_s
        self.visible_after_s = destination.visible_after_s
        self.connections = destination.connections
        self.expected_traits = destination.expected_traits

    def session(self, share: int) -> AbstractAsyncContextManager[DestinationSession]:
        """Raises ``ConfigurationError``: a dry run makes no requests to the destination."""
        raise ConfigurationError("this is a dry run: nothing is sent and nothing is looked up")


class SearchOnlyDestination(UnreachableDestination):
    """A destination that can be searched only: for shadow runs."""

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination)
        self._destination = destination

    @asynccontextmanager
    async def session(self, share: int) -> AsyncIterator[DestinationSession]:
        """See ``Destination.session``."""
        async with self._destination.session(share) as session:
            yield SearchOnlySession(session)


class SearchOnlySession:
    """A session that refuses to send."""

    def __init__(self, session: DestinationSession) -> None:
        self.wait_for_slot = session.wait_for_slot
        self.find_by_key = session.find_by_key
        self.find_by_window = session.find_by_window
        self.find_any = session.find_any
        self.read_order = session.read_order

    async def send(self, payload: bytes, destination_key: str, *, not_after: float) -> SendResult:
        """Raises ``ConfigurationError``: nothing is sent in shadow mode."""
        raise ConfigurationError("this pipeline runs in shadow mode: nothing is sent")
