"""Reads which orders the source has cancelled, and marks the source's offline orders as sent."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from order_relay.errors import OutcomeUnknownError, ThrottledError, TransientError
from order_relay.ledger import Ledger
from order_relay.ledger.schema.states import State
from order_relay.ledger.write_back.cancellations import UNSENT, RecordedCancellations
from order_relay.orders.messages import Acknowledgement, RunContext
from order_relay.pipeline.fulfilment.write_back import WriteBackContext
from order_relay.pipeline.ports import FeedbackTaker, Source
from order_relay.pipeline.runs.login_guard import guarded_login

log = logging.getLogger(__name__)


def record_cancellations(ctx: RunContext, parts: WriteBackContext, days: int) -> int:
    """Record the orders that the source cancelled after they were sent; returns how many are new.

    Cancelled orders that are not sent yet are held back. If the source cannot be read, the next run tries again;
    write-back reads an order's state anyway before it reports anything. Raises ``ConfigurationError`` and
    ``SourceAuthError``.
    """
    if not days:
        return 0
    return _record(ctx, parts.source, parts.ledger, connection_fingerprint=parts.connection_fingerprint, days=days).sent


def hold_cancelled(ctx: RunContext, source: Source, ledger: Ledger, *, connection_fingerprint: str, days: int) -> int:
    """Before a run reads and sends: hold back the unsent orders that the source cancelled; returns their number.

    Makes one request per run if any order is unsent. Raises like ``record_cancellations``.
    """
    if not days or not isinstance(source, FeedbackTaker):
        return 0
    states = ledger.accounting.counts(ctx.pipeline, None)["states"]
    if not any(states.get(state) for state in (*UNSENT, State.SENDING, State.IN_DOUBT)):
        return 0
    return _record(ctx, source, ledger, connection_fingerprint=connection_fingerprint, days=days).stopped


def _record(
    ctx: RunContext, source: FeedbackTaker, ledger: Ledger, *, connection_fingerprint: str, days: int
) -> RecordedCancellations:
    begun = datetime.now(UTC)
    open_tasks = [task for task in ledger.cancellations.unsettled(ctx.pipeline) if not task["source_reinstated_at"]]
    try:
        with guarded_login(ctx, ledger, connection_fingerprint):
            found = list(source.cancelled(begun - timedelta(days=days)))
            unlisted = {task["source_id"] for task in open_tasks} - set(found)
            reinstated = list(source.reinstated(sorted(unlisted)))
    except (OutcomeUnknownError, TransientError) as error:
        log.warning("the source's cancelled orders cannot be read; the next run tries again: %s", error)
        return RecordedCancellations()
    noted = ledger.cancellations.record(ctx, found)
    if reinstated:
        number = ledger.cancellations.reinstate(ctx, reinstated, begun)
        log.warning("%d orders were reinstated by the source; decide whether they are shipped", number)
    if noted.sent:
        log.warning("%d orders were cancelled by the source after they were sent", noted.sent)
    if noted.stopped:
        log.warning("%d orders were cancelled by the source before they were sent; they are not sent", noted.stopped)
    return noted


def mark_offline_orders(
    ctx: RunContext, parts: WriteBackContext, *, first_days: float, overlap_s: float, now: datetime | None = None
) -> dict[str, int]:
    """Mark offline orders as sent, from their own watermark minus the overlap; returns counts by outcome.

    An order that cannot be marked is recorded and tried again later, so the watermark advances regardless. If the list
    cannot be read, raises what the source raises, and the watermark stays.
    """
    begun = now or datetime.now(UTC)
    since = parts.ledger.offline_orders.watermark(ctx.pipeline)
    start = (begun - timedelta(days=first_days) if since is None else min(since, begun)) - timedelta(seconds=overlap_s)
    with guarded_login(ctx, parts.ledger, parts.connection_fingerprint):
        pending = parts.ledger.offline_orders.pending(ctx.pipeline)
        again = [source_id for source_id, due in pending.items() if due]
        found = [*again, *(one for one in parts.source.unmarked_offline_orders(start) if one not in pending)]
        with ThreadPoolExecutor(parts.parallel) as pool:
            answers = list(zip(found, pool.map(lambda one: _mark(parts, one), found), strict=True))
    parts.ledger.offline_orders.record_answers(ctx, answers, parts.most_refusals, to=begun)
    done = sum(answer.accepted for _, answer in answers)
    refused = len(answers) - done
    return {name: n for name, n in (("offline_sent", done), ("offline_refused", refused)) if n}


def _mark(parts: WriteBackContext, order_id: str) -> Acknowledgement:
    """Mark one order; a failure does not affect the others."""
    try:
        return parts.source.mark_offline_sent(order_id)
    except (OutcomeUnknownError, TransientError, ThrottledError) as error:
        return Acknowledgement(False, str(error), passing=True)
