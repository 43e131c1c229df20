"""What the tasks of ``retention`` and the command of that name do."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow import connections
from order_relay.airflow.session import open_ledger, open_wiring
from order_relay.batches import BatchStore, DamagedBatchError
from order_relay.pipeline.retention.order_data import RetentionReport, apply_retention
from order_relay.pipeline.retention.status_data import apply_status_retention
from order_relay.pipeline.settings.pipeline import pipeline_files, status_files
from order_relay.pipeline.settings.status_account import load_status

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

MAX_LOG_LINES = 1000
"""Maximum names of each kind in the log."""


def active_names() -> list[str]:
    """The pipelines that have run before and the status accounts in use; skipped if there are none.

    Includes pipelines with dry or shadow runs only, which are not in the ledger.
    """
    store = BatchStore(*connections.store_filesystem(connections.store_url()))
    with open_ledger() as ledger:
        found = [name for name in pipeline_files() if ledger.runs.last_sequence(name) or store.exists(f"{name}/runs")]
        found += [name for name in ledger.statuses.accounts() if name in status_files()]
    if not found:
        raise AirflowSkipException("no pipeline has run before")
    return found


def remove(pipeline: str, context: Context) -> dict[str, Any]:
    """Remove data of one pipeline or status account that is due, or list it (``dry_run``). Flat counts.

    Raises ``DamagedBatchError`` if an object is damaged.
    """
    dry_run = bool(context["params"]["dry_run"])
    removed = (_remove_statuses if pipeline in status_files() else _remove_orders)(pipeline, dry_run)
    for line in describe_removed(removed, dry_run=dry_run):
        log.info("%s", line)
    if removed.failed:
        raise DamagedBatchError(f"{len(removed.failed)} damaged objects were kept, such as {removed.failed[0]}")
    return {"pipeline": pipeline, "dry_run": int(dry_run), **removed.counts}


def _remove_orders(pipeline: str, dry_run: bool) -> RetentionReport:
    with open_wiring(pipeline) as wiring:
        settings = wiring.settings.retention
        return apply_retention(
            pipeline, wiring.ledger.retention, wiring.store, settings, now=datetime.now(UTC), dry_run=dry_run
        )


def _remove_statuses(account: str, dry_run: bool) -> RetentionReport:
    store = BatchStore(*connections.store_filesystem(connections.store_url()))
    with open_ledger() as ledger:
        settings = load_status(account).retention
        return apply_status_retention(
            account, ledger.retention, store, settings, now=datetime.now(UTC), dry_run=dry_run
        )


def describe_removed(removed: RetentionReport, *, dry_run: bool) -> list[str]:
    """What was removed, one item per line."""
    verb = "would remove" if dry_run else "removed"
    sections = {
        f"{verb} raw orders of batch": removed.batches,
        f"{verb} of a run": removed.run_objects,
        f"{verb} of a dry or shadow run": removed.trials,
        f"{verb}, nothing refers to it": removed.abandoned,
        "kept for open orders": removed.kept,
        f"{verb} CSV file": removed.files,
        "failed": removed.failed,
    }
    lines = [f"{what}: {name}" for what, names in sections.items() for name in names[:MAX_LOG_LINES]]
    lines += [f"{what}: and {len(n) - MAX_LOG_LINES} more" for what, n in sections.items() if len(n) > MAX_LOG_LINES]
    return [*lines, f"{verb} personal data of {removed.submissions} orders in the ledger"]
