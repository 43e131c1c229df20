"""Raw orders read back from the batch store: as documents, or in canonical form whichever pipeline they came by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from order_relay.batches import BatchReader, BatchStore
from order_relay.errors import OrderRelayError, ValidationIssue
from order_relay.ledger import WorkItem
from order_relay.orders.fulfilment.shipment_progress import OrderedLine
from order_relay.orders.json_text import decode
from order_relay.orders.mapping.canonical import CanonicalOrders, CanonicalReader
from order_relay.orders.privacy.redaction_marks import remove_marks

SLICE_SIZE = 500
"""Maximum orders in memory."""

REMOVED: Final = object()
"""Takes the place of a document that retention removed."""


def read_documents(
    store: BatchStore, pipeline: str, works: Iterable[WorkItem], size: int = SLICE_SIZE
) -> Iterator[list[tuple[WorkItem, Any]]]:
    """The raw orders of ``works`` in slices of at most ``size``, in the order of the archive; each part is read once.

    A document is ``CARD_DATA_REMOVED`` where retention removed it. Raises ``DamagedBatchError`` that names the object
    where one is
    missing or not what was written.
    """
    ordered = sorted(works, key=lambda work: (work.batch_id, work.part, work.row))
    gathered: list[tuple[WorkItem, Any]] = []
    for batch_id, of_batch in groupby(ordered, key=lambda work: work.batch_id):
        reader = BatchReader(store, pipeline, batch_id)
        for part, of_part in groupby(of_batch, key=lambda work: work.part):
            wanted = list(of_part)
            texts = reader.rows(part, {work.row for work in wanted})
            for work in wanted:
                text = texts[work.row]
                gathered.append((work, decode(text) if text else REMOVED))
                if len(gathered) >= size:
                    yield gathered
                    gathered = []
    if gathered:
        yield gathered


@dataclass(frozen=True)
class ArchivedOrder:
    """One order as it was archived: columns of ``orders.canonical``, its lines without promotion texts and without
    those whose quantity is zero.

    ``problem`` says why it can not be read at all; then the rest is empty. ``issues`` are single values that the
    mapping could not read (``None`` in the columns). Holds personal data.
    """

    order: Mapping[str, Any] = field(default_factory=dict, repr=False)
    lines: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    issues: Sequence[ValidationIssue] = ()
    problem: str = ""

    def ordered(self) -> list[OrderedLine] | None:
        """The units to ship, line by line; ``None`` where they can not be told."""
        if self.problem or any(not isinstance(line["quantity"], int) for line in self.lines):
            return None
        return [
            OrderedLine(line_name(line), str(line["item_number"] or ""), max(line["quantity"], 0))
            for line in self.lines
        ]


_REMOVED = ArchivedOrder(problem="the raw order was removed by retention")


def line_name(line: Mapping[str, Any]) -> str:
    """The source's name of a line, or the number that the reader gave it."""
    return str(line["line"])


class OrderArchive:
    """Reads canonical orders from the batch store. ``reader_of`` gives a pipeline's reader by the pipeline's name."""

    def __init__(self, store: BatchStore, reader_of: Callable[[str], CanonicalReader]) -> None:
        self._store = store
        self._reader_of = reader_of

    def read(self, works: Iterable[WorkItem]) -> dict[int, ArchivedOrder]:
        """The orders of these submissions by id. What can not be read says so, and stops none of the others."""
        found: dict[int, ArchivedOrder] = {}
        by_pipeline = sorted(works, key=lambda work: work.pipeline)
        for name, group in groupby(by_pipeline, key=lambda work: work.pipeline):
            found.update(self._read(name, list(group)))
        return found

    def _read(self, name: str, works: Sequence[WorkItem]) -> Iterator[tuple[int, ArchivedOrder]]:
        try:
            yield from self._read_all(name, works)
        except Exception as error:
            if len(works) == 1:
                yield works[0].id, ArchivedOrder(problem=describe_error(error))
                return
            for work in works:  # which one is it?
                yield from self._read(name, [work])

    def _read_all(self, name: str, works: Sequence[WorkItem]) -> list[tuple[int, ArchivedOrder]]:
        reader = self._reader_of(name)
        pairs = [pair for portion in read_documents(self._store, name, works) for pair in portion]
        there = [(work.id, document) for work, document in pairs if document is not REMOVED]
        canonical = reader.read([remove_marks(document) for _, document in there])
        return [
            *((work.id, _REMOVED) for work, document in pairs if document is REMOVED),
            *zip((number for number, _ in there), _orders(canonical), strict=True),
        ]


def describe_error(error: Exception) -> str:
    """Why an order could not be read or rendered, without anything of the order."""
    known = isinstance(error, OrderRelayError)
    return str(error) if known else f"unexpected {type(error).__name__} (details redacted)"


def _orders(canonical: CanonicalOrders) -> Iterator[ArchivedOrder]:
    orders = canonical.orders.to_dict("records")
    lines: list[list[dict[Any, Any]]] = [[] for _ in orders]
    for line in canonical.lines.to_dict("records"):
        if not line["promotion"] and line["quantity"] != 0:
            lines[line["order"]].append(line)
    for order, own, issues in zip(orders, lines, canonical.issues, strict=True):
        yield ArchivedOrder({str(name): value for name, value in order.items()}, own, issues)
