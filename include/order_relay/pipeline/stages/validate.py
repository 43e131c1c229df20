"""Validate: each order against the source's schema; a refused one is quarantined with every error."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from order_relay.batches import BatchStore, Manifest
from order_relay.errors import ValidationIssue
from order_relay.ledger import Ledger, SourceHold, WorkItem
from order_relay.orders.empty_values import drop_empty
from order_relay.orders.identity.source_identity import HASHED_ID_PREFIX, IdentityPaths, read_order_number
from order_relay.orders.mapping.canonical import CanonicalReader
from order_relay.orders.mapping.eligibility import GO, WAIT
from order_relay.orders.messages import UNREAD_PROBLEMS, RunContext
from order_relay.orders.notes import READABLE_NUMBER, OrderNote
from order_relay.orders.payload.transformer import Transformer
from order_relay.orders.privacy.redaction_marks import redacted_pointers
from order_relay.orders.schema.malformed import (
    LOCATION_KEY,
    NUMBER_KEY,
    is_malformed,
    malformed_issues,
)
from order_relay.orders.schema.validator import VendorFormat
from order_relay.pipeline.archive import REMOVED, read_documents
from order_relay.pipeline.report.advice import explain
from order_relay.pipeline.stages.worklists import write_worklist

log = logging.getLogger(__name__)

ARCHIVE_REMOVED = ValidationIssue("archive_removed", "", explain("archive_removed"))

_OPEN = ("received", "ready", "sending")


def has_work(ledger: Ledger, pipeline: str, manifest: Manifest) -> bool:
    """Whether anything is to be done between extract and acknowledge.

    That is: something was offered (or brought back), or stands ``received`` or ``ready`` from before, or was being sent
    when its worker died, or is due to be looked up.
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
    """Judge everything that stands ``received``, and what was offered again in this batch and is judged in place.

    The latter (quarantined orders, and those that wait for their source) are judged where they are, by schema, gate and
    whole transformation, so that no event is written while nothing changes; only clean ones come back to ``received``.
    What the gate does not let go on waits; ``ask_again_s`` as in ``SourceHolds.wait``. Returns the list of the valid
    ones; it names the refused, too. Raises ``DamagedBatchError``.
    """
    works = ledger.worklist.to_validate(ctx.pipeline, manifest.batch_id or None)
    counts: Counter[str] = Counter()
    valid: list[WorkItem] = []
    invalid: list[WorkItem] = []
    for slice_ in read_documents(store, ctx.pipeline, works):
        judged = _validate_slice(source, transformer, slice_)
        counts["refused"] += ledger.validation.quarantine(ctx, judged.refused, judged.notes) if judged.refused else 0
        counts["waiting"] += ledger.source_holds.wait(ctx, judged.waiting, ask_again_s) if judged.waiting else 0
        recovered = ledger.validation.recover(ctx, judged.recoverable) if judged.recoverable else []
        counts["recovered"] += len(recovered)
        valid += judged.passed
        valid += recovered
        invalid += [work for work, _ in judged.refused]
    counts["valid"] = len(valid)
    log.info("validate: %s", dict(counts))
    return write_worklist(store, ctx, "validated", valid, invalid)


@dataclass
class _Validated:
    """``clean_again``: judged in place, and nothing speaks against them any more."""

    refused: list[tuple[WorkItem, list[ValidationIssue]]] = field(default_factory=list)
    waiting: list[SourceHold] = field(default_factory=list)
    passed: list[WorkItem] = field(default_factory=list)
    recoverable: list[WorkItem] = field(default_factory=list)
    notes: dict[int, list[OrderNote]] = field(default_factory=dict)

    def unreadable(self, work: WorkItem, document: Mapping[str, Any]) -> None:
        """Refuse an order whose text cannot be used. Its place in the answer is a note: it may differ every time."""
        self.refused.append((work, malformed_issues(document)))
        self.notes[work.id] = [OrderNote("position", "", f"{document[LOCATION_KEY]}, when it was read last")]
        self.number(work, document.get(NUMBER_KEY, ""))

    def number(self, work: WorkItem, number: str) -> None:
        """Note the order number of an order that has no identity to carry it."""
        if number:
            self.notes.setdefault(work.id, []).append(OrderNote(READABLE_NUMBER, "", number))


def _validate_slice(
    source: VendorFormat, transformer: Transformer, slice_: Sequence[tuple[WorkItem, Any]]
) -> _Validated:
    judged = _Validated()
    again: list[tuple[WorkItem, Any]] = []
    for work, document in slice_:
        if document is REMOVED:
            judged.refused.append((work, [ARCHIVE_REMOVED]))
            continue
        if is_malformed(document):
            judged.unreadable(work, document)
            continue
        issues = source_issues(work, document, source, transformer.reader)
        verdict = transformer.eligibility.evaluate(document)
        if verdict.refusal and work.problem not in UNREAD_PROBLEMS:  # of those nothing else is known
            issues.append(verdict.refusal)
        if issues:
            judged.refused.append((work, issues))
            judged.number(work, _unnamed_number(work, document, source))
        elif verdict.verdict != GO:
            judged.waiting.append(SourceHold(work, verdict.reason, ask_again=verdict.verdict == WAIT))
        elif work.state == "quarantined":
            again.append((work, document))
        elif work.state == "waiting":
            judged.recoverable.append(work)
        else:
            judged.passed.append(work)
    results = transformer.transform([document for _, document in again]) if again else ()
    for (work, _), result in zip(again, results, strict=True):
        if result.issues:
            judged.refused.append((work, result.issues))
        else:
            judged.recoverable.append(work)
    return judged


def _unnamed_number(work: WorkItem, document: Any, source: VendorFormat) -> str:
    """The order number of an order that is kept under the hash of its content, if it can be read."""
    if not work.source_id.startswith(HASHED_ID_PREFIX):
        return ""
    return read_order_number(document, IdentityPaths.from_mapping(source.mapping["identity"]))


def source_issues(
    work: WorkItem, document: Any, source: VendorFormat, reader: CanonicalReader
) -> list[ValidationIssue]:
    """What is wrong with an archived order before anything is made of it.

    Empty members count as missing. What the mapping calls informational refuses nothing, nor does a place from which
    card data was removed: what becomes of those, the transformation says.
    """
    if is_malformed(document):
        return malformed_issues(document)
    problems = list(read_issues(work))
    if work.problem in UNREAD_PROBLEMS:
        return problems
    if source.accepts(document):
        return problems
    removed = redacted_pointers(document)
    found = source.check(drop_empty(document))
    return problems + [why for why in found if why.pointer not in removed and not reader.is_informational(why.pointer)]


def read_issues(work: WorkItem) -> Iterable[ValidationIssue]:
    """What was found while the order was read, as a refusal."""
    if work.problem:
        yield ValidationIssue(work.problem, "", explain(work.problem))
