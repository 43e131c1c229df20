"""Orders in full, read one by one by their ids.

An order that cannot be read does not affect others: it is retried, then offered with what is known of it and a problem
of ``UNREAD_PROBLEMS``. It must neither delay the others nor be forgotten. The run ends only if the source as a whole
seems to fail.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from order_relay.errors import MalformedResponseError, ThrottledError, TransientError
from order_relay.http.reading.order_list import OrderList
from order_relay.http.reading.read_settings import ReadLimits
from order_relay.http.reading.reply import parse_order
from order_relay.http.reading.transport import NotFoundError, ThrottlingPersistedError, Transport
from order_relay.orders.messages import DETAIL_MISSING, DETAIL_UNREADABLE, SourceOrder

log = logging.getLogger(__name__)

T = TypeVar("T")

LISTED = "_listed"
"""The member in which an offered order keeps its entry of the list."""

MAX_RETRY_S = 120.0
"""Total time for failed tries in one run; after that each object is tried once."""

MIN_FAILURES = 4
"""Fewer failures never end a run."""

PROBE_AFTER = 20
"""After this many failures without a readable order, orders from the rest of the list are probed."""

PROBE_COUNT = 3
"""Number of orders probed, spread over the rest of the list."""


class UnreadablePartError(Exception):
    """An order was read, but a part of it, such as an address, was not. ``part`` names it."""

    def __init__(self, part: str, cause: TransientError) -> None:
        super().__init__(f"its {part} cannot be read: {cause}")
        self.part = part
        self.cause = cause


class Retries:
    """Repeats reading one object after a transient failure, with growing pauses. One instance per run."""

    def __init__(self, limits: ReadLimits, sleep: Callable[[float], None] = time.sleep) -> None:
        self._limits = limits
        self._sleep = sleep
        self._lock = threading.Lock()
        self._failing_s = 0.0

    def run(self, read: Callable[[], T]) -> T:
        """The result of ``read``. Raises its last error; one that asks to slow down at once."""
        for retry in range(self._limits.tries - 1):
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
            self._sleep(self._limits.pause_s * 4**retry)
        return read()


Complete = Callable[[SourceOrder], SourceOrder]
"""Adds further parts to an order that was read. Raises ``UnreadablePartError``."""


def as_read(order: SourceOrder) -> SourceOrder:
    """For orders that have no further parts."""
    return order


@dataclass(frozen=True, kw_only=True)
class OrderDetail:
    """One order by its id. ``path`` contains ``{id}``; ``member``: the member with the order, if it is not the body.

    ``parts`` makes, for each run, a function that adds further parts to an order. ``missing_hint``: what to check if
    the source lists orders but answers 404 for them.
    """

    path: str
    member: str = ""
    parts: Callable[[Transport, Retries], Complete] = lambda _transport, _retries: as_read
    missing_hint: str = "check the base URL, and whether the account may read orders"

    def url(self, order_id: str) -> str:
        """The path of an order."""
        return self.path.format(id=quote(order_id, safe=""))

    def read(self, transport: Transport, order_id: str) -> SourceOrder:
        """An order in its present state. Raises ``NotFoundError`` and the errors of ``Transport.read``."""
        order = transport.read(self.url(order_id), parse_order, is_item=True)
        if not self.member:
            return order
        document = order.document.get(self.member)
        if not isinstance(document, dict):
            raise MalformedResponseError(f"the response is not as documented: {self.member!r} is not an object")
        return replace(order, document=document)


class ReadFailures:
    """Counts the failures of one run and decides whether the source as a whole fails; for any number of threads.

    Single orders are set aside. The run ends only if more than half of the orders that are read for the first time
    fail, and at least ``MIN_FAILURES``. Orders that failed before do not count; a part shared by several orders counts
    once.

    ``ids``: the orders to read, in this order. ``known``: those that failed or waited before. ``probe``: whether an
    order can be read. ``missing_text``: the error if most orders of a list do not exist.
    """

    def __init__(
        self, ids: Sequence[str], known: Collection[str], probe: Callable[[str], bool], missing_text: str
    ) -> None:
        self._ids = [order_id for order_id in ids if order_id not in known]
        self._counted = frozenset(self._ids)
        self._lock = threading.Lock()
        self._readable = False
        self._failing: set[str] = set()
        self._missing: set[str] = set()
        self._probed = False
        self._probe = probe
        self._missing_text = missing_text

    def read(self, order_id: str) -> None:
        """An order was read."""
        self._readable = True

    def missing(self, order_id: str) -> None:
        """The source answered 404 for an order. Raises ``MalformedResponseError`` if it does so for most orders."""
        self._count_failure(order_id, self._missing, order_id, MalformedResponseError(self._missing_text))

    def failed(self, order_id: str, what: str, error: TransientError) -> None:
        """An order could not be read, because of ``what``. Raises an error of the same type if most orders fail."""
        self._count_failure(order_id, self._failing, what, error)

    def _count_failure(self, order_id: str, group: set[str], what: str, error: TransientError) -> None:
        if order_id not in self._counted:
            return
        with self._lock:
            group.add(what)
            number, probe = len(group), False
            if number >= PROBE_AFTER and not self._readable and not self._probed:
                self._probed = probe = True
        majority = number >= MIN_FAILURES and 2 * number > len(self._ids)
        if majority or (probe and not any(map(self._probe, self._probe_sample()))):
            raise type(error)(f"{number} of {len(self._ids)} orders cannot be read; last error: {error}")

    def _probe_sample(self) -> list[str]:
        """Some orders of the second half of the list, including the last one."""
        rest = self._ids[len(self._ids) // 2 :]
        return rest[:: -max(1, len(rest) // PROBE_COUNT)][:PROBE_COUNT]


class DetailReader:
    """Reads orders in full. One instance per run of ``fetch``.

    ``ids``: the orders to read; ``known``: those that failed or waited before, which count less.
    """

    def __init__(
        self,
        transport: Transport,
        orders: OrderList,
        detail: OrderDetail,
        retries: Retries,
        ids: Sequence[str],
        *,
        known: Collection[str] = (),
    ) -> None:
        self._transport = transport
        self._orders = orders
        self._detail = detail
        self._retries = retries
        self._complete = detail.parts(transport, retries)
        missing = f"{transport.name} lists orders but answers HTTP 404 for their details: {detail.missing_hint}"
        self._failures = ReadFailures(ids, known, self._probe, missing)

    def offered(self, order_id: str, listed: Mapping[str, Any] | None) -> SourceOrder:
        """The order of this id. ``listed``: its entry in the list, if it was listed.

        Raises the errors of ``ReadFailures``, ``ThrottledError``, and ``SourceAuthError``.
        """
        name = self._transport.name
        entry = {} if listed is None else {LISTED: listed}
        known = {self._orders.id: known_id(order_id), **entry}
        try:
            found = self._complete(self._retries.run(partial(self._read, order_id)))
        except NotFoundError:
            log.warning("%s answered HTTP 404 for order %s; it will be requested again", name, order_id)
            self._failures.missing(order_id)
            return SourceOrder(known, DETAIL_MISSING, "HTTP 404")
        except UnreadablePartError as error:
            log.warning("%s order %s cannot be read: %s", name, order_id, error)
            self._failures.failed(order_id, error.part, error.cause)
            return SourceOrder(known, DETAIL_UNREADABLE, str(error))
        except ThrottledError:
            raise
        except TransientError as error:
            log.warning("%s order %s cannot be read: %s", name, order_id, error)
            self._failures.failed(order_id, f"order {order_id}", error)
            return SourceOrder(known, DETAIL_UNREADABLE, str(error))
        self._failures.read(order_id)
        return replace(found, document={**found.document, **entry})

    def _probe(self, order_id: str) -> bool:
        """Whether this order can be read, in one try."""
        try:
            self._read(order_id)
        except ThrottledError:
            raise
        except (NotFoundError, TransientError):
            return False
        return True

    def _read(self, order_id: str) -> SourceOrder:
        order = self._detail.read(self._transport, order_id)
        member = self._orders.id
        if order.issues and member not in order.document:  # the request identifies it
            order = replace(order, document={**order.document, member: known_id(order_id)})
        if self._orders.id_of(order.document) != order_id:
            raise MalformedResponseError(f"{self._transport.name} answered with another order than {order_id}")
        return replace(order, where=f"the response for order {order_id}") if order.issues else order


def known_id(order_id: str) -> int | str:
    """The id as vendors write it into an order: a number if it consists of digits."""
    return int(order_id) if order_id.isdigit() else order_id
