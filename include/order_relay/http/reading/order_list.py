"""A complete list of orders, read before any of them is used.

Lists change while they are read: an order that leaves moves the later ones across a page boundary, and one of them may
be missed. A list of several pages is therefore read again until two passes agree:

* a pass counts only if no order appeared twice, and the stated totals are constant and match the orders seen;
* with a total, a pass that shows no order that earlier passes did not show is the last one;
* without a total, the last two passes must show the same orders.

An order that was in the list throughout is then found, unless another one left and came back at just the wrong moment
in both passes. The overlap of the next run covers that, too.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from order_relay.errors import ConfigurationError, MalformedResponseError, TransientError
from order_relay.http.reading.pages import ListRequest, ListShape, Page, Pager, SinglePage
from order_relay.http.reading.transport import NotFoundError, Transport
from order_relay.http.reading.window import TimeWindow
from order_relay.orders.messages import SourceOrder, Warn, ignore_warning

MAX_LIST_READS = 6
"""Maximum passes over a list."""

MAX_PAGES = 100_000
"""Maximum pages of a list."""

PLAIN_ID = re.compile(r"(?=.*[A-Za-z0-9])[A-Za-z0-9._~:-]{1,100}", re.ASCII)
"""An id that may be part of a URL's path."""

FoundOrders = dict[str, SourceOrder]
"""Orders by id, in the order of the list. An order without a usable id has a key that begins with a blank."""


@dataclass(frozen=True, kw_only=True)
class OrderList:
    """A list of orders. ``path`` of the connection's server; ``query``: constant parameters, such as a filter.

    ``queries``: further parameters, one list for each; the lists together are the orders. ``history_queries``: those of
    a history import, if it reads others. ``complete``: an entry is the
    whole order, so that only orders outside the list are read one by one. ``id``: the member with an order's id.
    ``ids``: the form of an id, ``ids_text`` in words; another one is not used in requests. ``window``: how a time
    window is requested; without it, the list is what the source offers now. ``hint``: what to check after a 404.
    """

    path: str
    query: Mapping[str, str | int] = field(default_factory=dict)
    queries: Sequence[Mapping[str, str | int]] = ({},)
    history_queries: Sequence[Mapping[str, str | int]] = ()
    complete: bool = False
    id: str = "id"
    pager: Pager = field(default_factory=SinglePage)
    shape: ListShape = field(default_factory=ListShape)
    window: TimeWindow | None = None
    ids: re.Pattern[str] = PLAIN_ID
    ids_text: str = "consist of letters, digits and ._~:-"
    hint: str = "check the base URL of the connection"

    def id_of(self, document: Any) -> str:
        """The id of an order or its summary, or empty if it has none that is usable."""
        found = document.get(self.id) if isinstance(document, Mapping) else None
        text = str(found) if type(found) is int or isinstance(found, str) else ""
        return text if self.ids.fullmatch(text) else ""


@dataclass
class _Pass:
    """One pass over the pages. ``flaw``: why it cannot be a complete list, or empty."""

    orders: FoundOrders = field(default_factory=dict)
    rows: int = 0
    pages: int = 0
    totals: set[int | None] = field(default_factory=set)
    flaw: str = ""

    def finish(self) -> None:
        """Compare the rows with the orders and the stated totals."""
        if len(self.orders) != self.rows:
            self.flaw = self.flaw or "an order appeared on two pages"
        elif self.totals - {None} and self.totals != {self.rows}:
            self.flaw = self.flaw or "the stated total differs from the orders seen"

    @property
    def has_total(self) -> bool:
        return None not in self.totals


def read_list(
    transport: Transport, declared: OrderList, query: Mapping[str, str | int], warn: Warn = ignore_warning
) -> FoundOrders:
    """All orders of a list. ``query``: parameters besides those of the declaration.

    Raises ``TransientError`` if it changed during each of several passes, ``ConfigurationError`` for a 404,
    ``MalformedResponseError`` if it is not as documented, and the errors of ``Transport.read``.
    """
    found: FoundOrders = {}
    before: set[str] = set()
    for attempt in range(MAX_LIST_READS):
        present = _read_pass(transport, declared, query, warn)
        seen = set(present.orders)
        agrees = attempt > 0 and (seen <= found.keys() if present.has_total else seen == before)
        found |= present.orders
        before = seen if not present.flaw else set()
        if not present.flaw and (present.pages == 1 or agrees):
            return found
    flaw = f" ({present.flaw})" if present.flaw else ""
    raise TransientError(
        f"{transport.name}'s list of orders changed while it was read, {MAX_LIST_READS} times in a row{flaw}"
    )


def _read_pass(transport: Transport, declared: OrderList, query: Mapping[str, str | int], warn: Warn) -> _Pass:
    result = _Pass()
    request: ListRequest | None = declared.pager.first(ListRequest(declared.path, {**declared.query, **query}))
    requested: set[tuple[str, frozenset[tuple[str, str | int]]]] = set()
    while request is not None:
        requested.add(_identity(request))
        try:
            page = transport.read(request.path, lambda reply: declared.shape.parse(reply, warn), request.query)
        except NotFoundError:
            if not result.pages:
                raise ConfigurationError(
                    f"{transport.name} answered HTTP 404 to the list of orders: {declared.hint}"
                ) from None
            if not declared.pager.counts:
                result.flaw = "a page that it led to does not exist"
            break
        if not _add(result, declared, page):
            break
        request = declared.pager.following(request, page, result.rows)
        if request is not None:
            _check(request, requested, transport)
    result.finish()
    return result


def read_summaries(
    transport: Transport, declared: OrderList, query: Mapping[str, str | int], warn: Warn = ignore_warning
) -> FoundOrders:
    """All entries of a list by id, for a source whose orders are read one by one.

    Raises ``MalformedResponseError`` if an entry has no id, and the errors of ``read_list``.
    """
    found = read_list(transport, declared, query, warn)
    for key, order in found.items():
        if key.startswith(" "):
            raise MalformedResponseError("the response is not as documented: an order without an id")
        if order.issues:
            warn(f"{transport.name}'s list contains a value that cannot be read ({order.problem}); it was ignored")
    return found


def _add(result: _Pass, declared: OrderList, page: Page) -> bool:
    """Add a page to a pass. Returns whether it brought anything new, or is empty."""
    orders = _by_key(declared, page)
    is_repeated = bool(result.pages and orders and orders.keys() <= result.orders.keys())
    result.orders |= orders
    result.rows += len(page.orders)
    result.pages += 1
    result.totals.add(page.total)
    if is_repeated:
        result.flaw = "a page repeated orders of earlier pages"
    return not is_repeated


def _by_key(declared: OrderList, page: Page) -> FoundOrders:
    """The orders of a page by id; those without one by their content, counted."""
    found: FoundOrders = {}
    unnamed: Counter[str] = Counter()
    for order in page.orders:
        key = declared.id_of(order.document)
        if not key:
            digest = hashlib.sha256((order.text or repr(order.document)).encode("utf-8", "replace")).hexdigest()
            unnamed[digest] += 1
            key = f" {digest} {unnamed[digest]}"
        found[key] = order
    return found


def _check(request: ListRequest, requested: set[Any], transport: Transport) -> None:
    if _identity(request) in requested:
        raise MalformedResponseError(f"{transport.name}'s pages lead in a circle")
    if len(requested) >= MAX_PAGES:
        raise MalformedResponseError(f"{transport.name}'s list has more than {MAX_PAGES} pages")
    if not transport.is_own(request.path):
        raise MalformedResponseError(
            f"{transport.name}'s next page is on another host than the connection's; it was not requested"
        )


def _identity(request: ListRequest) -> tuple[str, frozenset[tuple[str, str | int]]]:
    return request.path, frozenset(request.query.items())
