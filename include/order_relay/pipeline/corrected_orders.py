"""Archived orders with their corrections, as they are evaluated and sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from order_relay.batches import BatchStore
from order_relay.errors import RecordRejectedError, ValidationIssue
from order_relay.ledger import WorkItem
from order_relay.orders.corrections.document_corrector import DocumentCorrector, not_applicable
from order_relay.orders.payload.transformer import Transformer
from order_relay.pipeline.archive import REMOVED, read_documents


@dataclass(frozen=True, slots=True)
class UncorrectableOrder:
    """Takes the place of a document whose corrections cannot be applied; such an order is never sent without them."""

    issues: list[ValidationIssue]


def read_corrected(
    store: BatchStore, pipeline: str, works: Iterable[WorkItem], transformer: Transformer
) -> Iterator[list[tuple[WorkItem, Any]]]:
    """As ``archive.read_documents``, with the corrections of each work item applied.

    A document whose corrections cannot be applied is an ``UncorrectableOrder``.
    """
    for slice_ in read_documents(store, pipeline, works):
        if any(work.corrections for work, _ in slice_):
            corrector = DocumentCorrector(transformer)
            yield [(work, _corrected(corrector, document, work.corrections)) for work, document in slice_]
        else:
            yield slice_


def correct_document(corrector: DocumentCorrector, document: Any, corrections: Mapping[str, str | None]) -> Any:
    """A document with its corrections. Raises ``RecordRejectedError`` if one cannot be applied."""
    values = {name: value for name, value in corrections.items() if value is not None}
    if removed := corrections.keys() - values.keys():
        raise not_applicable(f"retention removed the corrected value of {', '.join(sorted(removed))}")
    return corrector.apply(document, values) if values else document


def _corrected(corrector: DocumentCorrector, document: Any, corrections: Mapping[str, str | None]) -> Any:
    if document is REMOVED:
        return document
    try:
        return correct_document(corrector, document, corrections)
    except RecordRejectedError as error:
        return UncorrectableOrder(error.issues)
