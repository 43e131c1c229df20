"""What a run fetches from its source: everything, single ids, an interval of the past, or new orders.

A source that is queried by time is read from the watermark (up to which it was read without a gap) minus an overlap, so
that downtime loses nothing and orders that the shop shows late are still found. The data interval of a scheduled run
plays no part in this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from order_relay.ledger import Ledger
from order_relay.ledger.schema.records import HistoryMark, UnreadRules
from order_relay.orders.messages import Selection
from order_relay.pipeline.ports import Source
from order_relay.pipeline.settings.sections import ReadingSettings

MAX_REREAD = 1_000
"""Maximum orders fetched again by their id in one run; the rest follow in the next."""


@dataclass(frozen=True)
class FetchPlan:
    """One fetch from a source, and the conclusions it allows (see ``BatchInfo``).

    ``history``: as in ``BatchInfo``.
    ``asked_again``: those of ``selection.order_ids`` that wait for their source, or for a correction at the source.
    """

    selection: Selection = field(default_factory=Selection)
    complete: bool = False
    read_to: datetime | None = None
    from_past: bool = False
    asked_again: tuple[str, ...] = ()
    unread_rules: UnreadRules = field(default_factory=UnreadRules)
    history: HistoryMark | None = None

    def facts(self) -> dict[str, Any]:
        """Facts for the batch's manifest."""
        window = (self.selection.start, self.selection.end)
        times = {name: when.isoformat() for name, when in zip(("from", "to"), window, strict=True) if when}
        return {"complete": self.complete, **times}


def plan_ids(order_ids: tuple[str, ...], settings: ReadingSettings | None = None) -> FetchPlan:
    """Fetch these orders only."""
    return FetchPlan(Selection(order_ids=order_ids), unread_rules=_unread_rules(settings))


def plan_interval(start: datetime, end: datetime, settings: ReadingSettings | None = None) -> FetchPlan:
    """Backfill a source that is queried by time."""
    return FetchPlan(Selection(start=start, end=end), from_past=True, unread_rules=_unread_rules(settings))


def plan_history(
    start: datetime | None, end: datetime | None, settings: ReadingSettings, history: HistoryMark
) -> FetchPlan:
    """One slice of a history import: a range of time, or (without one) a file. ``history``: as in ``BatchInfo``."""
    selection = Selection(start=start, end=end, history=True)
    return FetchPlan(selection, from_past=True, unread_rules=_unread_rules(settings), history=history)


def plan_new_orders(
    pipeline: str, source: Source, ledger: Ledger, settings: ReadingSettings, now: datetime
) -> FetchPlan:
    """What an ordinary run fetches. ``now`` becomes the watermark.

    The selection has no end, which would hide the newest orders of a source whose clock is ahead or whose time zone is
    set incorrectly.
    """
    if not source.windowed:
        return FetchPlan(complete=True)
    read_to = ledger.runs.watermark(pipeline)
    since = now - timedelta(days=settings.first_days) if read_to is None else min(read_to, now)
    asked = tuple(ledger.source_holds.due_for_recheck(pipeline, MAX_REREAD))
    unread = ledger.unread_orders.pending(pipeline)
    start = since - timedelta(seconds=settings.overlap_s)
    selection = Selection(
        asked,
        start,
        known=frozenset(asked) | unread.keys(),
        later=frozenset(source_id for source_id, due in unread.items() if not due),
    )
    return FetchPlan(selection, read_to=now, asked_again=asked, unread_rules=_unread_rules(settings))


def _unread_rules(settings: ReadingSettings | None) -> UnreadRules:
    return UnreadRules() if settings is None else UnreadRules(settings.ask_again_s, settings.gone_after_s)
