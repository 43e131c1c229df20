"""The list of orders: all pages of summaries, read before any detail (docs/vendors/cloudsuite.md, "Facts",
list).

The list changes while it is read: a confirmed order that is taken over leaves it, and later orders move across a page
boundary; if another order arrives meanwhile, not even the count shows it. A list of several pages is therefore read
again until the count is constant, matches the orders seen, and no new order appears.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import parse_qs, urlsplit

from order_relay.errors import ConfigurationError, MalformedResponseError, TransientError
from order_relay.http.json.unknown_fields import warn_unknown_fields
from order_relay.http.reading.transport import NotFoundError
from order_relay.orders.messages import Warn, ignore_warning
from order_relay.vendors.cloudsuite.transport import CloudSuiteTransport, Query

MEMBERS = ("count", "next", "previous", "results")
"""Documented members of a page."""

MAX_LIST_READS = 6
"""Maximum passes over a list."""

MAX_UTC_OFFSET = timedelta(hours=3)
"""Upper bound of a change of a zone's UTC offset."""

OrderSummaries = dict[str, dict[str, Any]]


FARTHEST_BEHIND, FARTHEST_AHEAD = timedelta(hours=-12), timedelta(hours=14)
"""The extreme UTC offsets; the window spans them if the shop's zone is not known."""


def query_window(start: datetime, end: datetime | None, zone: tzinfo | None) -> dict[str, str]:
    """``confirm_date`` bounds in the shop's local time that include all of [start, end], or everything since ``start``.

    They are an hour wider if clocks are set back, because a local time then occurs twice. Without a zone they include
    every zone.
    """
    before = start.astimezone(UTC)
    bounds = {"confirm_date__gte": before + min(_zone_offsets(before, MAX_UTC_OFFSET, zone))}
    if end is not None:
        last = end.astimezone(UTC)
        bounds["confirm_date__lte"] = (
            last + max(_zone_offsets(last, -MAX_UTC_OFFSET, zone)) + timedelta(microseconds=999_999)
        )
    return {name: bound.strftime("%Y-%m-%dT%H:%M:%S") for name, bound in bounds.items()}


def _zone_offsets(moment: datetime, shift: timedelta, zone: tzinfo | None) -> tuple[timedelta, timedelta]:
    """The UTC offsets at a time, and at that time plus ``shift``."""
    if zone is None:
        return FARTHEST_BEHIND, FARTHEST_AHEAD
    return _offset(moment, zone), _offset(moment + shift, zone)


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def read_list(
    transport: CloudSuiteTransport, query: Query, page_size: int, warn: Warn = ignore_warning
) -> OrderSummaries:
    """All summaries of a list by id, in the list's order.

    Raises ``TransientError`` if it changed during each of several passes, ``ConfigurationError`` for a 404,
    ``MalformedResponseError`` if it is not as documented, and the errors of ``CloudSuiteTransport.get``.
    """
    found: OrderSummaries = {}
    for attempt in range(MAX_LIST_READS):
        pages = list(_pages(transport, query, page_size, warn))
        summaries = [summary for _, page in pages for summary in page]
        seen = {id_of(summary): summary for summary in summaries}
        steady = {count for count, _ in pages} == {len(summaries)} == {len(seen)}
        nothing_new = len(pages) == 1 or (attempt > 0 and seen.keys() <= found.keys())
        found |= seen
        if steady and nothing_new:
            return found
    raise TransientError(f"CloudSuite's list of orders changed while it was read, {MAX_LIST_READS} times in a row")


def _pages(transport: CloudSuiteTransport, query: Query, page_size: int, warn: Warn) -> Iterator[tuple[int, list[Any]]]:
    offset, limit = 0, page_size
    while True:
        try:
            reply = transport.get("order", {**query, "limit": limit, "offset": offset})
        except NotFoundError:
            if offset:  # the list became shorter than this offset: this pass will not count
                return
            raise ConfigurationError("CloudSuite answered HTTP 404 to the list of orders: check the base URL") from None
        count, page, following = _checked(reply.document)
        warn_unknown_fields(reply.document, MEMBERS, "CloudSuite's list", warn)
        if reply.issues:
            warn(f"CloudSuite's list contains a value that cannot be read ({reply.problem}); it was ignored")
        yield count, page
        if following is None:
            return
        offset, limit = _next_page(following, offset, limit)


def _checked(document: Any) -> tuple[int, list[Any], str | None]:
    count, page, following = (document.get(name) for name in ("count", "results", "next"))
    if type(count) is not int or not isinstance(page, list):
        raise MalformedResponseError(
            "the list is not as documented: 'count' or 'results' is missing or of another type"
        )
    if following is not None and not isinstance(following, str):
        raise MalformedResponseError("the list is not as documented: 'next' is not a URL")
    return count, page, following or None


def _next_page(following: str, offset: int, limit: int) -> tuple[int, int]:
    """Offset and limit of the next page; nothing else of ``next`` is used.

    A server behind a proxy may write another scheme, host or path. Pages are always requested at the connection's URL
    with our own filters, so the token is sent nowhere else.
    """
    try:
        numbers = {name: values[0] for name, values in parse_qs(urlsplit(following).query).items()}
        next_offset = int(numbers["offset"])
        size = int(numbers.get("limit", limit))
    except (KeyError, ValueError):
        raise MalformedResponseError("the list is not as documented: 'next' has no offset") from None
    if next_offset <= offset or not 0 < size <= max(limit, 10_000):
        raise MalformedResponseError("the list is not as documented: 'next' does not lead to a later page")
    return next_offset, size


def id_of(summary: Any) -> str:
    """The id of a summary or a detail, as digits. Raises ``MalformedResponseError`` if there is none."""
    found = summary.get("id") if isinstance(summary, dict) else None
    if type(found) is int and found > 0:
        return str(found)
    if isinstance(found, str) and found.isascii() and found.isdigit():
        return found
    raise MalformedResponseError("the response is not as documented: an order without an id")
