"""A source of orders behind a REST API, as one declaration: list, detail, acknowledgement, credentials."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import httpx

from order_relay.errors import ConfigurationError
from order_relay.http.auth.authorizer import Auth
from order_relay.http.reading.acknowledging import AcknowledgementMethod
from order_relay.http.reading.client import ServerSettings, VendorClient
from order_relay.http.reading.details import DetailReader, OrderDetail, Retries
from order_relay.http.reading.order_list import FoundOrders, OrderList, read_list, read_summaries
from order_relay.http.reading.read_settings import ReadLimits
from order_relay.http.reading.status_table import StatusTable
from order_relay.http.reading.transport import Transport, map_in_order
from order_relay.orders.messages import Acknowledgement, Selection, SourceListing, SourceOrder, Warn, ignore_warning
from order_relay.orders.schema.validator import VendorFormat


@dataclass(kw_only=True)
class RestSource:
    """One account. Implements the port ``Source``. Connections are kept until ``close``.

    ``name`` of the vendor, for messages. ``settings``: see ``HttpSettings``. ``account``, ``format`` and
    ``acknowledges``: see the port. ``hide``: texts that no message may contain, besides the credentials. ``id_for``
    turns an operator's input into an id (or raises ``ConfigurationError``). ``counts``: whether an order belongs to the
    account. ``http`` and ``sleep`` are for tests.
    """

    name: str
    settings: ServerSettings
    account: str
    format: VendorFormat
    auth: Auth
    orders: OrderList
    detail: OrderDetail
    acknowledgement: AcknowledgementMethod
    acknowledges: Literal["order_number", "source_id"] = "source_id"
    statuses: StatusTable = field(default_factory=StatusTable)
    limits: ReadLimits = field(default_factory=ReadLimits)
    hide: tuple[str, ...] = field(default=(), repr=False)
    id_for: Callable[[str], str] | None = None
    counts: Callable[[Mapping[str, Any]], bool] = lambda _document: True
    http: httpx.Client | None = field(default=None, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    windowed: bool = field(init=False)

    def __post_init__(self) -> None:
        self.windowed = self.orders.window is not None

    @cached_property
    def transport(self) -> Transport:
        """The requests of this account."""
        server = VendorClient(self.name, self.settings, self.hide)
        return Transport(server, self.auth, self.statuses, self.limits, self.http)

    def close(self) -> None:
        """Close the connections. A later request opens new ones."""
        transport = self.__dict__.pop("transport", None)
        if transport is not None:
            transport.close()

    def fetch(self, selection: Selection) -> Iterator[SourceOrder]:
        """Stream the listed orders of [start, end], and those of ``selection.order_ids`` regardless of their date.

        Without a start only the latter; without either, all listed orders. The whole list is read before the first
        order. An order that cannot be read, or answers 404, is offered with a problem of ``UNREAD_PROBLEMS``. The
        orders are valid only once the iterator is exhausted. Raises the errors of the port.
        """
        listing = selection.listing or SourceListing()
        wanted: dict[str, SourceOrder | None] = {}
        if selection.start is not None or not selection.order_ids:
            wanted.update(self._listed(selection))
        for text in selection.order_ids:
            wanted.setdefault(self.checked_id(text) if self.id_for is None else self.id_for(text), None)
        listing.add(key for key in wanted if not key.startswith(" "))
        due = {key: listed for key, listed in wanted.items() if key not in selection.later}
        for key, order in zip(due, self.read_all(due, selection.known), strict=True):
            if self.counts(order.document):
                yield order
            else:
                listing.exclude(key)

    def acknowledge(self, names: Sequence[str]) -> dict[str, Acknowledgement]:
        """Acknowledge orders. ``names`` without a usable response are missing from the result.

        Raises ``OutcomeUnknownError`` if no order got a usable response, and the errors of the port.
        """
        known = list(dict.fromkeys(names if self.acknowledges == "order_number" else map(self.checked_id, names)))
        return self.acknowledgement.send(self.transport, known, self.limits.parallel)

    def bounds(self, start: datetime | None, end: datetime | None) -> dict[str, str]:
        """The query parameters for [start, end]; empty without a start."""
        return {} if start is None or self.orders.window is None else self.orders.window.bounds(start, end)

    def summaries(self, query: Mapping[str, str | int], warn: Warn = ignore_warning) -> dict[str, SourceOrder]:
        """The entries of a list by id. ``query``: parameters besides the constant ones. Raises as ``fetch``."""
        read: Callable[..., FoundOrders] = read_list if self.orders.complete else read_summaries
        return read(self.transport, self.orders, query, warn)

    def read_all(self, wanted: Mapping[str, SourceOrder | None], known: Collection[str] = ()) -> Iterator[SourceOrder]:
        """The orders of these ids in full. Values: the entry of an order in the list, if it was listed.

        ``known``: orders that failed or waited before. Raises as ``fetch``.
        """
        complete = self.orders.complete
        ids = [key for key, listed in wanted.items() if listed is None or not complete]
        retries = Retries(self.limits, self.sleep)
        details = DetailReader(self.transport, self.orders, self.detail, retries, ids, known=known)

        def read(item: tuple[str, SourceOrder | None]) -> SourceOrder:
            key, listed = item
            if listed is not None and complete:
                return listed
            return details.offered(key, None if listed is None else listed.document)

        return map_in_order(read, wanted.items(), self.limits.parallel)

    def checked_id(self, order_id: str) -> str:
        """The id, if it has the form of ids. Raises ``ConfigurationError``."""
        if not self.orders.ids.fullmatch(order_id):
            raise ConfigurationError(f"{self.name} order ids {self.orders.ids_text}")
        return order_id

    def _listed(self, selection: Selection) -> FoundOrders:
        bounds = self.bounds(selection.start, selection.end)
        found: FoundOrders = {}
        for query in (selection.history and self.orders.history_queries) or self.orders.queries:
            found.update(self.summaries({**query, **bounds}, selection.warn))
        return found
