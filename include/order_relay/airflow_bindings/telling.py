"""Telling a person that something waits for them. The one seam: whoever adds notifiers adds them here."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from airflow.sdk.observability import stats

log = logging.getLogger(__name__)

MOST_LINES = 20
"""So many lines are told; of further ones only how many there are."""


@dataclass(frozen=True)
class Message:
    """What a person is told. ``cause`` is the same text each time for the same cause, so that a notifier can tell it
    once; ``kind`` is a short code for filters. No part carries customers' data: order numbers, counts, times.
    """

    kind: str
    cause: str
    subject: str
    lines: tuple[str, ...] = ()
    pipeline: str = ""

    @property
    def text(self) -> str:
        """Subject and lines."""
        shown = [*self.lines[:MOST_LINES]]
        if len(self.lines) > MOST_LINES:
            shown.append(f"and {len(self.lines) - MOST_LINES} more")
        return "\n".join([self.subject, *(f"  {line}" for line in shown)])


def tell(message: Message) -> None:
    """Tell a person. Here: a warning in the task's log, and a count in Airflow's metrics (``order_relay.told``).

    Never raises for what it does beside the log: a message that can not be delivered must not undo what was done.
    """
    log.warning("%s", message.text)
    stats.incr("order_relay.told", tags={"kind": message.kind, "pipeline": message.pipeline})


def told_lines(rows: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Lines of order number and what is to be said about it."""
    return tuple(f"{number}: {what}" for number, what in rows)
