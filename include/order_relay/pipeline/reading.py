"""What a run reads of its source: everything, some ids, an interval of the past, or what is new since the last time.

A source that is asked by time is read from the last point up to which it was read without a gap, minus an overlap: so
hours of downtime lose nothing, and an order that the shop shows late is still seen. No interval of a scheduled run is
ever trusted for that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from order_relay.ledger import Ledger
from order_relay.orders.exchange import Selection
from order_relay.pipeline.ports import Source
from order_relay.pipeline.sections import ReadingSettings

MOST_ASKED_AGAIN = 1_000
"""So many orders are asked for again by their id in one run; the others have their turn in the next."""


@dataclass(frozen=True)
class Reading:
    """One reading of a source, and what may be concluded from it (meanings: ``BatchInfo``).

    ``asked_again`` are those of ``selection.order_ids`` that wait for their source, or to be mended there.
    """

    selection: Selection = field(default_factory=Selection)
    complete: bool = False
    read_to: datetime | None = None
    from_past: bool = False
    asked_again: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """For the batch's manifest."""
        window = (self.selection.start, self.selection.end)
        times = {name: when.isoformat() for name, when in zip(("from", "to"), window, strict=True) if when}
        return {"complete": self.complete, **times}


def of_ids(order_ids: tuple[str, ...]) -> Reading:
    """Just these orders."""
    return Reading(Selection(order_ids=order_ids))


def of_interval(start: datetime, end: datetime) -> Reading:
    """A backfill of a source that is asked by time."""
    return Reading(Selection(start=start, end=end), from_past=True)


def of_news(pipeline: str, source: Source, ledger: Ledger, settings: ReadingSettings, now: datetime) -> Reading:
    """What an ordinary run reads."""
    if not source.windowed:
        return Reading(complete=True)
    read_to = ledger.read_to(pipeline)
    since = now - timedelta(days=settings.first_days) if read_to is None else min(read_to, now)
    asked = tuple(ledger.to_ask_again(pipeline, MOST_ASKED_AGAIN))
    start = since - timedelta(seconds=settings.overlap_s)
    return Reading(Selection(asked, start, now), read_to=now, asked_again=asked)
