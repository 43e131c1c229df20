"""Orders in full: the detail of each id with its addresses inlined.

Addresses may be objects or ids; ids are read from ``/api/address/{id}/``, each once (docs/vendors/cloudsuite.md,
"Facts"). An order that cannot be read does not affect others: it is retried, then offered with what is known of it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from order_relay.errors import MalformedResponseError, ThrottledError, TransientError
from order_relay.http.reading.transport import NotFoundError, ThrottlingPersistedError
from order_relay.orders.messages import DETAIL_MISSING, DETAIL_UNREADABLE, SourceOrder
from order_relay.vendors.cloudsuite.order_list import id_of
from order_relay.vendors.cloudsuite.read_failures import ReadFailures
from order_relay.vendors.cloudsuite.transport import CloudSuiteTransport

log = logging.getLogger(__name__)

LISTED = "_listed"
"""The member in which an offered order keeps its summary. CloudSuite has no member of this name."""

ADDRESSES = ("shipment_address", "invoice_address")
MAX_ADDRESSES = 20_000
"""Addresses that are cached; beyond this number the cache is emptied."""

MAX_RETRY_S = 120.0
"""Total time for failed tries in one run; after that each order is tried once."""


class OrderDetails:
    """Reads orders in full. One instance per run of ``fetch``, because it caches addresses.

    ``failures`` decides whether the shop as a whole fails. ``tries`` per object; ``pause_s`` before the second one.
    """

    def __init__(
        self,
        transport: CloudSuiteTransport,
        failures: ReadFailures,
        tries: int = 3,
        pause_s: float = 0.5,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = transport
        self._failures = failures
        self._tries = tries
        self._pause_s = pause_s
        self._sleep = sleep
        self._lock = threading.Lock()
        self._addresses: dict[str, Future[Any]] = {}
        self._failing_s = 0.0

    def offered(self, item: tuple[str, dict[str, Any] | None]) -> SourceOrder:
        """The order of this id. ``item``: the id, and its summary if it was listed.

        An order that cannot be read, or answers 404, is offered with its id, its summary and a problem of
        ``UNREAD_PROBLEMS``: it must neither delay the others nor be forgotten. Raises the errors of ``ReadFailures``,
        ``ThrottledError``, and ``SourceAuthError``.
        """
        order_id, summary = item
        listed = {} if summary is None else {LISTED: summary}
        known = {"id": int(order_id), **listed}
        try:
            found = self._with_addresses(self._retried(lambda: self._read(order_id)))
        except NotFoundError:
            log.warning("CloudSuite answered HTTP 404 for order %s; it will be requested again", order_id)
            self._failures.missing(order_id)
            return SourceOrder(known, DETAIL_MISSING, "HTTP 404")
        except UnreadableAddressError as error:
            log.warning("CloudSuite order %s cannot be read: %s", order_id, error)
            self._failures.failed(order_id, f"address {error.address_id}", error.cause)
            return SourceOrder(known, DETAIL_UNREADABLE, str(error))
        except ThrottledError:
            raise
        except TransientError as error:
            log.warning("CloudSuite order %s cannot be read: %s", order_id, error)
            self._failures.failed(order_id, f"order {order_id}", error)
            return SourceOrder(known, DETAIL_UNREADABLE, str(error))
        self._failures.read(order_id)
        return replace(found, document={**found.document, **listed})

    def probe(self, order_id: str) -> bool:
        """Whether this order can be read, in one try."""
        try:
            self._read(order_id)
        except ThrottledError:
            raise
        except (NotFoundError, TransientError):
            return False
        return True

    def _with_addresses(self, order: SourceOrder) -> SourceOrder:
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

    def _read(self, order_id: str) -> SourceOrder:
        order = self._transport.get_one(f"order/{order_id}")
        if order.issues and "id" not in order.document:  # the request identifies it
            order = replace(order, document={**order.document, "id": int(order_id)})
        if id_of(order.document) != order_id:
            raise MalformedResponseError(f"CloudSuite answered with another order than {order_id}")
        return replace(order, where=f"the response for order {order_id}") if order.issues else order

    def _retried(self, read: Callable[[], SourceOrder]) -> SourceOrder:
        """Read one object; after a transient failure again, with growing pauses."""
        for retry in range(self._tries - 1):
            started = time.monotonic()
            try:
                return read()
            except (ThrottledError, ThrottlingPersistedError):
                raise
            except TransientError:
                with self._lock:
                    self._failing_s += time.monotonic() - started
                    is_over = self._failing_s > MAX_RETRY_S
                if is_over:
                    raise
            self._sleep(self._pause_s * 4**retry)
        return read()

    def _address(self, address_id: str) -> SourceOrder | None:
        """An address, read once for all orders; ``None`` after a 404 (the order then keeps the id)."""
        with self._lock:
            future = self._addresses.get(address_id)
            is_reader = future is None
            if future is None:
                if len(self._addresses) >= MAX_ADDRESSES:
                    self._addresses.clear()
                future = self._addresses[address_id] = Future()
        if is_reader:
            try:
                future.set_result(self._read_address(address_id))
            except BaseException as error:
                future.set_exception(error)
        try:
            found: SourceOrder | None = future.result()
        except ThrottledError:
            raise
        except TransientError as error:
            raise UnreadableAddressError(address_id, error) from None
        return found

    def _read_address(self, address_id: str) -> SourceOrder | None:
        try:
            return self._retried(lambda: self._transport.get_one(f"address/{address_id}"))
        except NotFoundError:
            return None


class UnreadableAddressError(Exception):
    """An order was read, but one of its addresses was not."""

    def __init__(self, address_id: str, cause: TransientError) -> None:
        super().__init__(f"its address {address_id} cannot be read: {cause}")
        self.address_id = address_id
        self.cause = cause
