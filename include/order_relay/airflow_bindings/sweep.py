"""What the tasks of ``in_doubt_sweep`` do. Imports the engine; the DAG file does not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow_bindings.opening import accounts, opened_ledger, opened_wiring
from order_relay.airflow_bindings.runs import run_slug
from order_relay.airflow_bindings.telling import Message, tell, told_lines
from order_relay.errors import OrderRelayError
from order_relay.ledger import Ledger
from order_relay.orders.exchange import RunContext
from order_relay.pipeline.lookup import look_up as look_up_orders
from order_relay.pipeline.settings import pipeline_files
from order_relay.wiring import Wiring

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

WHO = "in_doubt_sweep"


def due(context: Context) -> list[str]:
    """The pipelines with an order to look up now. Skipped where there is none, and all after it."""
    run = run_slug(context["dag_run"].run_id)
    with opened_ledger() as ledger:
        found = [name for name in pipeline_files() if _has_due(ledger, RunContext(name, run, WHO))]
    if not found:
        raise AirflowSkipException("no order is due to be looked up")
    return found


def _has_due(ledger: Ledger, ctx: RunContext) -> bool:
    """Also what a dead worker left ``sending``, once nobody can send it any more, becomes in doubt here."""
    if ledger.last_sequence(ctx.pipeline) == 0:
        return False
    try:
        with opened_wiring(ctx.pipeline) as wiring:
            ledger.expire_leases(ctx, wiring.destination.timeout_s)
    except OrderRelayError as error:
        # One pipeline's set-up must not keep the others waiting; its own task says it again, and turns red.
        log.warning("%s: %s", ctx.pipeline, error)
    return bool(ledger.due_lookups(ctx.pipeline))


def look_up(pipeline: str, context: Context) -> dict[str, Any]:
    """Look up what is due; tell a person about what is in doubt for too long. Counts by finding."""
    ctx = RunContext(pipeline, run_slug(context["dag_run"].run_id), WHO)
    with opened_wiring(pipeline) as wiring:
        ledger = wiring.ledger
        # Asking another account than the one that the orders were sent to would find them absent.
        ledger.bind(pipeline, *accounts(wiring))
        ids = ledger.due_lookups(pipeline)
        counts = asyncio.run(_ask(ctx, wiring, ids))
        overdue = _overdue(ledger, pipeline, ids, wiring.settings.doubt.tell_after_s)
    if overdue:
        tell(_message(pipeline, overdue))
    log.info("%s: %d looked up, %s", pipeline, len(ids), counts)
    return {"pipeline": pipeline, "looked_up": len(ids), "overdue": len(overdue), **counts}


async def _ask(ctx: RunContext, wiring: Wiring, ids: Sequence[int]) -> dict[str, int]:
    """With one chunk's share of the destination's limits: a load may be running."""
    if not ids:
        return {}
    async with wiring.destination.session(wiring.settings.chunks.parallel) as session:
        return await look_up_orders(ctx, wiring.ledger, session, wiring.destination, ids)


def _overdue(ledger: Ledger, pipeline: str, ids: Sequence[int], after_s: float) -> list[dict[str, Any]]:
    """Those that were looked up just now, are in doubt still, and were sent longer ago than the setting says.

    The distance between look-ups grows to hours, and so does the distance between two messages about one order.
    """
    until = datetime.now(UTC) - timedelta(seconds=after_s)
    asked = set(ids)
    return [
        row
        for row in ledger.doubt()
        if row["pipeline"] == pipeline and row["id"] in asked and row["sent_at"] <= until
    ]


def _message(pipeline: str, rows: Sequence[dict[str, Any]]) -> Message:
    lines = [(str(row["order_number"]), f"sent {row['sent_at']:%Y-%m-%d %H:%M} UTC, {row['lookups']} look-ups")
             for row in rows]
    return Message(
        kind="in_doubt",
        cause=f"in_doubt:{pipeline}:" + ",".join(sorted(f"{row['id']}/{row['attempt']}" for row in rows)),
        subject=f"{pipeline}: {len(rows)} orders are in doubt for too long; look for them in the OMS, then answer "
        "their review, or: python -m order_relay settle NUMBER --stored OMS_ID | --absent --reason ...",
        lines=told_lines(lines),
        pipeline=pipeline,
    )
