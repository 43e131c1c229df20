"""The list of orders: summaries, page by page, all of them before anything else is read (page "Orders GET - json").

Orders leave the list of confirmed ones while it is read (another run acknowledges them), and what stood behind them
moves forward over the border of a page; where another arrives meanwhile, the count does not even show it. So a reading
of several pages counts only if the count stayed the same, as many orders were seen, and it brought none that an earlier
reading had not seen. Summaries are cheap beside the details that follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from order_relay.errors import ConfigurationError, MalformedResponseError, TransientError
from order_relay.http.unknown_fields import warn_unknown_fields
from order_relay.orders.messages import Warn, ignore_warning
from order_relay.vendors.cloudsuite.transport import CloudSuiteTransport, OrderNotFoundError, Query

MEMBERS = ("count", "next", "previous", "results")
"""Members of a list that the vendor documents."""

MAX_LIST_READS = 6
"""So often a list is read at most."""

MAX_UTC_OFFSET = timedelta(hours=3)
"""More than any clock of a shop is set back or forward at once."""

OrderSummaries = dict[str, dict[str, Any]]


FARTHEST_BEHIND, FARTHEST_AHEAD = timedelta(hours=-12), timedelta(hours=14)
"""Offsets from UTC that clocks on earth have; the window spans them all where the shop's zone is not known."""


def query_window(start: datetime, end: datetime | None, zone: ZoneInfo | None) -> dict[str, str]:
    """``confirm_date`` bounds, in the shop's own time, that hold every moment of [start, end], or since ``start``.

    Where clocks are set back, one reading of them means two moments: the bounds are then an hour wider. Without a zone
    they are as wide as the zones of the earth.
    """
    before = start.astimezone(UTC)
    bounds = {"confirm_date__gte": before + min(_zone_offsets(before, MAX_UTC_OFFSET, zone))}
    if end is not None:
        last = end.astimezone(UTC)
        bounds["confirm_date__lte"] = (
            last + max(_zone_offsets(last, -MAX_UTC_OFFSET, zone)) + timedelta(microseconds=999_999)
        )
    return {name: bound.strftime("%Y-%m-%dT%H:%M:%S") for name, bound in bounds.items()}


def _zone_offsets(moment: datetime, shift: timedelta, zone: ZoneInfo | None) -> tuple[timedelta, timedelta]:
    """The offsets from UTC at a moment and a shift from it."""
    if zone is None:
        return FARTHEST_BEHIND, FARTHEST_AHEAD
    return _offset(moment, zone), _offset(moment + shift, zone)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def read_list(
    transport: CloudSuiteTransport, query: Query, page_size: int, warn: Warn = ignore_warning
) -> OrderSummaries:
    """All summaries of a list by their ids, in the list's order.

    Raises ``TransientError`` where it changed during each of several readings, ``ConfigurationError`` where there is no
    list at
    the address, ``MalformedResponseError`` where it is not what is documented; and as ``Wire.get``.
    """
    found: OrderSummaries = {}
    for reading in range(MAX_LIST_READS):
        pages = list(_pages(transport, query, page_size, warn))
        summaries = [summary for _, page in pages for summary in page]
        seen = {id_of(summary): summary for summary in summaries}
        steady = {count for count, _ in pages} == {len(summaries)} == {len(seen)}
        nothing_new = len(pages) == 1 or (reading > 0 and seen.keys() <= found.keys())
        found |= seen
        if steady and nothing_new:
            return found
    raise TransientError(f"CloudSuite's list of orders changed during each of {MAX_LIST_READS} readings")


def _pages(transport: CloudSuiteTransport, query: Query, page_size: int, warn: Warn) -> Iterator[tuple[int, list[Any]]]:
    offset, limit = 0, page_size
    while True:
        try:
            answer = transport.get("order", {**query, "limit": limit, "offset": offset})
        except OrderNotFoundError:
            if offset:  # the list has become shorter than this page's offset: the reading will not add up
                return
            raise ConfigurationError(
                "CloudSuite answered HTTP 404 to the list of orders: is the base URL wrong?"
            ) from None
        count, page, following = _checked(answer.document)
        warn_unknown_fields(answer.document, MEMBERS, "CloudSuite's list", warn)
        if answer.issues:
            warn(f"CloudSuite's list holds something that cannot be read ({answer.problem}); it was left out")
        yield count, page
        if following is None:
            return
        offset, limit = _next_page(following, offset, limit)


def _checked(document: Any) -> tuple[int, list[Any], str | None]:
    count, page, following = (document.get(name) for name in ("count", "results", "next"))
    if type(count) is not int or not isinstance(page, list):
        raise MalformedResponseError(
            "the list is not what is documented: 'count' or 'results' is missing or of another type"
        )
    if following is not None and not isinstance(following, str):
        raise MalformedResponseError("the list is not what is documented: 'next' is no address")
    return count, page, following or None


def _next_page(following: str, offset: int, limit: int) -> tuple[int, int]:
    """Offset and limit of the next page: all that is taken from ``next``.

    Its scheme, host and path are ignored, since a server behind a proxy writes its own idea of them. Every page is
    asked for at the connection's address, with our own filters, so the token goes nowhere else.
    """
    try:
        numbers = {name: values[0] for name, values in parse_qs(urlsplit(following).query).items()}
        further = int(numbers["offset"])
        size = int(numbers.get("limit", limit))
    except (KeyError, ValueError):
        raise MalformedResponseError("the list is not what is documented: 'next' has no offset") from None
    if further <= offset or not 0 < size <= max(limit, 10_000):
        raise MalformedResponseError("the list is not what is documented: 'next' leads back")
    return further, size


def id_of(summary: Any) -> str:
    """The id of a summary or a detail, as digits. Raises ``MalformedResponseError``."""
    found = summary.get("id") if isinstance(summary, dict) else None
    if type(found) is int and found > 0:
        return str(found)
    if isinstance(found, str) and found.isascii() and found.isdigit():
        return found
    raise MalformedResponseError("the answer is not what is documented: an order without an id")
