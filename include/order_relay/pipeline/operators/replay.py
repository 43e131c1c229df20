"""Evaluates archived orders again, after a mapping, a code table or the order itself was corrected.

The one evaluation behind a run's re-check of quarantined orders, ``order-relay replay`` and the DAG
``quarantine_replay``. It changes nothing; what it reports is what a run would do with the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from order_relay.batches import BatchStore
from order_relay.errors import ValidationIssue
from order_relay.ledger import SourceHold, WorkItem
from order_relay.orders.notes import OrderNote
from order_relay.orders.payload.transformer import Transformer
from order_relay.orders.schema.validator import VendorFormat
from order_relay.pipeline.corrected_orders import read_corrected
from order_relay.pipeline.stages.source_checks import check_source, historic_flags


@dataclass
class Evaluation:
    """Orders by what a run would do with them.

    ``passed``: they become ready. ``held``: the transformation holds them for an operator, by reason code. ``waiting``:
    their source does not release them yet (eligibility rules). ``refused``: quarantined, with every issue. ``notes``:
    of refused orders, by id.
    """

    passed: list[WorkItem] = field(default_factory=list)
    held: list[tuple[WorkItem, str]] = field(default_factory=list)
    waiting: list[SourceHold] = field(default_factory=list)
    refused: list[tuple[WorkItem, list[ValidationIssue]]] = field(default_factory=list)
    notes: dict[int, list[OrderNote]] = field(default_factory=dict)

    @property
    def continuing(self) -> list[WorkItem]:
        """Orders that are not refused: put back, they become ready, held or waiting."""
        return [*self.passed, *(work for work, _ in self.held), *(hold.work for hold in self.waiting)]

    def add(self, other: Evaluation) -> None:
        """Take over the orders of another evaluation."""
        self.passed += other.passed
        self.held += other.held
        self.waiting += other.waiting
        self.refused += other.refused
        self.notes |= other.notes


def evaluate(documents: Sequence[tuple[WorkItem, Any]], source: VendorFormat, transformer: Transformer) -> Evaluation:
    """Evaluate orders by schema, eligibility rules and the whole transformation."""
    found = Evaluation()
    candidates: list[tuple[WorkItem, Any]] = []
    for work, document in documents:
        check = check_source(work, document, source, transformer)
        if check.issues:
            found.refused.append((work, check.issues))
            found.notes[work.id] = check.notes
        elif check.hold is not None:
            found.waiting.append(check.hold)
        else:
            candidates.append((work, document))
    results = (
        transformer.transform(
            [document for _, document in candidates], **historic_flags([work for work, _ in candidates])
        )
        if candidates
        else ()
    )
    for (work, _), result in zip(candidates, results, strict=True):
        if result.hold:
            found.held.append((work, result.hold))
        elif result.issues or result.payload is None:
            found.refused.append((work, result.issues))
        else:
            found.passed.append(work)
    return found


def evaluate_archived(
    store: BatchStore,
    pipeline: str,
    works: Iterable[WorkItem],
    *,
    source: VendorFormat,
    transformer: Transformer,
    done: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Evaluate orders of the archive, with their corrections. ``done`` is called with the number of orders of each
    evaluated slice.

    Raises ``DamagedBatchError`` that names the object if the archive cannot be read.
    """
    found = Evaluation()
    for documents in read_corrected(store, pipeline, works, transformer):
        found.add(evaluate(documents, source, transformer))
        done(len(documents))
    return found
