"""The pages of a list: what a page states, and which request reads the next one.

A pager proposes the next request only. ``order_list`` guards against circles, other hosts, repeated pages and endless
lists, and decides whether the pages together are a complete list.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import httpx

from order_relay.errors import MalformedResponseError
from order_relay.http.json.array_framer import ArrayFramer, unexpected_elements
from order_relay.http.json.strict_json import read_value
from order_relay.http.json.unknown_fields import warn_unknown_fields
from order_relay.http.reading.reply import Reply
from order_relay.orders.messages import SourceOrder, Warn

MAX_PAGE_SIZE = 10_000
"""A server may state another page size than requested, up to this one."""


@dataclass(frozen=True, slots=True)
class Page:
    """The orders of one page and what it states about the list. ``total``: orders; ``pages``: pages of the list.

    ``next`` is the member that leads to the next page (a URL or a cursor), ``link`` the URL of the header ``Link``.
    ``url``: the page's own.
    """

    orders: tuple[SourceOrder, ...]
    total: int | None = None
    pages: int | None = None
    next: str = ""
    link: str = ""
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class ListShape:
    """Where a list response holds its orders, and what it states besides.

    ``member``: the member with the array; empty: the response is the array. ``total``, ``pages``: the member or header
    with the number of orders, and of pages, of the list; empty: not stated. ``next``: the member with the URL or the
    cursor of the next page. ``others``: further documented members; undocumented ones are reported as a warning.
    """

    member: str = ""
    total: str = ""
    pages: str = ""
    next: str = ""
    others: Collection[str] = ()

    def parse(self, reply: Reply, warn: Warn) -> Page:
        """The page in a response; a defect inside one order concerns that order only.

        Raises ``MalformedResponseError``.
        """
        body = reply.body(b"{" if self.member else b"[")
        members, orders = self._flawless(body) or self._framed(body, reply.server.settings.size_limit_bytes)
        known = {self.member, self.total, self.pages, self.next, *self.others}
        warn_unknown_fields(members, known, f"{reply.server.name}'s list", warn)
        total, pages = (_stated(name, members, reply) for name in (self.total, self.pages))
        return Page(tuple(orders), total, pages, _next(self.next, members), reply.next_link, str(reply.response.url))

    def _flawless(self, body: bytes) -> tuple[dict[str, Any], list[SourceOrder]] | None:
        """The members and the orders of a body without any defect, which is parsed at once; ``None`` for others."""
        try:
            found = read_value(body, "the response")
        except MalformedResponseError:
            return None
        array = found.document.get(self.member) if self.member else found.document
        if found.problem or not isinstance(array, list) or not all(type(order) is dict for order in array):
            return None
        return (found.document if self.member else {}), [SourceOrder(order) for order in array]

    def _framed(self, body: bytes, limit: int) -> tuple[dict[str, Any], list[SourceOrder]]:
        """The members and the orders, each read for itself."""
        framer = ArrayFramer(limit, self.member)
        orders = [*framer.feed(body, last=True)]
        frame = read_value(framer.skeleton, "the response").document
        array = frame.get(self.member) if self.member else frame
        if not isinstance(array, list):
            raise _undocumented(f"{self.member!r} is missing or not an array")
        orders += unexpected_elements(array, framer.elements)
        return (frame if self.member else {}), orders


def _stated(name: str, members: Mapping[str, Any], reply: Reply) -> int | None:
    if not name:
        return None
    value = members.get(name)
    if name not in members:
        text = reply.headers.get(name, "").strip()
        value = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
    if type(value) is not int or value < 0:
        raise _undocumented(f"{name!r} is missing or not a whole number")
    return value


def _next(name: str, members: Mapping[str, Any]) -> str:
    value = members.get(name) if name else None
    if value is None:
        return ""
    if type(value) is int:
        return str(value)
    if not isinstance(value, str):
        raise _undocumented(f"{name!r} is not a text")
    return value


def _undocumented(what: str) -> MalformedResponseError:
    return MalformedResponseError(f"the list is not as documented: {what}")


@dataclass(frozen=True)
class ListRequest:
    """The request for one page: a path of the connection's server or an absolute URL, and the query."""

    path: str
    query: Mapping[str, str | int]


class Pager(Protocol):
    """How the pages of a list are requested."""

    @property
    def counts(self) -> bool:
        """Whether positions are counted by us, so that HTTP 404 for a later page means the end of the list."""

    def first(self, request: ListRequest) -> ListRequest:
        """The request for the first page."""

    def following(self, request: ListRequest, page: Page, rows: int) -> ListRequest | None:
        """The request for the page after ``page``, or ``None`` after the last one.

        ``rows``: orders on all pages up to this one. Raises ``MalformedResponseError``.
        """


@dataclass(frozen=True)
class SinglePage:
    """The whole list in one response."""

    counts = False

    def first(self, request: ListRequest) -> ListRequest:
        """See ``Pager.first``."""
        return request

    def following(self, _request: ListRequest, _page: Page, _rows: int) -> ListRequest | None:
        """See ``Pager.following``."""
        return None


@dataclass(frozen=True)
class PageNumbers:
    """Pages by number, from ``start``.

    If the list states neither its pages nor its total, an empty page is the end: a page with fewer orders than
    requested may only mean that the vendor allows fewer per page. ``fills_pages``: the vendor documents that it does
    not, so that such a page is the last one.
    """

    parameter: str = "page"
    size_parameter: str = "per_page"
    size: int = 100
    start: int = 1
    fills_pages: bool = False

    counts = True

    def first(self, request: ListRequest) -> ListRequest:
        """See ``Pager.first``."""
        return _with(request, {self.size_parameter: self.size, self.parameter: self.start})

    def following(self, request: ListRequest, page: Page, rows: int) -> ListRequest | None:
        """See ``Pager.following``."""
        number = int(request.query[self.parameter])
        smallest = self.size if self.fills_pages else 1
        more = _is_more(page, rows, smallest) if page.pages is None else number - self.start + 1 < page.pages
        return _with(request, {self.parameter: number + 1}) if more else None


@dataclass(frozen=True)
class Offsets:
    """Pages by the position of their first order. The end is found as by ``PageNumbers``.

    ``linked``: the next position is taken from the URL that the list states. Nothing else of it is used, because a
    server behind a proxy may write another scheme, host or path: the token and our own filters are sent nowhere else.
    """

    parameter: str = "offset"
    size_parameter: str = "limit"
    size: int = 100
    linked: bool = False
    fills_pages: bool = False

    counts = True

    def first(self, request: ListRequest) -> ListRequest:
        """See ``Pager.first``."""
        return _with(request, {self.size_parameter: self.size, self.parameter: 0})

    def following(self, request: ListRequest, page: Page, rows: int) -> ListRequest | None:
        """See ``Pager.following``."""
        if self.linked:
            return self._stated(request, page.next or page.link)
        more = _is_more(page, rows, self.size if self.fills_pages else 1)
        return _with(request, {self.parameter: rows}) if more else None

    def _stated(self, request: ListRequest, url: str) -> ListRequest | None:
        if not url:
            return None
        offset, size = (int(request.query[name]) for name in (self.parameter, self.size_parameter))
        try:
            numbers = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
            next_offset, next_size = int(numbers[self.parameter]), int(numbers.get(self.size_parameter, size))
        except (KeyError, ValueError):
            raise _undocumented(f"the URL of the next page has no {self.parameter}") from None
        if next_offset <= offset or not 0 < next_size <= max(size, MAX_PAGE_SIZE):
            raise _undocumented("the URL of the next page does not lead to a later page")
        return _with(request, {self.size_parameter: next_size, self.parameter: next_offset})


@dataclass(frozen=True)
class Links:
    """Pages by URL: the header ``Link`` with ``rel="next"``, or the member ``next`` of the list."""

    size_parameter: str = ""
    size: int = 100

    counts = False

    def first(self, request: ListRequest) -> ListRequest:
        """See ``Pager.first``."""
        return _with(request, {self.size_parameter: self.size} if self.size_parameter else {})

    def following(self, _request: ListRequest, page: Page, _rows: int) -> ListRequest | None:
        """See ``Pager.following``."""
        if not page.next:
            return ListRequest(page.link, {}) if page.link else None
        try:
            return ListRequest(str(httpx.URL(page.url).join(page.next)), {})
        except httpx.InvalidURL:
            raise _undocumented("what leads to the next page is not a URL") from None


@dataclass(frozen=True)
class Cursors:
    """Pages by a cursor: the member ``next`` of the list, sent in ``parameter``. An empty one ends the list."""

    parameter: str = "cursor"
    size_parameter: str = "limit"
    size: int = 100

    counts = False

    def first(self, request: ListRequest) -> ListRequest:
        """See ``Pager.first``."""
        return _with(request, {self.size_parameter: self.size})

    def following(self, request: ListRequest, page: Page, _rows: int) -> ListRequest | None:
        """See ``Pager.following``."""
        return _with(request, {self.parameter: page.next}) if page.next else None


def _is_more(page: Page, rows: int, smallest: int) -> bool:
    """``smallest``: a page with fewer orders is the last one, unless the list states its total."""
    return bool(page.orders) and (len(page.orders) >= smallest if page.total is None else rows < page.total)


def _with(request: ListRequest, query: Mapping[str, str | int]) -> ListRequest:
    return replace(request, query={**request.query, **query})
