"""Corrections of single orders by an operator: the one implementation behind the command line and the order desk.

A correction is checked against the archived order before it is stored, and the order is evaluated at once: it is
quarantined again with its remaining issues, or continues with the next run. The store is one transaction; a process
that dies before the evaluation leaves the order ``received``, which the next run evaluates.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from order_relay.batches import BatchStore
from order_relay.errors import ConfigurationError, IllegalTransitionError, RecordRejectedError, ValidationIssue
from order_relay.ledger import Ledger, WorkItem
from order_relay.ledger.operators.corrections import CARRY_OVER, CORRECT, StoredCorrection
from order_relay.orders.corrections.correctable_fields import FieldValue
from order_relay.orders.corrections.document_corrector import DocumentCorrector
from order_relay.orders.messages import RunContext
from order_relay.orders.payload.transformer import Transformer
from order_relay.pipeline.archive import REMOVED, read_documents
from order_relay.pipeline.operators.replay import evaluate_archived


@dataclass(frozen=True)
class CorrectableOrder:
    """A submission with its correctable fields (archived values), the corrections that apply, and those of earlier
    content that wait for confirmation. Holds personal data.

    ``problem``: why nothing in it can be corrected; empty if it can.
    """

    work: WorkItem
    fields: Sequence[FieldValue] = field(default=(), repr=False)
    applied: Mapping[str, StoredCorrection] = field(default_factory=dict, repr=False)
    pending: Sequence[StoredCorrection] = field(default=(), repr=False)
    problem: str = ""


@dataclass(frozen=True)
class CorrectionResult:
    """``fields`` that were changed, the order's ``state`` afterwards, and the ``issues`` that still refuse it.

    ``outlook``: what the next run does with it: ``ready``, ``held``, ``waiting``, or empty if it is refused or held.
    """

    fields: tuple[str, ...]
    state: str
    revision: int
    outlook: str = ""
    issues: Sequence[ValidationIssue] = ()


class OrderCorrections:
    """Corrections of one pipeline's orders. All methods raise ``IllegalTransitionError`` for an unknown submission."""

    def __init__(self, ledger: Ledger, store: BatchStore, transformer: Transformer) -> None:
        self._ledger, self._store, self._transformer = ledger, store, transformer
        self._corrector = DocumentCorrector(transformer)

    def open(self, number: int) -> CorrectableOrder:
        """The submission with this id and its correctable fields."""
        work = self._work(number)
        applied = {one.field: one for one in self._ledger.corrections.of([number]).get(number, ()) if one.applies}
        pending = self._ledger.corrections.pending(number)
        try:
            fields = self._corrector.fields(self._document(work))
        except RecordRejectedError as error:
            return CorrectableOrder(work, applied=applied, pending=pending, problem=_messages(error))
        return CorrectableOrder(work, fields, applied, pending)

    def correct(
        self, ctx: RunContext, number: int, *, revision: int, values: Mapping[str, str], why: str, action: str = CORRECT
    ) -> CorrectionResult:
        """Check and store new values by field (an empty one removes the value), and evaluate the order.

        Raises ``ConfigurationError`` with every problem of the values (in words without the values), and what
        ``Corrections.correct`` raises.
        """
        if not values:
            raise ConfigurationError("nothing to correct: give at least one field with its new value")
        work = self._work(number)
        present = {name: value for name, value in work.corrections.items() if value is not None and name not in values}
        with _as_configuration_error():
            changes = self._corrector.check(self._document(work), values, present)
        self._ledger.corrections.correct(ctx, number, revision=revision, changes=changes, why=why, action=action)
        return self._evaluate(ctx, number, values)

    def carry_over(
        self, ctx: RunContext, number: int, *, revision: int, why: str, fields: Collection[str] = ()
    ) -> CorrectionResult:
        """Apply the pending corrections (all, or those of ``fields``) to the present content; see ``correct``."""
        pending = {one.field: one.new or "" for one in self._pending(number, fields)}
        return self.correct(ctx, number, revision=revision, values=pending, why=why, action=CARRY_OVER)

    def dismiss(
        self, ctx: RunContext, number: int, *, revision: int, why: str, fields: Collection[str] = ()
    ) -> CorrectionResult:
        """Do not carry over the pending corrections (all, or those of ``fields``). The order's state does not
        change."""
        names = [one.field for one in self._pending(number, fields)]
        self._ledger.corrections.dismiss(ctx, number, revision=revision, fields=names, why=why)
        work = self._work(number)
        return CorrectionResult(tuple(names), work.state, work.revision)

    def withdraw(
        self, ctx: RunContext, number: int, *, revision: int, fields: Collection[str], why: str
    ) -> CorrectionResult:
        """End corrections, so that the archived values count again, and evaluate the order."""
        self._ledger.corrections.withdraw(ctx, number, revision=revision, fields=fields, why=why)
        return self._evaluate(ctx, number, fields)

    def _work(self, number: int) -> WorkItem:
        works = self._ledger.worklist.get([number])
        if not works:
            raise IllegalTransitionError(f"unknown submission id: {number}")
        return works[0]

    def _document(self, work: WorkItem) -> Any:
        """The archived order. Raises ``DamagedBatchError``, and ``ConfigurationError`` if retention removed it."""
        document = next((found for slice_ in read_documents(self._store, work.pipeline, [work]) for _, found in slice_))
        if document is REMOVED:
            raise ConfigurationError("retention removed the raw order, so that nothing in it can be corrected")
        return document

    def _pending(self, number: int, fields: Collection[str]) -> list[StoredCorrection]:
        found = self._ledger.corrections.pending(number)
        missing = set(fields) - {one.field for one in found}
        if missing or not found:
            which = f": {', '.join(sorted(missing))}" if missing else ""
            raise IllegalTransitionError(f"no correction of earlier content waits for confirmation{which}")
        return [one for one in found if not fields or one.field in fields]

    def _evaluate(self, ctx: RunContext, number: int, fields: Collection[str]) -> CorrectionResult:
        """Evaluate the order; one that is refused is quarantined with its remaining issues."""
        work = self._work(number)
        outlook, issues = "", []
        if work.state in {"received", "held"}:
            found = evaluate_archived(
                self._store, work.pipeline, [work], source=self._transformer.source, transformer=self._transformer
            )
            issues = [issue for _, refused in found.refused for issue in refused]
            if work.state == "received":
                outlook = "held" if found.held else "waiting" if found.waiting else "" if issues else "ready"
                self._ledger.validation.quarantine(ctx, found.refused, found.notes)
                work = self._work(number)
        return CorrectionResult(tuple(fields), work.state, work.revision, outlook, issues)


@contextmanager
def _as_configuration_error() -> Iterator[None]:
    try:
        yield
    except RecordRejectedError as error:
        raise ConfigurationError(_messages(error)) from None


def _messages(error: RecordRejectedError) -> str:
    return "; ".join(dict.fromkeys(issue.message for issue in error.issues))
