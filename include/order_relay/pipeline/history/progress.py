"""How far a history import got, in words. Counts only: no data of customers."""

from __future__ import annotations

import time
from collections.abc import Mapping

from order_relay.ledger.delivery.history_imports import EARLIER, HistoryImports, HistoryProgress, HistorySlice

_WORDS = {EARLIER: "imported before"}
_COUNTING_SHARE = 0.02
"""Maximum share of an import's time that counting its orders by result takes."""

_UNSENT = ("received", "ready", "sending", "in_doubt")

_FIRST = ("imported", EARLIER, "ready", "quarantined", "held", "waiting", "in_doubt", "rejected")


def count_text(counts: Mapping[str, int]) -> str:
    """Orders by result, such as ``812 orders: 790 imported, 12 quarantined``."""
    known = [*(name for name in _FIRST if name in counts), *sorted(set(counts) - set(_FIRST))]
    parts = ", ".join(f"{counts[name]} {_WORDS.get(name, name.replace('_', ' '))}" for name in known)
    total = sum(counts.values())
    return f"{total} orders: {parts}" if parts else "no orders"


def progress_line(one: HistorySlice, now: HistoryProgress, orders: int, seconds: float) -> str:
    """One line of the log after a slice. ``orders``: read by this run, within ``seconds``."""
    rate = orders / seconds if seconds > 0 else 0.0
    total = count_text(now.counts) if now.counts else f"{now.read} orders read"
    return (
        f"history: {one.name} done ({one.orders} orders); {now.done} of {now.slices} slices, {total}; "
        f"{rate:.1f} orders/s"
    )


class ProgressMeter:
    """The progress of an import while a run works on it. ``orders``: read by this run.

    Counting orders by result costs the more the more there are. A line has these counts only if they take a small share
    of the run's time, so that the last slice of an import takes no longer than its first one.
    """

    def __init__(self, imports: HistoryImports, number: int) -> None:
        self._imports, self._number = imports, number
        self._began = time.monotonic()
        self._next_count = 0.0
        self.orders = 0

    def line(self, one: HistorySlice) -> str:
        """The line of the log after a slice."""
        self.orders += one.orders
        began = time.monotonic()
        counted = began >= self._next_count
        now = self._imports.progress(self._number, counted=counted)
        ended = time.monotonic()
        if counted:
            self._next_count = ended + (ended - began) / _COUNTING_SHARE
        return progress_line(one, now, self.orders, ended - self._began)


def range_text(now: HistoryProgress) -> str:
    """What an import reads, such as ``2024-01-01 to 2024-12-31`` (both included)."""
    if now.range.start is None or now.range.end is None:
        return "files"
    last = now.range.end.timestamp() - 1
    return f"{now.range.start:%Y-%m-%d} to {now.range.end.fromtimestamp(last, now.range.end.tzinfo):%Y-%m-%d}"


def progress_report(now: HistoryProgress, *, trial: bool) -> str:
    """The head of the run's report."""
    state = "complete" if now.done == now.slices else f"{now.slices - now.done} slices are left: trigger it again"
    lines = [
        f"# History import {now.id}: {now.pipeline}, {range_text(now)}",
        "",
        f"- {now.done} of {now.slices} slices done; {state}",
        f"- {count_text(now.counts)}",
    ]
    unsent = sum(now.counts.get(state, 0) for state in _UNSENT)
    if unsent and not trial:
        lines.append(f"- {unsent} orders are not sent yet: by the pipeline's next run, or trigger the import again")
    if trial:
        lines.append("- nothing was sent: `ready` orders would have been")
    return "\n".join([*lines, "", ""])
