"""Dedupe: one version of each order goes on. The rules stand in ``orders/versions.py``; the ledger carries them out."""

from __future__ import annotations

import logging

from order_relay.batches import BatchStore, Manifest
from order_relay.ledger import Ledger
from order_relay.orders.exchange import Policies, RunContext
from order_relay.pipeline.archive import read_list, write_list

log = logging.getLogger(__name__)


def dedupe(
    ctx: RunContext,
    ledger: Ledger,
    store: BatchStore,
    *,
    policies: Policies,
    manifest: Manifest,
    limit: int | None = None,
) -> Manifest:
    """Resolve the lineages of the valid orders; returns the list of the winners.

    ``limit`` counts lineages; the orders beyond it stay ``received`` for the next run. Lineages in which a version was
    refused are resolved first, so that an older one that is ``ready`` waits. Raises ``BatchDamaged``.
    """
    refused = list(read_list(store, manifest, refused=True))
    if refused:
        ledger.resolve(ctx, refused, policies, None)
    valid = list(read_list(store, manifest))
    winners = ledger.resolve(ctx, valid, policies, limit)
    log.info("dedupe: %d of %d valid orders go on", len(winners), len(valid))
    return write_list(store, ctx, "winners", winners)
