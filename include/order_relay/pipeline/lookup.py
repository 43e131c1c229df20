"""Looking up what became of an order: the one function for the next run, the sweep and a person.

A **hit** is a row whose external id is exactly ours; it counts even where the search as a whole can not be trusted. An
**absence** may be said only of a complete search that, in the same look-up and by the same method, showed another
order known to be there, and only later than lease, time-out and visibility delay. Whatever else: still in doubt.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Protocol, TypeVar

from order_relay.ledger.values import Doubt, Finding, LookedUp
from order_relay.orders.exchange import MAX_ATTEMPTS, Found, Page, RunContext
from order_relay.pipeline.ports import Destination, OmsSession

T = TypeVar("T")

SEARCH_AT_ONCE = 100
"""So many external ids go into one search, a positive control among them."""

WINDOW_MARGIN = timedelta(hours=14)
"""A date may be read in any time zone: the widest offset from UTC is 14 hours."""

SEND_LEASE_S = 60.0
"""Used for when to look again where the ledger does not tell when the lease ended."""

Control = tuple[str, str, datetime]
"""An order known to be imported: external id, OMS id, when it was imported."""


class LookupBook(Protocol):
    """What a look-up uses of the ledger."""

    def in_doubt(self, ids: Sequence[int]) -> list[Doubt]:
        """See ``Ledger.in_doubt``."""

    def known_imported(self, destination: str, exclude: Iterable[str]) -> Control | None:
        """See ``Ledger.known_imported``."""

    def record_lookups(
        self, ctx: RunContext, results: Sequence[LookedUp], quiet_s: float, max_attempts: int = MAX_ATTEMPTS
    ) -> dict[int, str]:
        """See ``Ledger.record_lookups``."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look-up says about one external id. ``why`` is for a person and holds no data of the order."""

    finding: Finding
    method: str
    why: str


@dataclass
class _Round:
    """One look-up of a group of external ids: what is known so far."""

    keys: list[str]
    control: Control | None
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def open(self) -> list[str]:
        """The keys that nothing final was said about yet."""
        return [k for k in self.keys if k not in self.verdicts or self.verdicts[k].finding.kind == "unclear"]


async def look_up(
    ctx: RunContext,
    ledger: LookupBook,
    session: OmsSession,
    destination: Destination,
    ids: Sequence[int],
    *,
    max_attempts: int = MAX_ATTEMPTS,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dict[str, int]:
    """Look up those of ``ids`` that are in doubt and record what was found. Returns counts by finding.

    Raises ``WrongSetup`` or ``Throttled`` from the session, and the ledger's errors; what was recorded before stands.
    """
    doubts = await asyncio.to_thread(ledger.in_doubt, ids)
    quiet_s = destination.timeout_s + destination.visible_after_s
    counts: Counter[str] = Counter()
    for group in batched(doubts, SEARCH_AT_ONCE - 1):
        keys = [doubt.destination_key for doubt in group]
        verdicts = await search(session, destination, ledger, keys, _windows(group, now()))
        results = [_looked_up(d, verdicts[d.destination_key], quiet_s, now()) for d in group]
        await asyncio.to_thread(ledger.record_lookups, ctx, results, quiet_s, max_attempts)
        counts.update(result.finding.kind for result in results)
    return dict(counts)


async def search(
    session: OmsSession,
    destination: Destination,
    ledger: LookupBook,
    keys: Sequence[str],
    windows: Sequence[tuple[datetime, datetime]],
) -> dict[str, Verdict]:
    """Search for external ids by the methods that the account allows, until each is found or absent, or none is left.

    ``windows`` are the times in which the orders may be dated; without any the date window is not tried.
    """
    control = await asyncio.to_thread(ledger.known_imported, destination.account, list(keys))
    state = _Round(list(keys), control)
    methods: list[tuple[str, Callable[[_Round], Awaitable[Page]]]] = []
    if destination.search_by in ("auto", "external_id"):
        methods.append(("external_id", lambda r: session.find_by_key(_with_control(r))))
    if destination.search_by in ("auto", "window") and windows:
        methods.append(("window", lambda r: _all_windows(session, r, windows)))
    for name, ask in methods:
        if not state.open():
            break
        _judge(state, name, await ask(state))
    for key in state.open():
        state.verdicts.setdefault(key, Verdict(Finding.unclear(), "none", "the account allows no search"))
    return state.verdicts


def _with_control(state: _Round) -> list[str]:
    keys = state.open()
    return [*keys, state.control[0]] if state.control else keys


async def _all_windows(
    session: OmsSession, state: _Round, windows: Sequence[tuple[datetime, datetime]]
) -> Page:
    """The rows of all windows together, the control's among them."""
    spans = list(windows)
    if state.control:
        spans.append((state.control[2] - WINDOW_MARGIN, state.control[2] + WINDOW_MARGIN))
    return await search_windows(session, spans)


async def search_windows(session: OmsSession, spans: Iterable[tuple[datetime, datetime]]) -> Page:
    """The rows of all these times together; complete only if each search is."""
    rows: list[Found] = []
    problem = ""
    for start, end in merged(spans):
        page = await session.find_by_window(iso(start), iso(end))
        rows.extend(page.rows)
        problem = problem or page.problem or ("" if page.complete else "incomplete")
    return Page(tuple(rows), complete=not problem, problem=problem)


def _judge(state: _Round, method: str, page: Page) -> None:
    """Hits first; then absences, if the page is complete and shows the control."""
    hits: dict[str, set[str]] = {}
    for row in page.rows:
        if row.destination_key and row.oms_id:
            hits.setdefault(row.destination_key, set()).add(row.oms_id)
    reason = _why_not(state, page, hits)
    for key in state.open():
        if key in hits:
            ids = sorted(hits[key], key=lambda text: (len(text), text))
            more = f"; {len(ids)} orders there carry this id" if len(ids) > 1 else ""
            state.verdicts[key] = Verdict(Finding.found(ids[0]), method, f"found{more}")
        elif not reason:
            state.verdicts[key] = Verdict(Finding.absent(), method, "complete search, positive control seen")
        else:
            earlier = state.verdicts.get(key)
            why = f"{earlier.why}; {method}: {reason}" if earlier else f"{method}: {reason}"
            state.verdicts[key] = Verdict(Finding.unclear(), method, why)


def _why_not(state: _Round, page: Page, hits: Mapping[str, set[str]]) -> str:
    """Why an absence can not be believed; empty if it can."""
    if not page.complete:
        return page.problem or "incomplete"
    if any(not row.destination_key for row in page.rows):
        return "rows_without_key"
    if state.control is None:
        return "no_known_order"
    if state.control[1] not in hits.get(state.control[0], ()):
        return "control_not_found"
    return ""


def _looked_up(doubt: Doubt, verdict: Verdict, quiet_s: float, now: datetime) -> LookedUp:
    """What goes into the ledger. An absence that comes too early is told again as soon as it can count; whether it
    counts is decided by the ledger, on its own clock."""
    next_at = None
    why = verdict.why
    sure_after = (doubt.send_before or doubt.sent_at + timedelta(seconds=SEND_LEASE_S)) + timedelta(seconds=quiet_s)
    if verdict.finding.kind == "absent" and now <= sure_after:
        next_at, why = sure_after, "absent, but it may not be visible yet"
    return LookedUp(doubt.id, doubt.attempt, verdict.finding, verdict.method, why, next_at)


def _windows(doubts: Iterable[Doubt], now: datetime) -> list[tuple[datetime, datetime]]:
    """Where the orders may be dated: from their sending until now (they may have been stored late), or at their
    original date, which an import sets."""
    spans = []
    for doubt in doubts:
        spans.append((doubt.sent_at - WINDOW_MARGIN, now + WINDOW_MARGIN))
        if doubt.submitted_at is not None:
            spans.append((doubt.submitted_at - WINDOW_MARGIN, doubt.submitted_at + WINDOW_MARGIN))
    return merged(spans)


def merged(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The same times in as few spans as possible, in order."""
    out: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def batched(items: Iterable[T], size: int) -> Iterable[list[T]]:
    """Lists of at most ``size`` items."""
    iterator = iter(items)
    while block := list(islice(iterator, size)):
        yield block
