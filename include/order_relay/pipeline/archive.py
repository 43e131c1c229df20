"""Reading raw orders back from the batch store, and the small work lists that stages hand on, a slice at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from order_relay.batches import BatchReader, BatchStore, Manifest
from order_relay.ledger import WorkItem
from order_relay.orders.json_text import decode, encode
from order_relay.orders.messages import RunContext

SLICE_SIZE = 500
"""So many orders are in memory at once."""


REMOVED: Final = object()
"""Stands in the place of a document that retention removed."""


def run_prefix(ctx: RunContext) -> str:
    """Where a run's own objects lie under the store's root."""
    return f"{ctx.pipeline}/runs/{ctx.run}"


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


def write_worklist(
    store: BatchStore, ctx: RunContext, kind: str, works: Sequence[WorkItem], refused: Iterable[WorkItem] = ()
) -> Manifest:
    """Write a work list (``kind`` names it) and give the manifest that points to it; it counts ``works`` only.

    ``refused`` are listed as well: their lineages are resolved again, since older versions wait under a refused one.
    """
    rows = [{"id": work.id, "revision": work.revision} for work in works]
    rows += [{"id": work.id, "revision": work.revision, "refused": True} for work in refused]
    info = store.write_jsonl(f"{run_prefix(ctx)}/{kind}.jsonl.gz", map(encode, rows))
    return Manifest(kind, ctx.pipeline, info.name, len(works), 1, info.sha256, info.bytes)


def read_worklist(store: BatchStore, manifest: Manifest, *, refused: bool = False) -> dict[int, int]:
    """A work list: revision by id; the refused ones with ``refused``. Raises ``DamagedBatchError``."""
    rows = (decode(text) for text in store.read_jsonl(manifest.name, manifest.sha256))
    return {int(row["id"]): int(row["revision"]) for row in rows if bool(row.get("refused")) is refused}


def slices(ids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """``ids`` in portions of at most ``size``."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
