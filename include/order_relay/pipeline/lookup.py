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
from typing import Protocol

from order_relay.ledger.values import Control, Doubt, LookedUp
from order_relay.orders.exchange import MAX_ATTEMPTS, RunContext
from order_relay.orders.traits import Span
from order_relay.pipeline.evidence import KEYS_AT_ONCE, Verdict
from order_relay.pipeline.expecting import Expected, Payloads
from order_relay.pipeline.inquiry import WINDOW_MARGIN, Inquiry, batched, merged
from order_relay.pipeline.ports import Destination, OmsSession

SEND_LEASE_S = 60.0
"""Used for when to look again where the ledger does not tell when the lease ended."""


class LookupBook(Protocol):
    """What a look-up uses of the ledger."""

    def in_doubt(self, ids: Sequence[int]) -> list[Doubt]:
        """See ``Ledger.in_doubt``."""

    def controls(self, destination: str, exclude: Iterable[str], shown_after_s: float) -> list[Control]:
        """See ``Ledger.controls``."""

    def record_lookups(
        self, ctx: RunContext, results: Sequence[LookedUp], quiet_s: float, max_attempts: int = MAX_ATTEMPTS
    ) -> dict[int, str]:
        """See ``Ledger.record_lookups``."""


async def look_up(
    ctx: RunContext,
    ledger: LookupBook,
    session: OmsSession,
    destination: Destination,
    ids: Sequence[int],
    *,
    payloads: Payloads | None = None,
    max_attempts: int = MAX_ATTEMPTS,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dict[str, int]:
    """Look up those of ``ids`` that are in doubt and record what was found. Returns counts by finding.

    ``payloads``: where what was sent is read, for comparing it with what is found.
    Raises ``WrongSetup`` or ``Throttled`` from the session, and the ledger's errors; what was recorded before remains.
    """
    doubts = await asyncio.to_thread(ledger.in_doubt, ids)
    quiet_s = destination.timeout_s + destination.visible_after_s
    counts: Counter[str] = Counter()
    for group in batched(doubts, KEYS_AT_ONCE):
        keys = [doubt.destination_key for doubt in group]
        controls = await asyncio.to_thread(ledger.controls, destination.account, keys, quiet_s)
        dated = {doubt.destination_key: _dated(doubt, now()) for doubt in group}
        inquiry = Inquiry(
            session,
            destination,
            controls,
            Expected(destination, payloads, group, dated),
            windows=_windows(group, now()),
        )
        verdicts = await inquiry.ask(keys)
        results = [_looked_up(d, verdicts[d.destination_key], quiet_s, now()) for d in group]
        await asyncio.to_thread(ledger.record_lookups, ctx, results, quiet_s, max_attempts)
        counts.update(result.reason or result.finding.kind for result in results)
    return dict(counts)


def _looked_up(doubt: Doubt, verdict: Verdict, quiet_s: float, now: datetime) -> LookedUp:
    """What goes into the ledger. An absence that comes too early is looked up again as soon as it can count; whether
    it counts is decided by the ledger, on its own clock."""
    next_at = None
    why = verdict.why
    sure_after = (doubt.send_before or doubt.sent_at + timedelta(seconds=SEND_LEASE_S)) + timedelta(seconds=quiet_s)
    if verdict.finding.kind == "absent" and now <= sure_after:
        next_at, why = sure_after, "absent, but it may not be visible yet"
    return LookedUp(doubt.id, doubt.attempt, verdict.finding, verdict.method, why, next_at, verdict.reason)


def _windows(doubts: Iterable[Doubt], now: datetime) -> list[Span]:
    """When the orders may be dated: from their sending until now (they may have been stored late), or at their original
    date, which an import sets."""
    spans = []
    for doubt in doubts:
        spans.append((doubt.sent_at - WINDOW_MARGIN, now + WINDOW_MARGIN))
        if doubt.submitted_at is not None:
            spans.append((doubt.submitted_at - WINDOW_MARGIN, doubt.submitted_at + WINDOW_MARGIN))
    return merged(spans)


def _dated(doubt: Doubt, now: datetime) -> tuple[Span, ...]:
    """The dates that an order of ours may show. After the first attempt nothing before the latest one is excluded but
    the time before the order was submitted; where that is not known, an import may carry any date."""
    if doubt.submitted_at is None:
        return ()
    if doubt.attempt > 1:
        return ((doubt.submitted_at - WINDOW_MARGIN, now + WINDOW_MARGIN),)
    return tuple(_windows([doubt], now))
