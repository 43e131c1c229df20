"""Reconciliation: compares ledger and destination by the destination's search. It changes nothing.

Three steps: search for our imported orders; look up in the ledger what the destination shows, day by day; search again
for orders that seemed to be missing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from order_relay.iteration import batched
from order_relay.ledger import Ledger
from order_relay.ledger.reporting.reconciliation import LedgerOrder
from order_relay.ledger.schema.records import PositiveControl
from order_relay.orders.messages import SearchResult
from order_relay.pipeline.lookup.diff import (
    PresenceCheck,
    ReconciliationReport,
    check_presence,
    classify,
    oms_ids_by_key,
)
from order_relay.pipeline.lookup.evidence import MAX_CONTROLS, MAX_KEYS_PER_SEARCH, UNSUPPORTED_SEARCH
from order_relay.pipeline.lookup.search import WINDOW_MARGIN, Search, merge_windows, search_list, search_windows
from order_relay.pipeline.ports import Destination, DestinationSession
from order_relay.times import utc_text

DAY = timedelta(days=1)
"""The interval read from the destination in one search."""

MAX_LEDGER_KEYS = 1000
"""Maximum external ids per ledger query."""


async def reconcile(
    pipeline: str, ledger: Ledger, session: DestinationSession, destination: Destination, *, days: int, now: datetime
) -> ReconciliationReport:
    """Compare the orders imported, or dated by the destination, within ``days`` before ``now`` (aware UTC).

    Orders that the destination may not show yet are left for the next reconciliation. Raises ``ConfigurationError`` or
    ``ThrottledError`` from the session, and the ledger's errors.
    """
    report = ReconciliationReport(pipeline, now - timedelta(days=days), now)
    if destination.search_by == "none":
        report.remarks.append("the connection has `search_by: none`, so nothing was compared")
        return report
    await _Reconciliation(report, ledger, session, destination).run()
    return report


class _Reconciliation:
    """One reconciliation."""

    def __init__(
        self, report: ReconciliationReport, ledger: Ledger, session: DestinationSession, destination: Destination
    ) -> None:
        self._report, self._ledger, self._session, self._destination = report, ledger, session, destination
        self._by_key = destination.search_by in ("auto", "external_id")
        self._by_window = destination.search_by in ("auto", "window")
        self._no_method = ""
        self._there: dict[str, set[str]] = {}  # of external ids about which something may differ
        self._absent: dict[str, LedgerOrder] = {}
        self._confirmed: list[PositiveControl] = []  # orders of ours that this search showed under their own OMS ids

    async def run(self) -> None:
        visible = timedelta(seconds=self._destination.visible_after_s + self._destination.timeout_s)
        report = self._report
        ids = await asyncio.to_thread(
            self._ledger.reconciliation.imported_between, report.pipeline, report.since, report.until - visible
        )
        for some in batched(ids, MAX_KEYS_PER_SEARCH):
            await self._check_presence(await asyncio.to_thread(self._ledger.reconciliation.imported, some))
        if self._by_window:
            for start, end in days_between(report.since, report.until + WINDOW_MARGIN):
                await self._read(start, end)
        else:
            report.remarks.append(
                "the connection searches by external id only, so orders unknown to the ledger were not searched for"
            )
        await self._classify_found()
        await self._confirm_absence()
        report.differences.sort(key=lambda found: (found.kind, found.key))

    async def _check_presence(self, ours: Sequence[LedgerOrder]) -> None:
        """The first search for our orders."""
        self._report.imported += len(ours)
        found = await self._search(ours)
        for order in ours:
            ids = found.there.get(order.key, frozenset())
            if order.oms_id in ids and order.imported_at is not None and len(self._confirmed) < MAX_CONTROLS:
                self._confirmed.append(PositiveControl(order.key, order.oms_id, order.imported_at, order.submitted_at))
            if ids and ids != {order.oms_id}:
                self._there.setdefault(order.key, set()).update(ids)
        self._absent.update((order.key, order) for order in found.absent)
        if found.unsure:
            self._report.unsure[found.why] += len(found.unsure)

    async def _search(self, ours: Sequence[LedgerOrder]) -> PresenceCheck:
        keys = [order.key for order in ours]
        controls = await self._controls(keys)
        return check_presence(ours, await self._page(ours, controls), controls)

    async def _search_again(self, ours: Sequence[LedgerOrder]) -> PresenceCheck:
        """The second search, which proves absences by the rules of ``evidence``."""
        keys = [order.key for order in ours]
        windows = [(at - WINDOW_MARGIN, at + WINDOW_MARGIN) for order in ours for at in _dates(order)]
        search = Search(self._session, self._destination, await self._controls(keys), windows=merge_windows(windows))
        verdicts = await search.ask(keys)
        absent = tuple(order for order in ours if verdicts[order.key].finding.kind == "absent")
        unsure = tuple(order for order in ours if verdicts[order.key].finding.kind == "unclear")
        return PresenceCheck({}, absent, unsure, search.why or "shown by the second search")

    async def _controls(self, keys: Sequence[str]) -> list[PositiveControl]:
        """Orders already seen in this reconciliation; others may be differences themselves."""
        if seen := [one for one in self._confirmed if one.key not in keys]:
            return seen
        shown_after_s = self._destination.visible_after_s + self._destination.timeout_s
        return await asyncio.to_thread(
            self._ledger.lookups.positive_controls, self._destination.account, keys, shown_after_s
        )

    async def _page(self, ours: Sequence[LedgerOrder], controls: Sequence[PositiveControl]) -> SearchResult:
        """By external id; if the account has no such search, by the times at which these orders may be dated."""
        if self._by_key and not self._no_method:
            keys = [order.key for order in ours]
            pages = await search_list(self._session, keys, controls)
            page = next((one for one in pages if not one.complete), pages[-1])
            if page.problem not in UNSUPPORTED_SEARCH:
                return page
            self._no_method = page.problem
        if not self._by_window:
            return SearchResult((), complete=False, problem=self._no_method)
        moments = [at for order in ours for at in _dates(order)] + [at for one in controls for at in _dates(one)]
        return await search_windows(self._session, [(m - WINDOW_MARGIN, m + WINDOW_MARGIN) for m in moments])

    async def _read(self, start: datetime, end: datetime) -> None:
        """Read the orders that the destination dates in [start, end]."""
        page = await self._session.find_by_window(utc_text(start), utc_text(end))
        self._report.seen += len(page.rows)
        self._report.bare += sum(not row.destination_key for row in page.rows)
        if not page.complete:
            self._report.unread.append(f"{utc_text(start)} to {utc_text(end)}: {page.problem or 'incomplete'}")
        there = oms_ids_by_key(page.rows)
        for keys in batched(there, MAX_LEDGER_KEYS):
            orders = await asyncio.to_thread(
                self._ledger.reconciliation.by_destination_key, self._destination.account, keys
            )
            for key in keys:
                if key in self._absent or classify(key, orders.get(key), there[key]) is not None:
                    self._there.setdefault(key, set()).update(there[key])

    async def _classify_found(self) -> None:
        """Compare with the current ledger: an order may have been imported while the destination was read."""
        for key in self._absent.keys() & self._there.keys():
            del self._absent[key]
        for keys in batched(self._there, MAX_LEDGER_KEYS):
            orders = await asyncio.to_thread(
                self._ledger.reconciliation.by_destination_key, self._destination.account, keys
            )
            found = (classify(key, orders.get(key), self._there[key]) for key in keys)
            self._report.differences += [difference for difference in found if difference is not None]

    async def _confirm_absence(self) -> None:
        """An order is missing only if the second search proves its absence."""
        for some in batched(list(self._absent.values()), MAX_KEYS_PER_SEARCH):
            found = await self._search_again(some)
            lost = (classify(order.key, order, ()) for order in found.absent)
            self._report.differences += [difference for difference in lost if difference is not None]
            if found.unsure:
                self._report.unsure += Counter({found.why: len(found.unsure)})


def _dates(order: LedgerOrder | PositiveControl) -> list[datetime]:
    """When the destination may date the order."""
    return [at for at in (order.imported_at, order.submitted_at) if at is not None]


def days_between(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """[since, until] in intervals of one day; the last one may be shorter."""
    while since < until:
        yield since, min(since + DAY, until)
        since += DAY
