"""Lists in pages: by page number, offset, cursor or Link header; as a bare list or in an envelope."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Literal

from aiohttp import web


@dataclass(frozen=True)
class Paging:
    """How a vendor divides a list.

    ``way``: the parameter that selects a page is a page number, an offset, or an opaque cursor; ``parameter`` and
    ``size_parameter`` are the names. ``rows``: the envelope's member with the rows (empty: the body is the list).
    The other names are those of headers and envelope members; empty ones are left out. ``link``: the ``Link`` header
    with ``rel="next"``. ``next_member`` holds the address of the next page, or its cursor.
    """

    way: Literal["page", "offset", "cursor"] = "page"
    parameter: str = "page"
    size_parameter: str = "per_page"
    default_size: int = 10
    max_size: int = 100
    first_page: int = 1
    rows: str = ""
    link: bool = False
    total_header: str = ""
    pages_header: str = ""
    total_member: str = ""
    page_member: str = ""
    pages_member: str = ""
    next_member: str = ""

    def page(self, request: web.Request, count: int) -> Page:
        """The page that a request asks for, of ``count`` rows; raises ``ValueError`` for an invalid parameter."""
        size = min(_natural(request, self.size_parameter, self.default_size) or self.default_size, self.max_size)
        if self.way == "page":
            number = _natural(request, self.parameter, self.first_page) - self.first_page
            if number < 0:
                raise ValueError(f"{self.parameter} starts at {self.first_page}")
            start = number * size
        else:
            start = _natural(request, self.parameter, 0)
        return Page(self, request, start, size, count)


@dataclass(frozen=True)
class Page:
    """One page of a list: the rows from ``start`` to ``end``."""

    paging: Paging
    request: web.Request = field(repr=False)
    start: int
    size: int
    count: int

    @property
    def end(self) -> int:
        """Position after the last row."""
        return min(self.start + self.size, self.count)

    @property
    def has_next(self) -> bool:
        """Whether there are rows after it."""
        return self.end < self.count

    def response(self, rows: Sequence[bytes]) -> web.Response:
        """The response with these rows, each a JSON text."""
        how, pages, text = self.paging, ceil(self.count / self.size), b"[" + b",".join(rows) + b"]"
        headers = {how.total_header: str(self.count), how.pages_header: str(pages)}
        if self.has_next and how.link:
            headers["Link"] = f'<{self._next_url()}>; rel="next"'
        if how.rows:
            members: dict[str, Any] = {how.total_member: self.count, how.pages_member: pages}
            members[how.page_member] = self.start // self.size + how.first_page
            members[how.next_member] = self._next() if self.has_next else None
            shown = json.dumps({name: value for name, value in members.items() if name}).encode()
            head = b"{" + json.dumps(how.rows).encode() + b":"
            text = head + text + (b"," + shown[1:] if shown != b"{}" else b"}")
        headers = {name: value for name, value in headers.items() if name}
        return web.Response(body=text, headers=headers, content_type="application/json")

    def _next(self) -> Any:
        return str(self.end) if self.paging.way == "cursor" else self._next_url()

    def _next_url(self) -> str:
        position = self.start // self.size + 1 + self.paging.first_page if self.paging.way == "page" else self.end
        return str(self.request.url.update_query({self.paging.parameter: str(position)}))


def _natural(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"{name} must be a number")
    return int(text)
