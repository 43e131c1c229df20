"""Worklists: which orders one stage passes to the next, kept in the batch store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from order_relay.batches import BatchStore, Manifest
from order_relay.ledger import WorkItem
from order_relay.orders.json_text import decode, encode
from order_relay.orders.messages import RunContext
from order_relay.pipeline.runs.objects import run_prefix


def write_worklist(
    store: BatchStore, ctx: RunContext, kind: str, works: Sequence[WorkItem], refused: Iterable[WorkItem] = ()
) -> Manifest:
    """Write a worklist named ``kind``; returns its manifest, which counts ``works`` only.

    ``refused`` are listed as well: their lineages are resolved again, because older versions wait for a refused one.
    """
    rows = [{"id": work.id, "revision": work.revision} for work in works]
    rows += [{"id": work.id, "revision": work.revision, "refused": True} for work in refused]
    info = store.write_jsonl(f"{run_prefix(ctx)}/{kind}.jsonl.gz", map(encode, rows))
    return Manifest(kind, ctx.pipeline, info.name, len(works), 1, info.sha256, info.bytes)


def read_worklist(store: BatchStore, manifest: Manifest, *, refused: bool = False) -> dict[int, int]:
    """Read a worklist: revision by id. ``refused``: the refused orders instead. Raises ``DamagedBatchError``."""
    rows = (decode(text) for text in store.read_jsonl(manifest.name, manifest.sha256))
    return {int(row["id"]): int(row["revision"]) for row in rows if bool(row.get("refused")) is refused}
