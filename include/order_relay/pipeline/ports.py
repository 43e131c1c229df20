"""The two ports that a vendor can fulfil, by shape. The stages know vendors through these and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from order_relay.orders.fulfilment.shipment_progress import Shipment
from order_relay.orders.identity.traits import Traits
from order_relay.orders.messages import Acknowledgement, SearchResult, Selection, SendResult, SourceOrder
from order_relay.orders.schema.validator import VendorFormat


class Source(Protocol):
    """Where orders are taken."""

    account: str
    """Which account this is, for binding the ledger: ``supercat:https://host/org``. No credentials."""

    format: VendorFormat
    """The vendor's JSON Schema and its mapping to the canonical order."""

    windowed: bool
    """Whether it is asked by time and offers what falls into ``Selection.start`` to ``end``, and nothing else. If not,
    it offers everything that was not acknowledged yet, so that an absent order tells something."""

    acknowledges: Literal["order_number", "source_id"]
    """By which name of an order ``acknowledge`` is told of it."""

    def offers(self, selection: Selection) -> Iterator[SourceOrder]:
        """Stream what the source offers. Nothing may be used before the iterator has ended without an error.

        Raises ``SourceAuthError``, ``ConfigurationError``, ``ThrottledError``, ``MalformedResponseError``,
        ``TransientError``.
        """

    def acknowledge(self, names: Sequence[str]) -> dict[str, Acknowledgement]:
        """Tell the source that these orders were taken over; the exact strings received. Missing keys: not answered.

        Raises ``OutcomeUnknownError`` where the request was sent and no usable answer came.
        """

    def close(self) -> None:
        """Give up connections that were kept. A later call opens new ones."""


@runtime_checkable
class FeedbackTaker(Protocol):
    """A source that wants to know what became of its orders. Every call may be repeated.

    All raise ``OutcomeUnknownError`` where the request was sent and no usable answer came, ``TransientError`` and
    ``ThrottledError``
    where it was not done, ``ConfigurationError`` and ``SourceAuthError`` where no further call has a point.
    """

    reports_each_delivery: bool
    """Whether each delivery is told by itself, or once that everything left."""

    def set_erp_number(self, order_id: str, oms_id: str) -> Acknowledgement:
        """The number of the order at the destination, by the source's id of the order."""

    def number_lines(self, order_id: str, numbers: Mapping[str, int]) -> Acknowledgement:
        """The numbers of the order's lines, by the source's names of them."""

    def mark_shipped(self, order_id: str, shipment: Shipment, *, silent: bool = False) -> Acknowledgement:
        """A delivery left (the last one, where not each is told).

        ``silent``: it was told before, and nobody knows whether it was taken.
        """

    def cancelled(self, start: datetime) -> Iterator[str]:
        """Ids of the orders of the time since ``start`` that the source has cancelled."""

    def unmarked_offline_orders(self, start: datetime) -> Iterator[str]:
        """Orders of the time since ``start`` that were loaded into the source afterwards and are to be marked as sent,
        those that cannot be read among them."""

    def mark_offline_sent(self, order_id: str) -> Acknowledgement:
        """Mark such an order as sent."""


class DestinationSession(Protocol):
    """An open, authenticated connection to the destination."""

    async def turn(self, max_wait_s: float) -> None:
        """Wait until the limits of this session (rate, a pause that the far side asked for) allow one more order.

        Called before an order is claimed, so that no order waits under a lease. Raises ``ThrottledError`` with the
        seconds
        still to wait where they are more than ``max_wait_s``.
        """

    async def send(self, payload: bytes, destination_key: str, *, not_after: float, attempt: int = 1) -> SendResult:
        """POST one order, once, redirects off; start no request after ``not_after`` (``time.monotonic()`` seconds).

        ``attempt`` counts the attempts that may have been stored, this one included: a refusal on a later one does not
        prove that nothing is stored. Raises nothing for what the far side does: every end of a request is an
        ``Answer``.
        """

    async def find_by_key(self, destination_keys: Sequence[str]) -> SearchResult:
        """All orders whose external id is among ``destination_keys`` (at most 100)."""

    async def find_by_window(self, start: str, end: str) -> SearchResult:
        """All orders of the account created in [start, end], ISO 8601 UTC; every page is read."""

    async def find_any(self) -> SearchResult:
        """One page of the account's orders, whichever come first; for a search that must find what is there."""

    async def read_order(self, oms_id: str) -> SearchResult:
        """One order by its OMS id, with what it shows of itself; no row where it could not be read."""


class Destination(Protocol):
    """Where orders are fulfilled."""

    account: str
    """Which account this is, for binding the ledger: ``shopatron:https://host/manufacturer``."""

    format: VendorFormat
    """The vendor's JSON Schema and the mapping from the canonical order to its payload."""

    search_by: str
    """``auto``, ``external_id``, ``window`` or ``none``."""

    def expected_traits(self, payload: bytes) -> Traits:
        """What a payload says of its order, for comparing it with one that a search shows."""

    timeout_s: float
    visible_after_s: float
    connections: int

    def session(self, share: int) -> AbstractAsyncContextManager[DestinationSession]:
        """Open a session that uses one ``share``-th of the run's limits (``share`` >= 1)."""
