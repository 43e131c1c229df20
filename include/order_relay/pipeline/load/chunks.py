"""Chunks: the ready orders and due lookups of a pipeline, divided among load tasks."""

from __future__ import annotations

import logging
from math import ceil

from order_relay.batches import BatchStore
from order_relay.iteration import batched
from order_relay.ledger import Ledger
from order_relay.orders.messages import RunContext
from order_relay.pipeline.runs.objects import run_prefix
from order_relay.pipeline.settings.sections import ChunkSettings

log = logging.getLogger(__name__)


def plan_chunks(
    ctx: RunContext, ledger: Ledger, store: BatchStore, settings: ChunkSettings, timeout_s: float
) -> list[str]:
    """Divide all ready orders and due lookups of the pipeline, from any run, into chunks.

    Orders that were being sent when their worker died become in doubt first; ``timeout_s``: of the destination.
    Returns the short names (``chunk-00``) of at most ``settings.at_most`` chunks; none if there is nothing to do.
    """
    expired = ledger.leases.expire(ctx, timeout_s)
    if expired:
        log.warning("%d orders were being sent when their worker died; they will be looked up", expired)
    due, ready = ledger.lookups.due(ctx.pipeline, None), ledger.claims.ready(ctx.pipeline)
    everything = [*due, *ready]
    size = max(settings.min_size, ceil(len(everything) / settings.at_most))
    names = []
    to_look_up = set(due)
    for number, ids in enumerate(batched(everything, size)):
        name = f"chunk-{number:02d}"
        look_up = [i for i in ids if i in to_look_up]
        store.write_json(chunk_name(ctx, name), {"look_up": look_up, "send": [i for i in ids if i not in to_look_up]})
        names.append(name)
    log.info("%d orders ready and %d to look up, in %d chunks", len(ready), len(due), len(names))
    return names


def chunk_name(ctx: RunContext, name: str) -> str:
    """The batch store object of a chunk, by its short name."""
    return f"{run_prefix(ctx)}/{name}.json"
