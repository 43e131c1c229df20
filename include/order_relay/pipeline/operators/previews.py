"""What an action about many orders does, or would do, order by order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from order_relay.errors import ValidationIssue
from order_relay.ledger import WorkItem
from order_relay.pipeline.operators.replay import Evaluation

PASSES, HELD, WAITING, REFUSED, DISCARDED = "passes", "held", "waiting", "refused", "discarded"
"""Outcomes: the next run sends the order; it is held for a decision; its source does not release it yet; it is refused
again and stays as it is; it is never sent."""

OUTCOMES = (PASSES, HELD, WAITING, REFUSED, DISCARDED)


@dataclass(frozen=True, slots=True)
class OrderOutcome:
    """The outcome for one order; ``shown`` is its revision, ``reason`` why it is held or waits, ``issues`` why it is
    refused."""

    id: int
    shown: int
    pipeline: str
    order_number: str
    source_id: str
    state: str
    outcome: str
    reason: str = ""
    issues: tuple[ValidationIssue, ...] = ()


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """The outcomes of one action, in the order of the orders' ids."""

    action: str
    orders: tuple[OrderOutcome, ...]

    @property
    def counts(self) -> dict[str, int]:
        """The number of orders by outcome."""
        return dict(Counter(one.outcome for one in self.orders))

    @property
    def changing(self) -> dict[int, int | None]:
        """The orders that the action changes, with their revisions: all but those that are refused."""
        return {one.id: one.shown for one in self.orders if one.outcome != REFUSED}


def evaluated(found: Evaluation) -> list[OrderOutcome]:
    """The outcomes of an evaluation."""
    return [
        *(_outcome(work, PASSES) for work in found.passed),
        *(_outcome(work, HELD, reason=reason) for work, reason in found.held),
        *(_outcome(hold.work, WAITING, reason=hold.reason) for hold in found.waiting),
        *(_outcome(work, REFUSED, issues=tuple(issues)) for work, issues in found.refused),
    ]


def discarded(works: list[WorkItem]) -> list[OrderOutcome]:
    """The outcomes of discarding these."""
    return [_outcome(work, DISCARDED) for work in works]


def _outcome(work: WorkItem, outcome: str, **why: Any) -> OrderOutcome:
    return OrderOutcome(
        work.id, work.revision, work.pipeline, work.order_number, work.source_id, work.state, outcome, **why
    )
