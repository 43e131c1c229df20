"""The ports that a vendor implements, by shape. The stages know vendors through these only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from order_relay.orders.fulfilment.oms_order import OmsOrder
from order_relay.orders.fulfilment.portal_orders import PortalFile, PortalOrder, PortalParcel
from order_relay.orders.fulfilment.shipment_progress import Shipment
from order_relay.orders.identity.traits import Traits
from order_relay.orders.messages import Acknowledgement, SearchResult, Selection, SendResult, SourceOrder
from order_relay.orders.schema.validator import VendorFormat


class Source(Protocol):
    """Where orders come from."""

    account: str
    """Identifies the account, for binding the ledger: ``VENDOR:https://host/org``. No credentials."""

    format: VendorFormat
    """The vendor's JSON Schema and its mapping to the canonical order."""

    windowed: bool
    """True: the source is queried by time and returns the orders between ``Selection.start`` and ``end``, acknowledged
    or not; a confirmed order is not acknowledged again. False: it returns everything not yet acknowledged, so that a
    missing order was acknowledged, and one that is returned again was not."""

    acknowledges: Literal["order_number", "source_id"]
    """Which identifier of an order ``acknowledge`` takes."""

    def fetch(self, selection: Selection) -> Iterator[SourceOrder]:
        """Stream the orders of the selection. Nothing may be used before the iterator has ended without an error.

        Raises ``SourceAuthError``, ``ConfigurationError``, ``ThrottledError``, ``MalformedResponseError`` or
        ``TransientError``.
        """

    def acknowledge(self, names: Sequence[str]) -> dict[str, Acknowledgement]:
        """Acknowledge orders by the exact identifiers received. Identifiers missing from the result were not answered.

        Raises ``OutcomeUnknownError`` if the request was sent and no usable response arrived.
        """

    def close(self) -> None:
        """Close kept connections. A later call opens new ones."""


@runtime_checkable
class PastReader(Protocol):
    """A source that is not queried by time, but may also list the orders of the past, acknowledged or not."""

    def past_orders(self) -> Source | None:
        """The same account as a source that is queried by time and acknowledges nothing; ``None`` if its connection
        does not switch that on."""


@runtime_checkable
class FeedbackTaker(Protocol):
    """A source that takes feedback about its orders. Every call may be repeated.

    All methods raise ``OutcomeUnknownError`` if the request was sent and no usable response arrived, ``TransientError``
    and ``ThrottledError`` if it was not carried out, ``ConfigurationError`` and ``SourceAuthError`` if further calls
    would fail in the same way.
    """

    reports_each_delivery: bool
    """True: each delivery is reported. False: one report once everything has shipped."""

    def set_erp_number(self, order_id: str, oms_id: str) -> Acknowledgement:
        """Set the order's number at the destination. ``order_id``: the source's id."""

    def number_lines(self, order_id: str, numbers: Mapping[str, int]) -> Acknowledgement:
        """Set the line numbers, by the source's identifiers of the lines."""

    def mark_shipped(self, order_id: str, shipment: Shipment, *, silent: bool = False) -> Acknowledgement:
        """Report a delivery (the last one, unless ``reports_each_delivery``).

        ``silent``: an earlier report of it had an unknown outcome, so the customer must not be notified again.
        """

    def mark_cancelled(self, order_id: str) -> Acknowledgement:
        """Report that the destination cancelled an order of which nothing was shipped."""

    def cancelled(self, start: datetime) -> Iterator[str]:
        """Ids of the orders placed since ``start`` that the source has cancelled."""

    def reinstated(self, order_ids: Sequence[str]) -> Iterator[str]:
        """Those of these cancelled orders that the source does not count as cancelled any more."""

    def unmarked_offline_orders(self, start: datetime) -> Iterator[str]:
        """Ids of orders placed since ``start`` that were loaded into the source afterwards and must be marked as sent,
        including unreadable ones."""

    def mark_offline_sent(self, order_id: str) -> Acknowledgement:
        """Mark such an order as sent."""


class PortalFileFormat(Protocol):
    """Files in which a source's sales portal takes what became of its orders. Nothing is sent."""

    order_file_name: str
    """Of the file of changed orders, of which the portal applies the newest state of each."""

    tracking_file_name: str
    """Of the file that replaces all tracking numbers of the portal."""

    def order_file(self, orders: Sequence[PortalOrder]) -> PortalFile:
        """The file of these orders, one state of each."""

    def tracking_file(self, parcels: Sequence[PortalParcel]) -> PortalFile:
        """The file of these parcels."""


@runtime_checkable
class PortalOwner(Protocol):
    """A source with a sales portal that takes files."""

    def portal_files(self) -> PortalFileFormat:
        """The form of its files."""


class DestinationSession(Protocol):
    """An open, authenticated connection to the destination."""

    async def wait_for_slot(self, max_wait_s: float) -> None:
        """Wait until the session's limits (rate, a pause the vendor asked for) allow one more order.

        Called before an order is claimed, so that no order waits while its lease runs. Raises ``ThrottledError`` with
        the remaining seconds if they are more than ``max_wait_s``.
        """

    async def send(self, payload: bytes, destination_key: str, *, not_after: float) -> SendResult:
        """POST one order once, without following redirects. No request starts after ``not_after``
        (``time.monotonic()`` seconds).

        The result describes this request alone; the ledger takes earlier attempts into account. Raises nothing for what
        the destination does: every way a request can end is a ``SendResult``.
        """

    async def find_by_key(self, destination_keys: Sequence[str]) -> SearchResult:
        """All orders with one of these external ids (at most 100)."""

    async def find_by_window(self, start: str, end: str) -> SearchResult:
        """All orders of the account created in [start, end], ISO 8601 UTC; every page is read."""

    async def find_any(self) -> SearchResult:
        """One page of the account's orders, in any order: shows whether a search finds existing orders."""

    async def read_order(self, oms_id: str) -> SearchResult:
        """One order by its OMS id, with its details; no row if it could not be read."""


@runtime_checkable
class OrderStatusReader(Protocol):
    """A destination's session that can be asked what became of an imported order."""

    async def read_status(self, oms_id: str, destination_key: str, *, shipments: bool) -> OmsOrder:
        """The status of an order, from its own detail, and its parcels if ``shipments``.

        Raises ``MalformedResponseError`` if the answer is unreadable, about another order, or says that there
        is none, ``TransientError`` if there was no answer, and ``ThrottledError`` or ``ConfigurationError`` if further
        questions would fail in the same way.
        """


class Destination(Protocol):
    """Where orders are sent."""

    account: str
    """Identifies the account, for binding the ledger: ``VENDOR:https://host/account``."""

    format: VendorFormat
    """The vendor's JSON Schema and the mapping from the canonical order to its payload."""

    idempotent: bool
    """True: an order sent again under the same key updates the stored one and is never stored twice. Orders in doubt
    are then sent again, and no order is looked up before it is sent. It would overwrite an order of somebody else under
    the same key, hence ``key_prefix``."""

    search_by: str
    """``auto``, ``external_id``, ``window`` or ``none``."""

    timeout_s: float
    """After this many seconds without a response, a request's outcome is unknown."""

    visible_after_s: float
    """Seconds until an imported order appears in searches."""

    connections: int
    """Maximum concurrent requests of a run."""

    def expected_traits(self, payload: bytes) -> Traits:
        """The traits that a payload gives its order, for comparison with an order found by a search."""

    def session(self, share: int) -> AbstractAsyncContextManager[DestinationSession]:
        """Open a session that uses one ``share``-th of the run's limits (``share`` >= 1)."""
