"""The order download by time of submission: a second way to read, which also returns orders that were received.

Unverified: the vendor's article could not be read (docs/vendors/supercat.md, "Order download"). Off unless the
connection's ``download`` names a format. It never acknowledges anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Literal

import httpx

from order_relay.errors import ConfigurationError, MalformedResponseError
from order_relay.http.auth.credentials import basic_auth, spellings
from order_relay.http.json.array_framer import MAX_KEPT, ArrayFramer, unexpected_elements
from order_relay.http.json.json_recovery import end_of, recover_order
from order_relay.http.json.strict_json import json_type, read_order, read_value, truncated
from order_relay.http.reading.bodies import checked_start, excerpt
from order_relay.http.reading.client import VendorClient
from order_relay.http.reading.window import TimeWindow
from order_relay.orders.messages import Acknowledgement, Selection, SourceOrder
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.supercat.connection import SuperCatSettings
from order_relay.vendors.supercat.transport import get

SUBMITTED = TimeWindow(start="submit_from", end="submit_to")
"""Assumed: both bounds are included, and times in UTC with ``Z`` are understood."""

_NO_ORDER = frozenset({"status", "error", "errors", "message", "data"})
"""An object with no other members reports a failure."""


class SuperCatDownload:
    """The orders that one organisation submitted in an interval. Implements the port ``Source``."""

    windowed = True
    acknowledges: Literal["order_number"] = "order_number"

    def __init__(self, settings: SuperCatSettings, vendor_format: VendorFormat) -> None:
        self._settings = settings
        self.account = settings.account
        self.format = vendor_format
        self._hide = spellings(*basic_auth(settings.download_login, settings.download_password).secrets)
        self._server = VendorClient("SuperCat's order download", settings, self._hide)

    @cached_property
    def _client(self) -> httpx.Client:
        return self._server.open_client(
            httpx.BasicAuth(self._settings.download_login, self._settings.download_password)
        )

    def close(self) -> None:
        """Close the connections. A later request opens new ones."""
        client = self.__dict__.pop("_client", None)
        if client is not None:
            client.close()

    def fetch(self, selection: Selection) -> Iterator[SourceOrder]:
        """Stream the orders submitted between ``selection.start`` and ``end``, received or not.

        Valid only once the iterator is exhausted. Raises ``ConfigurationError`` without a start, and the errors of
        ``SuperCatClient.fetch``.
        """
        if selection.start is None:
            raise ConfigurationError("SuperCat's order download needs an interval")
        settings = self._settings
        asked = {"export_format": settings.download, "single_document": "1"}
        asked |= SUBMITTED.bounds(selection.start, selection.end)
        url = str(httpx.URL(settings.download_url, params=asked))
        with get(self._server, self._client, url) as response:
            yield from read_download(self._server.body(response), max_order=settings.order_limit, hide=self._hide)

    def acknowledge(self, names: Sequence[str]) -> dict[str, Acknowledgement]:
        """Sends nothing; no order is answered."""
        return {}


def read_download(chunks: Iterable[bytes], *, max_order: int, hide: tuple[str, ...] = ()) -> Iterator[SourceOrder]:
    """The orders of a streamed response: one JSON array, or one object a line; valid only once it is exhausted.

    ``max_order`` bounds one order (characters of an array's element, bytes of a line). A defect inside one order
    concerns that order only. ``hide``: texts that no message may contain. Raises ``MalformedResponseError``.
    """
    pieces = checked_start(chunks, b"{[")
    first = next(pieces)
    read = _read_array if first.startswith(b"[") else _read_lines
    return read(chain((first,), pieces), max_order, hide)


def _read_array(chunks: Iterable[bytes], max_order: int, hide: tuple[str, ...]) -> Iterator[SourceOrder]:
    framer = ArrayFramer(max_order, member="")
    for chunk in chunks:
        yield from framer.feed(chunk)
    yield from framer.feed(b"", last=True)
    array = read_value(framer.skeleton, "the response").document
    if not isinstance(array, list):
        raise MalformedResponseError(f"the response is {json_type(array)}, not an array")
    yield from unexpected_elements(array, framer.elements)


def _read_lines(chunks: Iterable[bytes], max_order: int, hide: tuple[str, ...]) -> Iterator[SourceOrder]:
    number = 0
    for line, ended in _lines(chunks, max_order):
        if not line.strip():
            continue
        number += 1
        order = _read_line(line, number, max_order, ended=ended)
        if number == 1 and not order.issues and order.document.keys() <= _NO_ORDER:
            message = excerpt(order.document.get("error") or order.document.get("message"), hide)
            raise MalformedResponseError(f"SuperCat reports a failure: {message or 'without a message'}")
        yield order


def _lines(chunks: Iterable[bytes], limit: int) -> Iterator[tuple[bytes, bool]]:
    """Each line, and whether a line break ended it. Of a line longer than ``limit``, ``limit`` + 1 bytes are kept."""
    kept = bytearray()
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            kept += piece[: limit + 1 - len(kept)]
            yield bytes(kept), True
            kept.clear()
        kept += rest[: limit + 1 - len(kept)]
    if kept:
        yield bytes(kept), False


def _read_line(line: bytes, number: int, limit: int, *, ended: bool) -> SourceOrder:
    where = f"order {number} of the response"
    if len(line) > limit:
        return recover_order(line[:MAX_KEPT].decode("utf-8", "surrogateescape"), where, too_large=limit)
    try:
        return read_order(line, where)
    except MalformedResponseError:
        text = line.decode("utf-8", "surrogateescape")
    if not ended and end_of(text, 0) is None:
        raise truncated("the response")
    if number == 1 and end_of(text, 0) is None:
        raise MalformedResponseError("the response is neither an array of orders nor one order a line")
    return recover_order(text, where)
