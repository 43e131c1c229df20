"""Searches of orders at a destination: reads every page, and decides whether the result is complete.

Only a complete result can prove that an order is absent, so any irregularity makes a result incomplete. Problems are
stable codes: ``undeclared``, ``unsupported``, ``parameter_ignored``, ``page_missing``, ``total_changed``,
``pages_shifted``, ``total_wrong``, ``too_many_pages``, ``answer_not_understood``, ``rows_without_key``,
``key_not_searchable``, ``unreachable``, ``http_`` with the status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import msgspec

from order_relay.http.sending.outcomes import read_any_id
from order_relay.iteration import batched
from order_relay.orders.identity.traits import OURS, Traits
from order_relay.orders.messages import SearchHit, SearchResult

MAX_PAGES = 1000
MAX_SINGLE_READS = 50
MAX_KEYS = 100
"""Maximum external ids of a search as the engine asks for it."""

UNDECLARED = SearchResult((), complete=False, problem="undeclared")
"""Of a search that the vendor does not have: nothing was requested."""


@dataclass(frozen=True, slots=True)
class SearchReply:
    """The response to a GET. ``status`` is 0 if there was none."""

    status: int
    body: bytes = b""


class SearchReader(Protocol):
    """The part of a session that searches use."""

    async def get(self, path: str, query: Mapping[str, str]) -> SearchReply:
        """GET below the base URL. Raises ``ConfigurationError`` or ``ThrottledError``; failures are returned."""


@dataclass(frozen=True, kw_only=True)
class PageParameters:
    """How a page is requested: ``number`` and ``size`` are query parameters.

    ``per_page``: rows to ask for; a vendor may return fewer. ``first``: the number of the first page. ``by_offset``:
    ``number`` is the number of rows read before.
    """

    number: str = "page"
    size: str = "perPage"
    per_page: int = 100
    first: int = 1
    by_offset: bool = False

    def query(self, page: int, rows_read: int) -> dict[str, str]:
        """The parameters of a page, counted from 0."""
        return {self.size: str(self.per_page), self.number: str(rows_read if self.by_offset else self.first + page)}


def our_account(_: Mapping[str, Any]) -> Traits:
    """For vendors whose searches show the orders of one account only, and nothing to compare."""
    return Traits(owner=OURS)


def order_reader(
    order_id: str,
    key: str,
    *status: str,
    read_id: Callable[[object], str] = read_any_id,
    traits: Callable[[Mapping[str, Any]], Traits] = our_account,
) -> Callable[[object], SearchHit]:
    """Reads a row of a search, or an order, by its members; of ``status`` the first that is present."""

    def read(row: object) -> SearchHit:
        if not isinstance(row, dict):
            return SearchHit("", "")
        written = next((row[name] for name in status if name in row), "")
        return SearchHit(
            read_id(row.get(order_id)), _key(row.get(key)), written if isinstance(written, str) else "", traits(row)
        )

    return read


def _key(value: object) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def none_found_never(_: SearchReply) -> bool:
    """Every vendor without a special answer for "no match" returns an empty page."""
    return False


@dataclass(frozen=True, kw_only=True)
class OrderSearch:
    """How orders are found at a destination. Paths are relative to the base URL.

    ``rows`` and ``total``: members of a page with its rows and with the number of all matches. ``read_order``: reads a
    row, or an order by itself (see ``order_reader``); missing values are empty. ``order_path``: of one order, with
    ``{id}``; empty if the vendor has none.

    ``by_key``: the parameters of a search for external ids, at most ``keys_per_search`` at a time; ``by_window``: for
    orders created in a time span (ISO 8601 UTC, both ends included). ``None`` if there is no such search. ``common``:
    parameters of every search. ``matches_prefix``: a search for external ids also shows longer ones that begin alike;
    if not, such a row means that the parameter was ignored. ``is_none_found``: whether an answer other than an empty
    page says that nothing matches. ``hint``: ends the message about a search that does not exist.
    """

    path: str
    rows: str
    total: str = "total"
    read_order: Callable[[object], SearchHit]
    order_path: str = ""
    by_key: Callable[[Sequence[str]], Mapping[str, str]] | None = None
    by_window: Callable[[str, str], Mapping[str, str]] | None = None
    common: Mapping[str, str] = field(default_factory=dict)
    pages: PageParameters = PageParameters()
    keys_per_search: int = MAX_KEYS
    matches_prefix: bool = False
    is_none_found: Callable[[SearchReply], bool] = none_found_never
    hint: str = ""

    def is_unexpected(self, key: str, wanted: Sequence[str]) -> bool:
        """Whether a row with this external id cannot be a result of a search for ``wanted``."""
        return bool(key) and key not in wanted and not (self.matches_prefix and key.startswith(tuple(wanted)))

    def usable(self, search_by: str) -> str:
        """The setting ``search_by``, as far as the vendor has such searches: see ``Destination.search_by``."""
        usable = {"external_id": self.by_key is not None, "window": self.by_window is not None}
        if search_by == "auto" and not all(usable.values()):
            return next((name for name, exists in usable.items() if exists), "none")
        return search_by if usable.get(search_by, True) else "none"


NO_SEARCH = OrderSearch(path="", rows="", read_order=lambda _: SearchHit("", ""))
"""Orders cannot be searched."""


@dataclass
class _SearchProgress:
    """The pages read so far, and their first irregularity."""

    total: int | None = None
    rows: dict[str, SearchHit] = field(default_factory=dict)
    problem: str = ""

    @property
    def finished(self) -> bool:
        return bool(self.problem) or (self.total is not None and len(self.rows) >= self.total)

    def result(self) -> SearchResult:
        return SearchResult(tuple(self.rows.values()), complete=not self.problem, problem=self.problem)


async def find_by_key(reader: SearchReader, search: OrderSearch, keys: Sequence[str]) -> SearchResult:
    """All orders with one of these external ids (at most 100), including those of other accounts."""
    if not keys or len(keys) > MAX_KEYS:
        raise ValueError(f"from 1 to {MAX_KEYS} keys per search")
    if search.by_key is None:
        return UNDECLARED
    if search.keys_per_search > 1 and any("," in key for key in keys):
        return SearchResult((), complete=False, problem="key_not_searchable")
    rows: dict[str, SearchHit] = {}
    problem = ""
    for some in batched(keys, search.keys_per_search):
        result = await _read_all(reader, search, search.by_key(some), some)
        rows.update((row.oms_id, row) for row in result.rows)
        problem = problem or result.problem
    return SearchResult(tuple(rows.values()), complete=not problem, problem=problem)


async def find_by_window(reader: SearchReader, search: OrderSearch, start: str, end: str) -> SearchResult:
    """All orders of the account dated in [start, end]."""
    if search.by_window is None:
        return UNDECLARED
    return await _read_all(reader, search, search.by_window(start, end))


async def find_any(reader: SearchReader, search: OrderSearch) -> SearchResult:
    """The first page of the account's orders, in the vendor's order."""
    if not search.path:
        return UNDECLARED
    progress = _SearchProgress()
    _add_page(progress, search, await reader.get(search.path, {**search.common, **search.pages.query(0, 0)}))
    rows = list(progress.rows.values())
    if rows and not any(row.destination_key for row in rows):
        for row in {one.oms_id: one for one in (rows[0], rows[len(rows) // 2], rows[-1])}.values():
            await _complete_key(reader, search, progress, row)
    return progress.result()


async def get_order(reader: SearchReader, search: OrderSearch, oms_id: str) -> SearchResult:
    """One order by its OMS id; without a row, ``problem`` says why."""
    if not search.order_path:
        return UNDECLARED
    reply = await reader.get(search.order_path.format(id=oms_id), {})
    if reply.status != 200:
        return SearchResult((), complete=False, problem=status_problem(reply.status))
    try:
        row = search.read_order(msgspec.json.decode(reply.body))
    except (ValueError, RecursionError):
        return SearchResult((), complete=False, problem="answer_not_understood")
    if row.oms_id != oms_id:
        return SearchResult((), complete=False, problem="another_order")
    return SearchResult((row,), complete=True)


async def _read_all(
    reader: SearchReader, search: OrderSearch, query: Mapping[str, str], wanted: Sequence[str] = ()
) -> SearchResult:
    progress = _SearchProgress()
    for number in range(MAX_PAGES):
        page = search.pages.query(number, len(progress.rows))
        rows = _add_page(progress, search, await reader.get(search.path, {**query, **search.common, **page}))
        if wanted and not progress.problem and any(search.is_unexpected(row.destination_key, wanted) for row in rows):
            progress.problem = "parameter_ignored"
        if progress.finished:
            break
    else:
        progress.problem = "too_many_pages"
    await _complete_keys(reader, search, progress)
    return progress.result()


def _add_page(progress: _SearchProgress, search: OrderSearch, reply: SearchReply) -> list[SearchHit]:
    """Add one page, or record why it is unusable. Returns the page's rows."""
    none_found = search.is_none_found(reply)
    if none_found and not progress.total:
        progress.total = 0
        return []
    if none_found or (reply.status == 404 and progress.total is not None):
        progress.problem = "page_missing"  # the first page was answered, so the URL is right
        return []
    if reply.status != 200:
        progress.problem = status_problem(reply.status)
        return []
    page = _read_page(reply.body, search)
    if page is None:
        progress.problem = "answer_not_understood"
        return []
    total, rows = page
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


def _read_page(body: bytes, search: OrderSearch) -> tuple[int, list[SearchHit]] | None:
    """Total and rows of one page; ``None`` if it is malformed or two rows have the same id."""
    try:
        document: Any = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    total, listed = document.get(search.total), document.get(search.rows)
    if isinstance(total, bool) or not isinstance(total, int) or total < 0:
        return None
    if listed is None and total == 0:
        listed = []
    if not isinstance(listed, list):
        return None
    rows = [search.read_order(row) for row in listed]
    if not all(row.oms_id for row in rows) or len({row.oms_id for row in rows}) != len(rows):
        return None
    return total, rows


def is_configuration(problem: str) -> bool:
    """Whether a search failed because of its URL: not found, a redirect, or a method that is not allowed."""
    return problem in {"http_404", "http_405", "http_410", "http_501"} or problem.startswith("http_3")


def status_problem(status: int) -> str:
    """A stable code for a search that did not answer 200. A 400 means "not supported", never "no match"."""
    if status == 0:
        return "unreachable"
    return "unsupported" if status == 400 else f"http_{status}"


async def _complete_keys(reader: SearchReader, search: OrderSearch, progress: _SearchProgress) -> None:
    """Read rows without an external id one by one; if one remains, the result is incomplete."""
    unnamed = [row for row in progress.rows.values() if not row.destination_key]
    for row in unnamed[:MAX_SINGLE_READS]:
        await _complete_key(reader, search, progress, row)
    if not progress.problem and not all(row.destination_key for row in progress.rows.values()):
        progress.problem = "rows_without_key"


async def _complete_key(reader: SearchReader, search: OrderSearch, progress: _SearchProgress, row: SearchHit) -> None:
    one = next(iter((await get_order(reader, search, row.oms_id)).rows), None)
    if one is not None and one.destination_key:
        progress.rows[row.oms_id] = replace(one, traits=one.traits.merge_with(row.traits))
