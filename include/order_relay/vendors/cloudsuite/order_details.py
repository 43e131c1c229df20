"""Orders in full: the detail of each id with its addresses inlined.

Addresses may be objects or ids; ids are read from ``/api/address/{id}/``, each once (docs/vendors/cloudsuite.md,
"Facts").
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from functools import partial
from typing import Any

from order_relay.errors import ThrottledError, TransientError
from order_relay.http.reading.details import Complete, OrderDetail, Retries, UnreadablePartError
from order_relay.http.reading.reply import parse_order
from order_relay.http.reading.transport import NotFoundError, Transport
from order_relay.orders.messages import SourceOrder
from order_relay.vendors.cloudsuite.connection import CloudSuiteSettings
from order_relay.vendors.cloudsuite.order_list import api_path

ADDRESSES = ("shipment_address", "invoice_address")
MAX_ADDRESSES = 20_000
"""Addresses that are cached; beyond this number the cache is emptied."""


def order_detail(settings: CloudSuiteSettings) -> OrderDetail:
    """How one order is read."""

    def addresses(transport: Transport, retries: Retries) -> Complete:
        return _Addresses(transport, retries, api_path(settings, "address/{id}")).inline

    return OrderDetail(
        path=api_path(settings, "order/{id}"),
        parts=addresses,
        missing_hint="check no_trailing_slash, and whether the account may read orders",
    )


class _Addresses:
    """Reads the addresses of orders, each once. One instance per run; for any number of threads."""

    def __init__(self, transport: Transport, retries: Retries, path: str) -> None:
        self._transport = transport
        self._retries = retries
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, Future[Any]] = {}

    def inline(self, order: SourceOrder) -> SourceOrder:
        """The order with its addresses. Raises ``UnreadablePartError``, ``ThrottledError``."""
        if order.issues:  # its text is kept as received
            return order
        inlined, problems = {}, [order.problem]
        for name in ADDRESSES:
            given = order.document.get(name)
            if type(given) is int or (isinstance(given, str) and given.isascii() and given.isdigit()):
                found = self._address(str(given))
                if found is not None:
                    inlined[name] = found.document
                    problems.append(found.problem)
        return SourceOrder({**order.document, **inlined}, next(filter(None, problems), ""))

    def _address(self, address_id: str) -> SourceOrder | None:
        """An address, read once for all orders; ``None`` after a 404 (the order then keeps the id)."""
        with self._lock:
            future = self._known.get(address_id)
            is_reader = future is None
            if future is None:
                if len(self._known) >= MAX_ADDRESSES:
                    self._known.clear()
                future = self._known[address_id] = Future()
        if is_reader:
            try:
                future.set_result(self._read(address_id))
            except BaseException as error:
                future.set_exception(error)
        try:
            found: SourceOrder | None = future.result()
        except ThrottledError:
            raise
        except TransientError as error:
            raise UnreadablePartError(f"address {address_id}", error) from None
        return found

    def _read(self, address_id: str) -> SourceOrder | None:
        path = self._path.format(id=address_id)
        try:
            return self._retries.run(partial(self._transport.read, path, parse_order, is_item=True))
        except NotFoundError:
            return None
