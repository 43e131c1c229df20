"""Dedupe: choose one version of each order. The rules are in ``orders/decisions/versions.py``; the ledger applies
them."""

from __future__ import annotations

import logging

from order_relay.batches import BatchStore, Manifest
from order_relay.ledger import Ledger
from order_relay.orders.messages import RunContext, VersionPolicies
from order_relay.pipeline.stages.worklists import read_worklist, write_worklist

log = logging.getLogger(__name__)


def dedupe(
    ctx: RunContext,
    ledger: Ledger,
    store: BatchStore,
    *,
    policies: VersionPolicies,
    manifest: Manifest,
    limit: int | None = None,
) -> Manifest:
    """Resolve the lineages of the valid orders; returns the list of the winners.

    ``limit`` counts lineages; the orders beyond it stay ``received`` for the next run. Lineages in which a version was
    refused are resolved first, so that an older one that is ``ready`` waits. Raises ``DamagedBatchError``.
    """
    refused = list(read_worklist(store, manifest, refused=True))
    if refused:
        ledger.versions.resolve(ctx, refused, policies, None)
    valid = list(read_worklist(store, manifest))
    winners = ledger.versions.resolve(ctx, valid, policies, limit)
    log.info("dedupe: %d of %d valid orders continue", len(winners), len(valid))
    return write_worklist(store, ctx, "winners", winners)
