"""Orders in full: the detail of each id, its addresses inlined, several at a time and handed on in the order asked for.

Whether the detail holds addresses as objects or as ids is not documented (write examples show ids). Both are taken:
ids are read from ``/api/address/{id}/`` (assumed), each once.

One order that cannot be read concerns no other: it is tried again a few times, then offered as what is known of it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from order_relay.errors import MalformedResponseError, ThrottledError, TransientError
from order_relay.orders.messages import DETAIL_MISSING, DETAIL_UNREADABLE, SourceOrder
from order_relay.vendors.cloudsuite.order_list import id_of
from order_relay.vendors.cloudsuite.read_failures import ReadFailures
from order_relay.vendors.cloudsuite.transport import CloudSuiteTransport, OrderNotFoundError, ThrottlingPersistsError

log = logging.getLogger(__name__)

LISTED = "_listed"
"""The member in which an offered order keeps its summary; CloudSuite has none of this name."""

ADDRESSES = ("shipment_address", "invoice_address")
MAX_ADDRESSES = 20_000
"""Maximum addresses remembered; after that they are read anew."""

MAX_RETRY_S = 120.0
"""The time that failed tries of one reading may take altogether; after it every order is tried once."""

Asked = TypeVar("Asked")
Told = TypeVar("Told")


def map_in_order(work: Callable[[Asked], Told], asked: Iterable[Asked], parallel: int) -> Iterator[Told]:
    """``work`` done for each, ``parallel`` at a time, the results in the order asked for. The first error ends all.

    Not more than a few results wait in memory for their turn.
    """
    with ThreadPoolExecutor(parallel, thread_name_prefix="cloudsuite") as pool:
        under_way: deque[Future[Told]] = deque()
        try:
            for one in asked:
                under_way.append(pool.submit(work, one))
                if len(under_way) >= 2 * parallel:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class OrderDetails:
    """Reads orders in full. One for each reading of a source, since it remembers addresses.

    ``health`` decides whether the shop as a whole fails. ``tries`` per object, the first ``pause_s`` between them.
    """

    def __init__(
        self,
        transport: CloudSuiteTransport,
        health: ReadFailures,
        tries: int = 3,
        pause_s: float = 0.5,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = transport
        self._health = health
        self._tries = tries
        self._pause_s = pause_s
        self._sleep = sleep
        self._lock = threading.Lock()
        self._addresses: dict[str, Future[Any]] = {}
        self._failing_s = 0.0

    def offered(self, asked: tuple[str, dict[str, Any] | None]) -> SourceOrder:
        """The order of this id with its summary (if it was listed).

        One that cannot be read, or that the shop denies, is offered as what is known of it, with a problem of
        ``UNREAD_PROBLEMS``: it must neither keep the others waiting nor be forgotten. Raises what ``ReadFailures``
        raises where the
        shop as a whole fails, ``ThrottledError``, and where the login is refused.
        """
        order_id, summary = asked
        listed = {} if summary is None else {LISTED: summary}
        known = {"id": int(order_id), **listed}
        try:
            answer = self._repeated(lambda: self._read(order_id))
            found = self._with_addresses(answer)
        except OrderNotFoundError:
            log.warning("CloudSuite answered HTTP 404 for order %s; it is asked for again", order_id)
            self._health.missing(order_id)
            return SourceOrder(known, DETAIL_MISSING, "HTTP 404")
        except AddressUnreadableError as error:
            log.warning("CloudSuite's order %s cannot be read: %s", order_id, error)
            self._health.failed(order_id, f"address {error.address_id}", error.cause)
            return SourceOrder(known, DETAIL_UNREADABLE, str(error))
        except ThrottledError:
            raise
        except TransientError as error:
            log.warning("CloudSuite's order %s cannot be read: %s", order_id, error)
            self._health.failed(order_id, f"order {order_id}", error)
            return SourceOrder(known, DETAIL_UNREADABLE, str(error))
        self._health.read(order_id)
        return replace(found, document={**found.document, **listed})

    def probe(self, order_id: str) -> bool:
        """Whether this order can be read; tried once."""
        try:
            self._read(order_id)
        except ThrottledError:
            raise
        except (OrderNotFoundError, TransientError):
            return False
        return True

    def _with_addresses(self, answer: SourceOrder) -> SourceOrder:
        if answer.issues:  # its text is kept as it came
            return answer
        inlined, problems = {}, [answer.problem]
        for name in ADDRESSES:
            given = answer.document.get(name)
            if type(given) is int or (isinstance(given, str) and given.isascii() and given.isdigit()):
                found = self._address(str(given))
                if found is not None:
                    inlined[name] = found.document
                    problems.append(found.problem)
        return SourceOrder({**answer.document, **inlined}, next(filter(None, problems), ""))

    def _read(self, order_id: str) -> SourceOrder:
        answer = self._transport.get_one(f"order/{order_id}")
        if answer.issues and "id" not in answer.document:  # what was asked for names it
            answer = replace(answer, document={**answer.document, "id": int(order_id)})
        if id_of(answer.document) != order_id:
            raise MalformedResponseError(f"CloudSuite answered with another order when asked for {order_id}")
        return replace(answer, where=f"the answer for order {order_id}") if answer.issues else answer

    def _repeated(self, read: Callable[[], SourceOrder]) -> SourceOrder:
        """Read one object; where that fails in passing, again after growing pauses."""
        for further in range(self._tries - 1):
            begun = time.monotonic()
            try:
                return read()
            except (ThrottledError, ThrottlingPersistsError):
                raise
            except TransientError:
                with self._lock:
                    self._failing_s += time.monotonic() - begun
                    spent = self._failing_s > MAX_RETRY_S
                if spent:
                    raise
            self._sleep(self._pause_s * 4**further)
        return read()

    def _address(self, address_id: str) -> SourceOrder | None:
        """An address, read once for all orders; ``None`` where there is none (the order then keeps the id)."""
        with self._lock:
            future = self._addresses.get(address_id)
            mine = future is None
            if future is None:
                if len(self._addresses) >= MAX_ADDRESSES:
                    self._addresses.clear()
                future = self._addresses[address_id] = Future()
        if mine:
            try:
                future.set_result(self._read_address(address_id))
            except BaseException as error:
                future.set_exception(error)
        try:
            found: SourceOrder | None = future.result()
        except ThrottledError:
            raise
        except TransientError as error:
            raise AddressUnreadableError(address_id, error) from None
        return found

    def _read_address(self, address_id: str) -> SourceOrder | None:
        try:
            return self._repeated(lambda: self._transport.get_one(f"address/{address_id}"))
        except OrderNotFoundError:
            return None


class AddressUnreadableError(Exception):
    """An order was read, but not an address that it refers to."""

    def __init__(self, address_id: str, cause: TransientError) -> None:
        super().__init__(f"its address {address_id} cannot be read: {cause}")
        self.address_id = address_id
        self.cause = cause
