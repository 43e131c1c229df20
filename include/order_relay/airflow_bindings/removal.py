"""What the task of ``retention`` does. Imports the engine; the DAG file does not."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow_bindings import connections
from order_relay.airflow_bindings.opening import opened_ledger, opened_wiring
from order_relay.batches import BatchDamaged, BatchStore
from order_relay.pipeline.retention import Removed, retain
from order_relay.pipeline.settings import pipeline_files, status_files
from order_relay.pipeline.status_retention import retain_statuses
from order_relay.pipeline.status_settings import load_status

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

MOST_LINES = 1000
"""So many names of each sort stand in the log."""


def active() -> list[str]:
    """The pipelines that ever ran, also those that only had dry or shadow runs, which the ledger does not know, and the
    status accounts that were ever used. Skipped where there is none.
    """
    store = BatchStore(*connections.store_filesystem(connections.store_url()))
    with opened_ledger() as ledger:
        found = [name for name in pipeline_files() if ledger.last_sequence(name) or store.exists(f"{name}/runs")]
        found += [name for name in ledger.status_accounts() if name in status_files()]
    if not found:
        raise AirflowSkipException("no pipeline ever ran")
    return found


def remove(pipeline: str, context: Context) -> dict[str, Any]:
    """Remove what is due of one pipeline or status account, or list it (``dry_run``). Flat counts.

    Raises ``BatchDamaged`` where an object is damaged.
    """
    dry_run = bool(context["params"]["dry_run"])
    removed = (_of_statuses if pipeline in status_files() else _of_orders)(pipeline, dry_run)
    for line in lines_of(removed, dry_run=dry_run):
        log.info("%s", line)
    if removed.failed:
        raise BatchDamaged(f"{len(removed.failed)} objects could not be trimmed and stay: {removed.failed[0]}")
    return {"pipeline": pipeline, "dry_run": int(dry_run), **removed.counts}


def _of_orders(pipeline: str, dry_run: bool) -> Removed:
    with opened_wiring(pipeline) as wiring:
        settings = wiring.settings.retention
        return retain(pipeline, wiring.ledger, wiring.store, settings, now=datetime.now(UTC), dry_run=dry_run)


def _of_statuses(account: str, dry_run: bool) -> Removed:
    store = BatchStore(*connections.store_filesystem(connections.store_url()))
    with opened_ledger() as ledger:
        settings = load_status(account).retention
        return retain_statuses(account, ledger, store, settings, now=datetime.now(UTC), dry_run=dry_run)


def lines_of(removed: Removed, *, dry_run: bool) -> list[str]:
    """What was removed, one thing a line."""
    did = "would remove" if dry_run else "removed"
    told = {
        f"{did} raw orders of batch": removed.batches,
        f"{did} of a run": removed.run_objects,
        f"{did} of a dry or shadow run": removed.trials,
        f"{did}, nothing refers to it": removed.abandoned,
        "kept for open orders": removed.kept,
        f"{did} CSV file": removed.files,
        "failed": removed.failed,
    }
    lines = [f"{what}: {name}" for what, names in told.items() for name in names[:MOST_LINES]]
    lines += [f"{what}: and {len(n) - MOST_LINES} more" for what, n in told.items() if len(n) > MOST_LINES]
    return [*lines, f"{did} personal data of {removed.submissions} orders in the ledger"]
