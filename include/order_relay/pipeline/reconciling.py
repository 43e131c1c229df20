"""Reconciling: ledger and destination compared through the destination's search. It repairs nothing and moves nothing.

Three steps: our imported orders are looked for; what the destination shows, day by day, is looked up in the ledger; and
what seemed to be missing is looked for once more.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from order_relay.ledger.comparing import Booked
from order_relay.ledger.values import Control
from order_relay.orders.exchange import Page
from order_relay.pipeline.differences import Comparison, Look, by_key, judge, look
from order_relay.pipeline.evidence import KEYS_AT_ONCE, MOST_CONTROLS, NO_METHOD, place
from order_relay.pipeline.inquiry import WINDOW_MARGIN, Inquiry, batched, iso, search_windows
from order_relay.pipeline.ports import Destination, OmsSession

SLICE = timedelta(days=1)
"""So much of the destination's time is read at once."""

KEYS_OF_BOOKS = 1000
"""Maximum external ids that are looked up in the ledger at once."""


class Books(Protocol):
    """What reconciling uses of the ledger."""

    def imported_between(self, pipeline: str, since: datetime, until: datetime) -> list[int]:
        """See ``Ledger.imported_between``."""

    def booked(self, ids: Iterable[int]) -> list[Booked]:
        """See ``Ledger.booked``."""

    def booked_under(self, destination: str, keys: Iterable[str]) -> Mapping[str, Booked]:
        """See ``Ledger.booked_under``."""

    def controls(self, destination: str, exclude: Iterable[str], shown_after_s: float) -> list[Control]:
        """See ``Ledger.controls``."""


async def reconcile(
    pipeline: str, ledger: Books, session: OmsSession, destination: Destination, *, days: int, now: datetime
) -> Comparison:
    """Compare what was imported, and what the destination dates, within ``days`` before ``now`` (aware UTC).

    Orders that the destination may not show yet are left for the next time. Raises ``WrongSetup`` or ``Throttled`` from
    the session, and the ledger's errors.
    """
    told = Comparison(pipeline, now - timedelta(days=days), now)
    if destination.search_by == "none":
        told.remarks.append("the connection says `search_by: none`: nothing can be compared, and nothing was")
        return told
    await _Reconciler(told, ledger, session, destination).run()
    return told


class _Reconciler:
    """One comparison under way."""

    def __init__(self, told: Comparison, ledger: Books, session: OmsSession, destination: Destination) -> None:
        self._told, self._ledger, self._session, self._destination = told, ledger, session, destination
        self._by_key = destination.search_by in ("auto", "external_id")
        self._by_window = destination.search_by in ("auto", "window")
        self._no_method = ""
        self._there: dict[str, set[str]] = {}  # of external ids about which something may differ
        self._absent: dict[str, Booked] = {}
        self._witnesses: list[Control] = []  # orders of ours that this search showed under their own OMS ids

    async def run(self) -> None:
        visible = timedelta(seconds=self._destination.visible_after_s + self._destination.timeout_s)
        told = self._told
        ids = await asyncio.to_thread(self._ledger.imported_between, told.pipeline, told.since, told.until - visible)
        for some in batched(ids, KEYS_AT_ONCE):
            await self._look_for(await asyncio.to_thread(self._ledger.booked, some))
        if self._by_window:
            for start, end in days_between(told.since, told.until + WINDOW_MARGIN):
                await self._read(start, end)
        else:
            told.remarks.append("the connection searches by external id only: orders unknown here were not looked for")
        await self._judge_there()
        await self._look_again()
        told.differences.sort(key=lambda found: (found.kind, found.key))

    async def _look_for(self, ours: Sequence[Booked]) -> None:
        """The first look for orders of ours."""
        self._told.imported += len(ours)
        found = await self._search(ours)
        for order in ours:
            ids = found.there.get(order.key, frozenset())
            if order.oms_id in ids and order.imported_at is not None and len(self._witnesses) < MOST_CONTROLS:
                self._witnesses.append(Control(order.key, order.oms_id, order.imported_at, order.submitted_at))
            if ids and ids != {order.oms_id}:
                self._there.setdefault(order.key, set()).update(ids)
        self._absent.update((order.key, order) for order in found.absent)
        if found.unsure:
            self._told.unsure[found.why] += len(found.unsure)

    async def _search(self, ours: Sequence[Booked]) -> Look:
        keys = [order.key for order in ours]
        controls = await self._controls(keys)
        return look(ours, await self._page(ours, controls), controls)

    async def _search_alone(self, ours: Sequence[Booked]) -> Look:
        """Each by itself where external ids can be searched: a list may have been honoured in part."""
        if not self._by_key or self._no_method:
            return await self._search(ours)
        keys = [order.key for order in ours]
        inquiry = Inquiry(self._session, self._destination, await self._controls(keys))
        said = await inquiry.ask_by_key(keys)
        absent = tuple(order for order in ours if said[order.key].finding.kind == "absent")
        unsure = tuple(order for order in ours if said[order.key].finding.kind == "unclear")
        return Look({}, absent, unsure, inquiry.why or "shown by the second search")

    async def _controls(self, keys: Sequence[str]) -> list[Control]:
        """Orders that this search showed already; others of the ledger may be differences themselves."""
        if seen := [witness for witness in self._witnesses if witness.key not in keys]:
            return seen
        shown_after_s = self._destination.visible_after_s + self._destination.timeout_s
        return await asyncio.to_thread(self._ledger.controls, self._destination.account, keys, shown_after_s)

    async def _page(self, ours: Sequence[Booked], controls: Sequence[Control]) -> Page:
        """By external id; where the account has no such search, by the times in which these orders may be dated."""
        if self._by_key and not self._no_method:
            keys = [order.key for order in ours]
            pages = [await self._session.find_by_key(terms) for terms in place(keys, controls)]
            page = next((one for one in pages if not one.complete), pages[-1])
            if page.problem not in NO_METHOD:
                return page
            self._no_method = page.problem
        if not self._by_window:
            return Page((), complete=False, problem=self._no_method)
        moments = [m for order in ours for m in (order.imported_at, order.submitted_at) if m is not None]
        moments += [m for c in controls for m in (c.imported_at, c.submitted_at) if m is not None]
        return await search_windows(self._session, [(m - WINDOW_MARGIN, m + WINDOW_MARGIN) for m in moments])

    async def _read(self, start: datetime, end: datetime) -> None:
        """What the destination dates in [start, end]."""
        page = await self._session.find_by_window(iso(start), iso(end))
        self._told.seen += len(page.rows)
        self._told.bare += sum(not row.destination_key for row in page.rows)
        if not page.complete:
            self._told.unread.append(f"{iso(start)} to {iso(end)}: {page.problem or 'incomplete'}")
        there = by_key(page.rows)
        for keys in batched(there, KEYS_OF_BOOKS):
            books = await asyncio.to_thread(self._ledger.booked_under, self._destination.account, keys)
            for key in keys:
                if key in self._absent or judge(key, books.get(key), there[key]) is not None:
                    self._there.setdefault(key, set()).update(there[key])

    async def _judge_there(self) -> None:
        """With what the books say now: an order may have been imported while the destination was read."""
        for key in self._absent.keys() & self._there.keys():
            del self._absent[key]
        for keys in batched(self._there, KEYS_OF_BOOKS):
            books = await asyncio.to_thread(self._ledger.booked_under, self._destination.account, keys)
            found = (judge(key, books.get(key), self._there[key]) for key in keys)
            self._told.differences += [difference for difference in found if difference is not None]

    async def _look_again(self) -> None:
        """Missing is only what is absent from a second search as well."""
        for some in batched(list(self._absent.values()), KEYS_AT_ONCE):
            found = await self._search_alone(some)
            lost = (judge(order.key, order, ()) for order in found.absent)
            self._told.differences += [difference for difference in lost if difference is not None]
            if found.unsure:
                self._told.unsure += Counter({found.why: len(found.unsure)})


def days_between(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """[since, until] in slices of a day, the last one shorter."""
    while since < until:
        yield since, min(since + SLICE, until)
        since += SLICE
