"""Judging quarantined and rejected orders again, from the archive, after a mapping or a code table was mended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from order_relay.batches import BatchStore
from order_relay.errors import ValidationIssue
from order_relay.ledger import WorkItem
from order_relay.orders.payload.transformer import Transformer
from order_relay.pipeline.archive import REMOVED, read_documents
from order_relay.pipeline.report.advice import explain
from order_relay.pipeline.stages.validate import ARCHIVE_REMOVED, source_issues


class ReevaluationContext(Protocol):
    """What judging uses of a pipeline's wiring."""

    @property
    def name(self) -> str:
        """The pipeline's name."""

    @property
    def transformer(self) -> Transformer:
        """Its source's format and the whole transformation."""


@dataclass
class ReevaluationResult:
    """``clean`` would pass our own checks now; ``still`` would not, with every reason."""

    clean: list[WorkItem] = field(default_factory=list)
    still: list[tuple[WorkItem, list[ValidationIssue]]] = field(default_factory=list)


def reevaluate(
    store: BatchStore,
    wiring: ReevaluationContext,
    works: Iterable[WorkItem],
    done: Callable[[int], None] = lambda _: None,
) -> ReevaluationResult:
    """Judge archived orders by schema and whole transformation, without changing anything.

    ``done`` is called with the number of orders of each slice once they are evaluated.

    Raises ``DamagedBatchError`` that names the object where the archive can not be read.
    """
    judged = ReevaluationResult()
    for slice_ in read_documents(store, wiring.name, works):
        candidates: list[tuple[WorkItem, Any]] = []
        for work, document in slice_:
            if document is REMOVED:
                judged.still.append((work, [ARCHIVE_REMOVED]))
                continue
            issues = source_issues(work, document, wiring.transformer.source, wiring.transformer.reader)
            if issues:
                judged.still.append((work, issues))
            else:
                candidates.append((work, document))
        results = wiring.transformer.transform([document for _, document in candidates])
        for (work, _), result in zip(candidates, results, strict=True):
            if result.hold:
                judged.still.append((work, [ValidationIssue(result.hold, "", explain(result.hold))]))
            elif result.issues or result.payload is None:
                judged.still.append((work, result.issues))
            else:
                judged.clean.append(work)
        done(len(slice_))
    return judged
