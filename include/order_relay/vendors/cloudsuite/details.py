"""Orders in full: the detail of each id, its addresses inlined, several at a time and handed on in the order asked for.

Whether the detail holds addresses as objects or as ids is not documented (write examples show ids). Both are taken:
ids are read from ``/api/address/{id}/`` (assumed), each once.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from order_relay.errors import BadAnswer
from order_relay.orders.exchange import NOT_READ, OfferedOrder
from order_relay.vendors.cloudsuite.listing import id_of
from order_relay.vendors.cloudsuite.wire import NotThereError, Wire

log = logging.getLogger(__name__)

LISTED = "_listed"
"""The member in which an offered order keeps its summary; CloudSuite has none of this name."""

ADDRESSES = ("shipment_address", "invoice_address")
MOST_ADDRESSES = 20_000
"""So many addresses are remembered; after that they are read anew."""

MOST_IN_VAIN = 3
"""After so many unreadable details, and not one that could be read, the reading ends."""

Asked = TypeVar("Asked")
Told = TypeVar("Told")


def in_turn(work: Callable[[Asked], Told], asked: Iterable[Asked], parallel: int) -> Iterator[Told]:
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


class Details:
    """Reads orders in full. One for each reading of a source, since it remembers addresses."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._lock = threading.Lock()
        self._addresses: dict[str, Future[Any]] = {}
        self._readable = self._in_vain = 0

    def offered(self, asked: tuple[str, dict[str, Any] | None]) -> OfferedOrder | None:
        """The order of this id with its summary (if it was listed); ``None`` where it has vanished meanwhile.

        One whose detail can not be read is offered as what is known of it, with the problem ``NOT_READ``: it must not
        keep the others waiting. Raises ``BadAnswer`` where not one could be read so far.
        """
        order_id, summary = asked
        listed = {} if summary is None else {LISTED: summary}
        try:
            answer = self._read(order_id)
        except NotThereError:
            log.warning("CloudSuite has no order %s (any more); left out", order_id)
            return None
        except BadAnswer as error:
            self._unreadable(error)
            log.warning("CloudSuite's order %s can not be read: %s", order_id, error)
            return OfferedOrder({"id": int(order_id), **listed}, NOT_READ)
        self._readable += 1
        inlined, problems = {}, [answer.problem]
        for name in ADDRESSES:
            given = answer.document.get(name)
            if type(given) is int or (isinstance(given, str) and given.isascii() and given.isdigit()):
                found = self._address(str(given))
                if found is not None:
                    inlined[name] = found.document
                    problems.append(found.problem)
        return OfferedOrder({**answer.document, **inlined, **listed}, next(filter(None, problems), ""))

    def _read(self, order_id: str) -> OfferedOrder:
        answer = self._wire.get(f"order/{order_id}")
        if id_of(answer.document) != order_id:
            raise BadAnswer(f"CloudSuite answered with another order when asked for {order_id}")
        return answer

    def _unreadable(self, error: BadAnswer) -> None:
        """Where nothing can be read at all it is not the orders: the reading ends."""
        with self._lock:
            self._in_vain += 1
            if self._in_vain >= MOST_IN_VAIN and not self._readable:
                raise error

    def _address(self, address_id: str) -> OfferedOrder | None:
        """An address, read once for all orders; ``None`` where there is none (the order then keeps the id)."""
        with self._lock:
            future = self._addresses.get(address_id)
            mine = future is None
            if future is None:
                if len(self._addresses) >= MOST_ADDRESSES:
                    self._addresses.clear()
                future = self._addresses[address_id] = Future()
        if mine:
            try:
                future.set_result(self._read_address(address_id))
            except BaseException as error:
                future.set_exception(error)
        found: OfferedOrder | None = future.result()
        return found

    def _read_address(self, address_id: str) -> OfferedOrder | None:
        try:
            return self._wire.get(f"address/{address_id}")
        except NotThereError:
            return None
