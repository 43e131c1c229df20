"""What the task of ``retention`` does. Imports the engine; the DAG file does not."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from order_relay.airflow_bindings.opening import opened_wiring
from order_relay.batches import BatchDamaged
from order_relay.pipeline.retention import Removed, retain

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

MOST_LINES = 1000
"""So many names of each sort stand in the log."""


def remove(pipeline: str, context: Context) -> dict[str, Any]:
    """Remove what is due of one pipeline, or list it (``dry_run``). Flat counts; raises where an object is damaged."""
    dry_run = bool(context["params"]["dry_run"])
    with opened_wiring(pipeline) as wiring:
        removed = retain(
            pipeline, wiring.ledger, wiring.store, wiring.settings.retention, now=datetime.now(UTC), dry_run=dry_run
        )
    for line in lines_of(removed, dry_run=dry_run):
        log.info("%s", line)
    if removed.failed:
        raise BatchDamaged(f"{len(removed.failed)} objects could not be trimmed and stay: {removed.failed[0]}")
    return {"pipeline": pipeline, "dry_run": int(dry_run), **removed.counts}


def lines_of(removed: Removed, *, dry_run: bool) -> list[str]:
    """What was removed, one thing a line."""
    did = "would remove" if dry_run else "removed"
    told = {
        f"{did} raw orders of batch": removed.batches, f"{did} of a run": removed.run_objects,
        f"{did}, nothing refers to it": removed.abandoned, "kept for open orders": removed.kept,
        "failed": removed.failed,
    }  # fmt: skip
    lines = [f"{what}: {name}" for what, names in told.items() for name in names[:MOST_LINES]]
    lines += [f"{what}: and {len(n) - MOST_LINES} more" for what, n in told.items() if len(n) > MOST_LINES]
    return [*lines, f"{did} personal data of {removed.submissions} orders in the ledger"]
