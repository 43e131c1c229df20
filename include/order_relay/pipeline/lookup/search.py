"""Searches of the destination for external ids, by the rules of ``evidence``: lists, single ids, date windows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from order_relay import measurements
from order_relay.ledger.schema.records import LookupFinding, PositiveControl
from order_relay.orders.identity.traits import NO_TRAITS, Traits
from order_relay.orders.messages import SearchHit, SearchResult
from order_relay.pipeline.lookup import evidence
from order_relay.pipeline.lookup.evidence import SearchVerdict
from order_relay.pipeline.ports import Destination, DestinationSession
from order_relay.times import utc_text

T = TypeVar("T")

WINDOW_MARGIN = timedelta(hours=14)
"""A date may be in any time zone; the largest offset from UTC is 14 hours."""

MAX_CONCURRENT_READS = 8

Window = tuple[datetime, datetime]
Expectations = Callable[[Sequence[str]], Awaitable[Mapping[str, Traits]]]


async def no_expectations(keys: Sequence[str]) -> Mapping[str, Traits]:
    """Expects nothing: only external id and account are compared."""
    return {}


@dataclass
class Search:
    """One lookup at a destination.

    ``controls``: orders known to exist. ``describe``: returns the expected traits of our orders, called for those that
    are found. ``alone``: confirm each absence by a search for that one external id; otherwise a list with controls is
    enough. ``trust_without_controls``: for an account without a past (see ``evidence.why_not_absent``). ``windows``:
    when the orders may be dated; if empty, no date window is searched.
    """

    session: DestinationSession
    destination: Destination
    controls: Sequence[PositiveControl]
    describe: Expectations = no_expectations
    alone: bool = True
    trust_without_controls: bool = False
    windows: Sequence[Window] = ()
    verdicts: dict[str, SearchVerdict] = field(default_factory=dict)
    problem: SearchResult | None = None
    """The first page that failed."""
    absence_problems: dict[str, str] = field(default_factory=dict)
    """Why an absence is not proven, by key (the first reason)."""
    _totals: bool = True
    _shown: set[str] = field(default_factory=set)  # keys with a row that is, or may be, ours

    @property
    def why(self) -> str:
        """Why an absence is not proven (of the first such key), or empty."""
        return next(iter(self.absence_problems.values()), "")

    async def search_by_key(self, keys: Sequence[str]) -> dict[str, SearchVerdict]:
        """A verdict per key (at most ``MAX_KEYS_PER_SEARCH``), by external id only."""
        await self._by_key(list(keys))
        return self._verdicts_of(keys)

    async def ask(self, keys: Sequence[str]) -> dict[str, SearchVerdict]:
        """A verdict per key (at most ``MAX_KEYS_PER_SEARCH``), by the methods that the connection allows."""
        allowed = self.destination.search_by
        if allowed in ("auto", "external_id"):
            await self._by_key(list(keys))
        if allowed in ("auto", "window") and self.windows and self._open(keys):
            await self._by_window(self._open(keys))
        for key in keys:
            self.verdicts.setdefault(
                key, SearchVerdict(LookupFinding.unclear(), "none", "the account allows no search")
            )
        return self._verdicts_of(keys)

    def _verdicts_of(self, keys: Sequence[str]) -> dict[str, SearchVerdict]:
        found = {key: self.verdicts[key] for key in keys}
        measurements.looked_up(verdict.finding.kind for verdict in found.values())
        return found

    def _open(self, keys: Sequence[str]) -> list[str]:
        """The keys without a row and without proof of absence."""
        return [
            k
            for k in keys
            if k not in self._shown and (k not in self.verdicts or self.verdicts[k].finding.kind == "unclear")
        ]

    async def _by_key(self, keys: list[str]) -> None:
        pages = await search_list(self.session, keys, self.controls)
        self._note(*pages)
        rows = {(row.destination_key, row.oms_id): row for page in pages for row in page.rows}
        self._totals = self._totals and all(evidence.totals_agree(page, self.controls) for page in pages)
        await self._identify(keys, rows.values(), "external_id")
        trust = self.trust_without_controls
        problems = (evidence.why_not_absent(page, self.controls, trust_without_controls=trust) for page in pages)
        why = next(filter(None, problems), "")
        if self.alone and self._open(keys):
            await self._search_one_by_one(self._open(keys), pages[0], why)
        else:
            self._record_absence(self._open(keys), "external_id", why)

    async def _search_one_by_one(self, keys: list[str], listed: SearchResult, why: str) -> None:
        """Search for each key alone, between two searches that must find a control."""
        if not self.controls or evidence.is_transient(listed.problem):
            self._record_absence(keys, "external_id", why or evidence.NO_KNOWN_ORDER)
            return
        if wrong := await self._single_search_problem(self.controls[0]):
            self._record_absence(keys, "external_id", wrong)
            return
        pages = dict(zip(keys, await _gather(partial(self.session.find_by_key, [key]) for key in keys), strict=True))
        self._note(*pages.values())
        await self._identify(keys, [row for page in pages.values() for row in page.rows], "external_id")
        wrong = await self._single_search_problem(self.controls[-1])
        for key in self._open(keys):
            # no control in it: the same form of request found one before and after
            alone = evidence.why_not_absent(pages[key], (), trust_without_controls=True)
            self._record_absence([key], "external_id", wrong or alone)

    async def _single_search_problem(self, control: PositiveControl) -> str:
        """Why a search for one external id cannot be trusted; empty if it finds an existing order."""
        page = await self.session.find_by_key([control.key])
        self._note(page)
        return evidence.why_not_absent(page, [control])

    async def _by_window(self, keys: list[str]) -> None:
        spans, controls = self._spans()
        page = await search_windows(self.session, spans)
        self._note(page)
        self._totals = self._totals and evidence.totals_agree(page, controls)
        await self._identify(keys, page.rows, "window")
        why = evidence.why_not_absent(page, controls)
        if not why and self._open(keys):
            extra, why = await self._halves(spans, page)
            await self._identify(keys, extra, "window")
        self._record_absence(self._open(keys), "window", why)

    def _spans(self) -> tuple[list[Window], list[PositiveControl]]:
        """The windows to search, including the newest control's, and the controls that must appear in them."""
        spans = list(self.windows)
        for control in self.controls[:1]:
            spans += [(at - WINDOW_MARGIN, at + WINDOW_MARGIN) for at in _dates(control)]
        spans = merge_windows(spans)
        inside = [c for c in self.controls if all(any(a <= at <= b for a, b in spans) for at in _dates(c))]
        return spans, inside

    async def _halves(self, spans: Sequence[Window], page: SearchResult) -> tuple[list[SearchHit], str]:
        """Rows that only the halves of the windows show, and why the whole cannot be trusted (or empty).

        Orders imported meanwhile appear in the whole when it is read again; rows that were cut off do not.
        """
        halves: list[Window] = []
        for start, end in spans:
            middle = evidence.split_window(start, end, page.rows)
            halves += [(start, middle), (middle, end)]
        parts = await search_windows(self.session, halves, join=False)
        known = {row.oms_id for row in page.rows}
        extra = [row for row in parts.rows if row.oms_id not in known]
        if not parts.complete:
            return extra, parts.problem or "incomplete"
        if not known <= {row.oms_id for row in parts.rows}:
            return extra, "window_not_whole"
        if extra:
            again = await search_windows(self.session, spans)
            if not again.complete or not {row.oms_id for row in extra} <= {row.oms_id for row in again.rows}:
                return extra, "window_not_whole"
        return extra, ""

    async def _identify(self, keys: Sequence[str], rows: Iterable[SearchHit], method: str) -> None:
        """Set verdicts for the keys with rows that may be ours."""
        wanted = set(self._open(keys))
        found = {key: some for key, some in evidence.hits_by_key(rows).items() if key in wanted}
        if not found:
            return
        expected = await self.describe(list(found))
        shown = [row for some in found.values() for row in some]
        details = iter(await _gather(partial(self.session.read_order, row.oms_id) for row in shown))
        for key, some in found.items():
            ours = expected.get(key, NO_TRAITS)
            ours = ours if self._totals else replace(ours, totals=())
            claims = [evidence.determine_ownership(ours, row, next(details)) for row in some]
            if verdict := evidence.combine_ownership(claims, method):
                self.verdicts[key] = verdict
                self._shown.add(key)

    def _record_absence(self, keys: Iterable[str], method: str, why: str) -> None:
        for key in keys:
            if not why:
                self.absence_problems.pop(key, None)
                self.verdicts[key] = SearchVerdict(
                    LookupFinding.absent(), method, "complete search, positive controls seen"
                )
                continue
            self.absence_problems.setdefault(key, why)
            earlier = self.verdicts.get(key)
            text = f"{earlier.why}; {method}: {why}" if earlier else f"{method}: {why}"
            self.verdicts[key] = SearchVerdict(LookupFinding.unclear(), method, text)

    def _note(self, *pages: SearchResult) -> None:
        self.problem = self.problem or next((page for page in pages if not page.complete), None)


async def _gather(reads: Iterable[Callable[[], Awaitable[SearchResult]]]) -> list[SearchResult]:
    """The results in order, ``MAX_CONCURRENT_READS`` at a time."""
    limit = asyncio.Semaphore(MAX_CONCURRENT_READS)

    async def one(ask: Callable[[], Awaitable[SearchResult]]) -> SearchResult:
        async with limit:
            return await ask()

    return list(await asyncio.gather(*map(one, reads)))


def _dates(control: PositiveControl) -> list[datetime]:
    return [at for at in (control.imported_at, control.submitted_at) if at is not None]


async def search_list(
    session: DestinationSession, keys: Sequence[str], controls: Sequence[PositiveControl]
) -> list[SearchResult]:
    """Search for a list of external ids with positive controls; one page, or two if only one control is known."""
    return [await session.find_by_key(terms) for terms in evidence.place_controls(keys, controls)]


async def search_windows(session: DestinationSession, spans: Iterable[Window], *, join: bool = True) -> SearchResult:
    """All rows of these windows; complete only if every search is."""
    rows: list[SearchHit] = []
    failed: SearchResult | None = None
    for start, end in merge_windows(spans) if join else spans:
        page = await session.find_by_window(utc_text(start), utc_text(end))
        rows.extend(page.rows)
        failed = failed or (None if page.complete else page)
    if failed is None:
        return SearchResult(tuple(rows), complete=True)
    return SearchResult(tuple(rows), complete=False, problem=failed.problem or "incomplete", where=failed.where)


def merge_windows(spans: Iterable[Window]) -> list[Window]:
    """The same times as the fewest windows possible, in order."""
    out: list[Window] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out
