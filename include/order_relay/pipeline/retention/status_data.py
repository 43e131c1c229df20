"""Removes the data of a status account: CSV files that were read, and texts about orders of no pipeline."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from order_relay.batches import BatchStore
from order_relay.ledger.reporting.retention import Retention
from order_relay.pipeline.fulfilment.status_files import ARCHIVE, REFUSED
from order_relay.pipeline.retention.order_data import ERASE_BATCH_SIZE, RetentionReport
from order_relay.pipeline.settings.status_account import StatusRetention

log = logging.getLogger(__name__)


def apply_status_retention(
    account: str,
    retention: Retention,
    store: BatchStore,
    settings: StatusRetention,
    *,
    now: datetime,
    dry_run: bool = False,
) -> RetentionReport:
    """Remove what is due of one account; ``dry_run`` only lists it. ``now``: aware UTC. Unread files are kept.

    Raises ``StoreUnavailableError`` and the ledger's errors.
    """
    removed = RetentionReport()
    if settings.archive_days is not None:
        _remove_files(account, store, now - timedelta(days=settings.archive_days), removed, dry_run=dry_run)
    if settings.ledger_days is not None:
        _erase_texts(account, retention, now - timedelta(days=settings.ledger_days), removed, dry_run=dry_run)
    log.info("retention of %s%s: %s", account, " (dry run)" if dry_run else "", removed.counts)
    return removed


def _remove_files(
    account: str, store: BatchStore, before: datetime, removed: RetentionReport, *, dry_run: bool
) -> None:
    for folder in (ARCHIVE, REFUSED):
        for name in store.list(f"{account}/{folder}"):
            if store.modified(name) < before:
                removed.files.append(name)
                if not dry_run:
                    store.remove(name)


def _erase_texts(
    account: str, retention: Retention, before: datetime, removed: RetentionReport, *, dry_run: bool
) -> None:
    if dry_run:
        removed.submissions = sum(1 for _ in retention.unmatched_status_texts(account, before))
        return
    removed.submissions = retention.remove_status_texts(account, before, ERASE_BATCH_SIZE)
