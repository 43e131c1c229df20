"""Lookups of orders in doubt: the one function for the next run, the lookup DAG and operators.

``evidence`` decides what rows and missing rows prove. An absence counts only after lease, timeout and visibility delay
have passed, which the ledger decides. Otherwise the order stays in doubt. If another order has our external id,
the order stays in doubt and an operator is asked immediately.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from order_relay.batches import BatchStore
from order_relay.iteration import batched
from order_relay.ledger.delivery.lookups import Lookups
from order_relay.ledger.schema.records import InDoubtOrder, LookupResult
from order_relay.orders.identity.traits import TimeSpan
from order_relay.orders.messages import MAX_ATTEMPTS, RunContext
from order_relay.pipeline.lookup.evidence import MAX_KEYS_PER_SEARCH, SearchVerdict
from order_relay.pipeline.lookup.expectations import ExpectedOrders
from order_relay.pipeline.lookup.search import WINDOW_MARGIN, Search, merge_windows
from order_relay.pipeline.ports import Destination, DestinationSession

SEND_LEASE_S = 60.0
"""Used for the time of the next lookup if the ledger does not know when the lease ended."""


async def look_up(
    ctx: RunContext,
    lookups: Lookups,
    session: DestinationSession,
    destination: Destination,
    ids: Sequence[int],
    *,
    payloads: BatchStore | None = None,
    max_attempts: int = MAX_ATTEMPTS,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dict[str, int]:
    """Look up those of ``ids`` that are in doubt and record what was found. Returns counts by finding.

    At an idempotent destination, orders that are not found are sent again by the next run (``load.stage``); without a
    search, nothing is looked up.

    ``payloads``: the store of the sent payloads, for comparing them with the orders found. Raises
    ``ConfigurationError`` or ``ThrottledError`` from the session, and the ledger's errors; earlier results are kept.
    """
    in_doubt_orders = await asyncio.to_thread(lookups.in_doubt, ids)
    if destination.idempotent and destination.search_by == "none":
        return {"to_send_again": len(in_doubt_orders)} if in_doubt_orders else {}
    quiet_s = destination.timeout_s + destination.visible_after_s
    counts: Counter[str] = Counter()
    for group in batched(in_doubt_orders, MAX_KEYS_PER_SEARCH):
        keys = [doubt.destination_key for doubt in group]
        controls = await asyncio.to_thread(lookups.positive_controls, destination.account, keys, quiet_s)
        dated = {doubt.destination_key: _possible_dates(doubt, now()) for doubt in group}
        search = Search(
            session,
            destination,
            controls,
            ExpectedOrders(destination, payloads, group, dated),
            windows=_windows(group, now()),
        )
        verdicts = await search.ask(keys)
        results = [_lookup_record(d, verdicts[d.destination_key], quiet_s, now()) for d in group]
        if destination.idempotent:
            results = [replace(result, next_at=now()) for result in results]
        await asyncio.to_thread(lookups.record, ctx, results, quiet_s, max_attempts)
        counts.update(result.reason or result.finding.kind for result in results)
    return dict(counts)


def _lookup_record(doubt: InDoubtOrder, verdict: SearchVerdict, quiet_s: float, now: datetime) -> LookupResult:
    """The result for the ledger. An early absence is looked up again as soon as it can count; the ledger decides by its
    own clock whether it counts."""
    next_at = None
    why = verdict.why
    sure_after = (doubt.send_before or doubt.sent_at + timedelta(seconds=SEND_LEASE_S)) + timedelta(seconds=quiet_s)
    if verdict.finding.kind == "absent" and now <= sure_after:
        next_at, why = sure_after, "absent, but it may not be visible yet"
    return LookupResult(doubt.id, doubt.attempt, verdict.finding, verdict.method, why, next_at, verdict.reason)


def _windows(in_doubt_orders: Iterable[InDoubtOrder], now: datetime) -> list[TimeSpan]:
    """When the orders may be dated: between sending and now (they may have been stored late), or at their original
    date, which an import sets."""
    spans = []
    for doubt in in_doubt_orders:
        spans.append((doubt.sent_at - WINDOW_MARGIN, now + WINDOW_MARGIN))
        if doubt.submitted_at is not None:
            spans.append((doubt.submitted_at - WINDOW_MARGIN, doubt.submitted_at + WINDOW_MARGIN))
    return merge_windows(spans)


def _possible_dates(doubt: InDoubtOrder, now: datetime) -> tuple[TimeSpan, ...]:
    """The dates that our order may have at the destination. After several attempts, any time since its submission; if
    that is unknown, any date."""
    if doubt.submitted_at is None:
        return ()
    if doubt.attempt > 1:
        return ((doubt.submitted_at - WINDOW_MARGIN, now + WINDOW_MARGIN),)
    return tuple(_windows([doubt], now))
