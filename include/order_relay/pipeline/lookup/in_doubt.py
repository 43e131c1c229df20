"""Looking up what became of an order: the one function for the next run, the sweep and operators.

What a row and what a missing row prove is said in ``evidence``; an absence counts only later than lease, time-out and
visibility delay, which the ledger decides. Anything else: still in doubt. Where an order of somebody else carries our
external id, the order stays in doubt and an operator is asked at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from order_relay.iteration import batched
from order_relay.ledger.delivery.lookups import Lookups
from order_relay.ledger.schema.records import InDoubtOrder, LookupResult
from order_relay.orders.identity.traits import TimeSpan
from order_relay.orders.messages import MAX_ATTEMPTS, RunContext
from order_relay.pipeline.lookup.evidence import MAX_KEYS_PER_SEARCH, SearchVerdict
from order_relay.pipeline.lookup.expectations import ExpectedOrders, PayloadRows
from order_relay.pipeline.lookup.search import WINDOW_MARGIN, Search, merge_windows
from order_relay.pipeline.ports import Destination, DestinationSession

SEND_LEASE_S = 60.0
"""Used for when to look again where the ledger does not tell when the lease ended."""


async def look_up(
    ctx: RunContext,
    lookups: Lookups,
    session: DestinationSession,
    destination: Destination,
    ids: Sequence[int],
    *,
    payloads: PayloadRows | None = None,
    max_attempts: int = MAX_ATTEMPTS,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dict[str, int]:
    """Look up those of ``ids`` that are in doubt and record what was found. Returns counts by finding.

    ``payloads``: where what was sent is read, for comparing it with what is found.
    Raises ``ConfigurationError`` or ``ThrottledError`` from the session, and the ledger's errors; what was recorded
    before remains.
    """
    in_doubt_orders = await asyncio.to_thread(lookups.in_doubt, ids)
    quiet_s = destination.timeout_s + destination.visible_after_s
    counts: Counter[str] = Counter()
    for group in batched(in_doubt_orders, MAX_KEYS_PER_SEARCH):
        keys = [doubt.destination_key for doubt in group]
        controls = await asyncio.to_thread(lookups.positive_controls, destination.account, keys, quiet_s)
        dated = {doubt.destination_key: _possible_dates(doubt, now()) for doubt in group}
        inquiry = Search(
            session,
            destination,
            controls,
            ExpectedOrders(destination, payloads, group, dated),
            windows=_windows(group, now()),
        )
        verdicts = await inquiry.ask(keys)
        results = [_lookup_record(d, verdicts[d.destination_key], quiet_s, now()) for d in group]
        await asyncio.to_thread(lookups.record, ctx, results, quiet_s, max_attempts)
        counts.update(result.reason or result.finding.kind for result in results)
    return dict(counts)


def _lookup_record(doubt: InDoubtOrder, verdict: SearchVerdict, quiet_s: float, now: datetime) -> LookupResult:
    """What goes into the ledger. An absence that comes too early is looked up again as soon as it can count; whether
    it counts is decided by the ledger, on its own clock."""
    next_at = None
    why = verdict.why
    sure_after = (doubt.send_before or doubt.sent_at + timedelta(seconds=SEND_LEASE_S)) + timedelta(seconds=quiet_s)
    if verdict.finding.kind == "absent" and now <= sure_after:
        next_at, why = sure_after, "absent, but it may not be visible yet"
    return LookupResult(doubt.id, doubt.attempt, verdict.finding, verdict.method, why, next_at, verdict.reason)


def _windows(in_doubt_orders: Iterable[InDoubtOrder], now: datetime) -> list[TimeSpan]:
    """When the orders may be dated: from their sending until now (they may have been stored late), or at their original
    date, which an import sets."""
    spans = []
    for doubt in in_doubt_orders:
        spans.append((doubt.sent_at - WINDOW_MARGIN, now + WINDOW_MARGIN))
        if doubt.submitted_at is not None:
            spans.append((doubt.submitted_at - WINDOW_MARGIN, doubt.submitted_at + WINDOW_MARGIN))
    return merge_windows(spans)


def _possible_dates(doubt: InDoubtOrder, now: datetime) -> tuple[TimeSpan, ...]:
    """The dates that an order of ours may show. After the first attempt nothing before the latest one is excluded but
    the time before the order was submitted; where that is not known, an import may carry any date."""
    if doubt.submitted_at is None:
        return ()
    if doubt.attempt > 1:
        return ((doubt.submitted_at - WINDOW_MARGIN, now + WINDOW_MARGIN),)
    return tuple(_windows([doubt], now))
