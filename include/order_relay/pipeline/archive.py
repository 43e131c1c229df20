"""Raw orders read back from the batch store: as documents, or in canonical form for any pipeline."""

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


def read_documents(store: BatchStore, pipeline: str, works: Iterable[WorkItem]) -> Iterator[list[tuple[WorkItem, Any]]]:
    """The raw orders of ``works`` in slices of at most ``SLICE_SIZE``, in the order of the archive.

    Each part is read once. A document that retention removed is ``REMOVED``. Raises ``DamagedBatchError`` with the
    object's name if one is missing or does not match its checksum.
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
                if len(gathered) >= SLICE_SIZE:
                    yield gathered
                    gathered = []
    if gathered:
        yield gathered


@dataclass(frozen=True)
class ArchivedOrder:
    """One order as it was archived: columns of ``orders.canonical``, its lines without promotion texts and without
    those whose quantity is zero.

    ``problem``: why it cannot be read at all; everything else is then empty. ``issues`` are single values that the
    mapping could not read (``None`` in the columns). Holds personal data.
    """

    order: Mapping[str, Any] = field(default_factory=dict, repr=False)
    lines: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    issues: Sequence[ValidationIssue] = ()
    problem: str = ""

    def ordered(self) -> list[OrderedLine] | None:
        """The units to ship per line; ``None`` if they are unknown."""
        if self.problem or any(not isinstance(line["quantity"], int) for line in self.lines):
            return None
        return [
            OrderedLine(line_name(line), str(line["item_number"] or ""), max(line["quantity"], 0))
            for line in self.lines
        ]


_REMOVED = ArchivedOrder(problem="the raw order was removed by retention")


def line_name(line: Mapping[str, Any]) -> str:
    """The source's identifier of a line, or the number that the reader assigned."""
    return str(line["line"])


class OrderArchive:
    """Reads canonical orders from the batch store. ``reader_of`` returns the reader of a pipeline by name."""

    def __init__(self, store: BatchStore, reader_of: Callable[[str], CanonicalReader]) -> None:
        self._store = store
        self._reader_of = reader_of

    def read(self, works: Iterable[WorkItem]) -> dict[int, ArchivedOrder]:
        """The orders of these submissions by id. An unreadable one has a ``problem`` and does not affect the others."""
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
            for work in works:  # find the one that fails
                yield from self._read(name, [work])

    def _read_all(self, name: str, works: Sequence[WorkItem]) -> list[tuple[int, ArchivedOrder]]:
        reader = self._reader_of(name)
        pairs = [pair for portion in read_documents(self._store, name, works) for pair in portion]
        readable = [(work.id, document) for work, document in pairs if document is not REMOVED]
        canonical = reader.read([remove_marks(document) for _, document in readable])
        return [
            *((work.id, _REMOVED) for work, document in pairs if document is REMOVED),
            *zip((number for number, _ in readable), _orders(canonical), strict=True),
        ]


def describe_error(error: Exception) -> str:
    """Why an order could not be read or rendered, without its data."""
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
