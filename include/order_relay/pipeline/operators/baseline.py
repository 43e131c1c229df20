"""The baseline for a cut-over: orders that a source offers now were handled elsewhere and are never sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from order_relay.batches import BatchStore
from order_relay.ledger import BatchInfo, Ledger, WorkItem
from order_relay.orders.mapping.eligibility import CANCELLED_THERE, WAIT, WITHDRAWN
from order_relay.orders.messages import RunContext
from order_relay.pipeline.archive import read_documents
from order_relay.pipeline.run import RunWiring
from order_relay.pipeline.runs import start
from order_relay.pipeline.runs.fetch_plan import FetchPlan, plan_new_orders
from order_relay.pipeline.runs.login_guard import guarded_login
from order_relay.pipeline.stages.acknowledge import acknowledge as acknowledge_all
from order_relay.pipeline.stages.extract import extract

if TYPE_CHECKING:
    import pandas as pd


def take_baseline(
    ledger: Ledger, store: BatchStore, parts: RunWiring, *, who: str, reason: str, acknowledge: bool
) -> dict[str, Any]:
    """Read, archive and discard all orders that the source offers now, in one transaction.

    Orders that wait for their source, such as for a payment, are kept and processed normally later. With
    ``acknowledge``, the discarded orders and others due are acknowledged at the source. Returns counts and the run's
    name. Raises what the source raises.
    """
    ctx = RunContext(parts.settings.name, f"baseline-{datetime.now(UTC):%Y%m%dT%H%M%S}", who)
    start.start_run(ctx, ledger, store, (parts.source.account, parts.destination.account), "baseline")
    counts: dict[str, int] = {}

    def take_in(ctx: RunContext, info: BatchInfo, offers: pd.DataFrame, fingerprint: str) -> dict[str, int]:
        keep = _waiting(store, parts, info, offers)
        counts.update(
            ledger.bulk.take_baseline(ctx, info, offers, fingerprint, reason=reason, acknowledge=acknowledge, keep=keep)
        )
        return counts

    fingerprint = parts.source_connection.fingerprint()
    extract(
        ctx,
        parts.source,
        ledger,
        store,
        _fetch_plan(ledger, parts),
        batch_id=ctx.run,
        take_in=take_in,
        transform_fingerprint=parts.transformer.fingerprint,
        connection_fingerprint=fingerprint,
        contents=parts.transformer.contents,
    )
    acknowledged = acknowledge_all(ctx, parts.source, ledger, connection_fingerprint=fingerprint) if acknowledge else {}
    facts = {**counts, **{f"acknowledged_{name}": number for name, number in acknowledged.items()}}
    ledger.runs.end(ctx, facts)
    return {"run": ctx.run, **facts}


def count_offers(ledger: Ledger, parts: RunWiring) -> int:
    """Number of orders that the source offers now. Writes only the binding and a refused login."""
    ledger.runs.bind(parts.settings.name, parts.source.account, parts.destination.account)
    ctx = RunContext(parts.settings.name, "baseline-dry")
    with guarded_login(ctx, ledger, parts.source_connection.fingerprint()):
        return sum(1 for _ in parts.source.fetch(_fetch_plan(ledger, parts).selection))


def _fetch_plan(ledger: Ledger, parts: RunWiring) -> FetchPlan:
    return plan_new_orders(parts.settings.name, parts.source, ledger, parts.settings.reading, datetime.now(UTC))


def _waiting(store: BatchStore, parts: RunWiring, info: BatchInfo, offers: pd.DataFrame) -> list[str]:
    """Source ids of the batch that the eligibility rules hold back."""
    columns = (offers[name].tolist() for name in ("source_id", "part", "row"))
    works = [WorkItem(0, 0, "", name, info.batch_id, part, row) for name, part, row in zip(*columns, strict=True)]
    evaluate = parts.transformer.eligibility.evaluate
    return [
        work.source_id
        for slice_ in read_documents(store, parts.settings.name, works)
        for work, document in slice_
        if evaluate(document).verdict in (WAIT, WITHDRAWN, CANCELLED_THERE)
    ]
