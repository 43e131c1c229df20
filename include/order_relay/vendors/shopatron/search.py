"""Searches of orders: reads every page, and decides whether the result is complete.

Facts and assumptions: docs/vendors/shopatron.md, "Facts". Only a complete result can prove that an order
is absent, so any irregularity makes a result incomplete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import msgspec

from order_relay.orders.messages import SearchHit, SearchResult
from order_relay.vendors.shopatron.order_view import OrderView
from order_relay.vendors.shopatron.outcomes import order_id

PER_PAGE = 100
MAX_PAGES = 1000
MAX_SINGLE_READS = 50
MAX_KEYS = 100
NONE_FOUND = "5002"
CODE_KEYS = ("code", "errorCode", "statusCode")
MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class SearchReply:
    """The response to a GET. ``status`` is 0 if there was none."""

    status: int
    body: bytes = b""


class SearchReader(Protocol):
    """The part of a session that searches use."""

    async def get(self, path: str, query: Mapping[str, str]) -> SearchReply:
        """GET below the base URL. Raises ``ConfigurationError`` or ``ThrottledError``; failures are returned."""


@dataclass
class _SearchProgress:
    """The pages read so far, and their first irregularity."""

    total: int | None = None
    rows: dict[str, SearchHit] = field(default_factory=dict)
    problem: str = ""

    @property
    def finished(self) -> bool:
        return bool(self.problem) or (self.total is not None and len(self.rows) >= self.total)

    def page(self) -> SearchResult:
        return SearchResult(tuple(self.rows.values()), complete=not self.problem, problem=self.problem)


async def find_by_key(reader: SearchReader, order_view: OrderView, keys: Sequence[str]) -> SearchResult:
    """All orders with one of these external ids (at most 100), including other manufacturers' orders.

    Rows with other external ids mean that the OMS ignored the parameter.
    """
    if not keys or len(keys) > MAX_KEYS:
        raise ValueError(f"from 1 to {MAX_KEYS} keys per search")
    if any("," in key for key in keys):
        return SearchResult((), complete=False, problem="key_not_searchable")
    query = {"externalOrderID": ",".join(keys), "manufacturerID": str(order_view.manufacturer_id)}
    return await _read_all(reader, order_view, query, frozenset(keys))


async def find_by_window(
    reader: SearchReader, order_view: OrderView, names: tuple[str, str], start: str, end: str
) -> SearchResult:
    """All orders of the account dated in [start, end]. ``names``: the two date parameters."""
    query = {"manufacturerID": str(order_view.manufacturer_id), names[0]: start, names[1]: end}
    return await _read_all(reader, order_view, query, None)


async def find_any(reader: SearchReader, order_view: OrderView) -> SearchResult:
    """The first page of the account's orders, in the OMS's order."""
    progress = _SearchProgress()
    query = {"manufacturerID": str(order_view.manufacturer_id), "perPage": str(PER_PAGE), "page": "1"}
    _add_page(progress, order_view, await reader.get("order/", query))
    rows = list(progress.rows.values())
    if rows and not any(row.destination_key for row in rows):
        for row in {one.oms_id: one for one in (rows[0], rows[len(rows) // 2], rows[-1])}.values():
            await _complete_key(reader, order_view, progress, row)
    return progress.page()


async def _read_all(
    reader: SearchReader, order_view: OrderView, query: Mapping[str, str], wanted: frozenset[str] | None
) -> SearchResult:
    progress = _SearchProgress()
    for number in range(1, MAX_PAGES + 1):
        reply = await reader.get("order/", {**query, "perPage": str(PER_PAGE), "page": str(number)})
        rows = _add_page(progress, order_view, reply)
        keys = {row.destination_key for row in rows} - {""}
        if wanted is not None and not progress.problem and keys - wanted:
            progress.problem = "parameter_ignored"
        if progress.finished:
            break
    else:
        progress.problem = "too_many_pages"
    await _complete_keys(reader, order_view, progress)
    return progress.page()


def _add_page(progress: _SearchProgress, order_view: OrderView, reply: SearchReply) -> list[SearchHit]:
    """Add one page, or record why it is unusable. Returns the page's rows."""
    none_found = reply.status == 404 and _is_none_found(reply.body)
    if reply.status == 404 and progress.total is not None and not none_found:
        progress.problem = "page_missing"  # the first page was answered, so the URL is right
        return []
    if reply.status != 200 and not none_found:
        progress.problem = status_problem(reply.status)
        return []
    # "no match", as documented or as seen in public clients; after the first page it is an error
    if none_found or not reply.body.strip():
        if progress.total:
            progress.problem = "page_missing"
        else:
            progress.total = 0
        return []
    envelope = _envelope(reply.body, order_view)
    if envelope is None:
        progress.problem = "answer_not_understood"
        return []
    total, rows = envelope
    if progress.total is not None and total != progress.total:
        progress.problem = "total_changed"
    elif any(row.oms_id in progress.rows for row in rows):
        progress.problem = "pages_shifted"
    elif not rows and total > len(progress.rows):
        progress.problem = "page_missing"
    progress.total = total
    progress.rows.update((row.oms_id, row) for row in rows)
    if not progress.problem and len(progress.rows) > total:
        progress.problem = "total_wrong"
    return rows


def is_configuration(problem: str) -> bool:
    """Whether a search failed because of its URL: not found, a redirect, or a method that is not allowed."""
    return problem in {"http_404", "http_405", "http_410", "http_501"} or problem.startswith("http_3")


def status_problem(status: int) -> str:
    """A stable code for a search that did not answer 200. A 400 means "not supported", never "no match"."""
    if status == 0:
        return "unreachable"
    return "unsupported" if status == 400 else f"http_{status}"


def _is_none_found(body: bytes) -> bool:
    """Whether a 404 carries the documented code for "no match"; the name of its member is assumed."""
    try:
        document: Any = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return False
    return _carries_code(document, MAX_DEPTH)


def _carries_code(value: Any, depth: int) -> bool:
    """Whether the code is in the body or in a nested object, such as ``{"errors": [{"code": 5002}]}``."""
    if isinstance(value, dict):
        if any(str(value.get(name)) == NONE_FOUND for name in CODE_KEYS):
            return True
        value = list(value.values())
    return isinstance(value, list) and depth > 0 and any(_carries_code(one, depth - 1) for one in value)


def _envelope(body: bytes, order_view: OrderView) -> tuple[int, list[SearchHit]] | None:
    """``totalCount`` and the rows of one page; ``None`` if it is malformed or two rows have the same id."""
    try:
        document: Any = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    total, collection = document.get("totalCount"), document.get("collection")
    if isinstance(total, bool) or not isinstance(total, int) or total < 0:
        return None
    if collection is None and total == 0:
        collection = []
    if not isinstance(collection, list):
        return None
    rows = [search_hit(row, order_view) for row in collection]
    if not all(row.oms_id for row in rows) or len({row.oms_id for row in rows}) != len(rows):
        return None
    return total, rows


def search_hit(row: object, order_view: OrderView) -> SearchHit:
    """One order of a search or a detail. Missing values are empty."""
    if not isinstance(row, dict):
        return SearchHit("", "")
    status = row.get("orderStatus", row.get("status"))
    return SearchHit(
        order_id(row.get("orderID")),
        _key(row.get("externalOrderID")),
        as_written(status) if isinstance(status, str) else "",
        order_view.traits(row),
    )


def _key(value: object) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def as_written(status: str) -> str:
    """A status in the spelling of imports: searches show CANCELED for CANCELLED."""
    return "CANCELLED" if status.upper() == "CANCELED" else status.upper()


async def _complete_keys(reader: SearchReader, order_view: OrderView, progress: _SearchProgress) -> None:
    """Read rows without an external id one by one; if one remains, the result is incomplete."""
    unnamed = [row for row in progress.rows.values() if not row.destination_key]
    for row in unnamed[:MAX_SINGLE_READS]:
        await _complete_key(reader, order_view, progress, row)
    if not progress.problem and not all(row.destination_key for row in progress.rows.values()):
        progress.problem = "rows_without_key"


async def _complete_key(reader: SearchReader, order_view: OrderView, progress: _SearchProgress, row: SearchHit) -> None:
    one = next(iter((await get_order(reader, order_view, row.oms_id)).rows), None)
    if one is not None and one.destination_key:
        progress.rows[row.oms_id] = replace(one, traits=one.traits.merge_with(row.traits))


async def get_order(reader: SearchReader, order_view: OrderView, oms_id: str) -> SearchResult:
    """One order by its OMS id; without a row, ``problem`` says why."""
    reply = await reader.get(f"order/{oms_id}", {})
    if reply.status != 200:
        return SearchResult((), complete=False, problem=status_problem(reply.status))
    try:
        row = search_hit(msgspec.json.decode(reply.body), order_view)
    except (ValueError, RecursionError):
        return SearchResult((), complete=False, problem="answer_not_understood")
    if row.oms_id != oms_id:
        return SearchResult((), complete=False, problem="another_order")
    return SearchResult((row,), complete=True)
