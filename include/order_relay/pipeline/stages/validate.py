"""Validate: check each order against the source's schema and eligibility rules; quarantine the refused ones."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from order_relay.batches import BatchStore, Manifest
from order_relay.errors import ValidationIssue
from order_relay.ledger import Ledger, SourceHold, WorkItem
from order_relay.orders.messages import RunContext
from order_relay.orders.notes import OrderNote
from order_relay.orders.payload.transformer import Transformer
from order_relay.orders.schema.validator import VendorFormat
from order_relay.pipeline.corrected_orders import read_corrected
from order_relay.pipeline.operators.replay import evaluate
from order_relay.pipeline.stages.source_checks import check_source
from order_relay.pipeline.stages.worklists import write_worklist

log = logging.getLogger(__name__)

_OPEN = ("received", "ready", "sending")


def has_work(ledger: Ledger, pipeline: str, manifest: Manifest) -> bool:
    """Whether the stages between extract and acknowledge have anything to do.

    True if orders were fetched or put back, are ``received`` or ``ready`` from an earlier run, were being sent when
    their worker died, or are due for a lookup.
    """
    if manifest.records:
        return True
    states = ledger.accounting.counts(pipeline, None)["states"]
    return any(states.get(state) for state in _OPEN) or bool(ledger.lookups.due(pipeline, None))


def validate(
    ctx: RunContext,
    ledger: Ledger,
    store: BatchStore,
    *,
    source: VendorFormat,
    transformer: Transformer,
    manifest: Manifest,
    ask_again_s: float = 0.0,
) -> Manifest:
    """Validate all ``received`` orders, and the quarantined and waiting ones that this batch contains again.

    Quarantined orders are evaluated without leaving their state, so that no event is written if nothing changed. They
    return to ``received`` unless they are refused again. Orders that the eligibility rules do not release wait;
    ``ask_again_s`` as in ``SourceHolds.wait``. Returns the worklist of valid orders, which also names the refused ones.
    Raises ``DamagedBatchError``.
    """
    works = ledger.worklist.to_validate(ctx.pipeline, manifest.batch_id or None)
    counts: Counter[str] = Counter()
    valid: list[WorkItem] = []
    invalid: list[WorkItem] = []
    for documents in read_corrected(store, ctx.pipeline, works, transformer):
        found = _validate_slice(source, transformer, documents)
        counts["refused"] += ledger.validation.quarantine(ctx, found.refused, found.notes) if found.refused else 0
        counts["waiting"] += ledger.source_holds.wait(ctx, found.waiting, ask_again_s) if found.waiting else 0
        recovered = ledger.validation.recover(ctx, found.recoverable) if found.recoverable else []
        counts["recovered"] += len(recovered)
        valid += found.passed
        valid += recovered
        invalid += [work for work, _ in found.refused]
    counts["valid"] = len(valid)
    log.info("validate: %s", dict(counts))
    return write_worklist(store, ctx, "validated", valid, invalid)


@dataclass
class _Validated:
    """``recoverable``: orders outside ``received`` that no longer have a reason to stay there."""

    refused: list[tuple[WorkItem, list[ValidationIssue]]] = field(default_factory=list)
    waiting: list[SourceHold] = field(default_factory=list)
    passed: list[WorkItem] = field(default_factory=list)
    recoverable: list[WorkItem] = field(default_factory=list)
    notes: dict[int, list[OrderNote]] = field(default_factory=dict)


def _validate_slice(
    source: VendorFormat, transformer: Transformer, documents: Sequence[tuple[WorkItem, Any]]
) -> _Validated:
    found = _Validated()
    for work, document in documents:
        if work.state == "quarantined":
            continue
        check = check_source(work, document, source, transformer)
        if check.issues:
            found.refused.append((work, check.issues))
            found.notes[work.id] = check.notes
        elif check.hold is not None:
            found.waiting.append(check.hold)
        else:
            (found.recoverable if work.state == "waiting" else found.passed).append(work)
    again = evaluate([pair for pair in documents if pair[0].state == "quarantined"], source, transformer)
    found.refused += again.refused
    found.waiting += again.waiting
    found.notes |= again.notes
    # orders to be held are put back as well: transform holds them, with their notes
    found.recoverable += [*again.passed, *(work for work, _ in again.held)]
    return found
