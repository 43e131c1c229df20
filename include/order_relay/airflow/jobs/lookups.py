"""What the tasks of ``in_doubt_sweep`` do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow.notify.notifications import notify
from order_relay.airflow.session import account_names, open_ledger, open_wiring
from order_relay.errors import OrderRelayError
from order_relay.ledger import Ledger
from order_relay.ledger.schema.states import State
from order_relay.orders.messages import RunContext
from order_relay.pipeline.alerts.kinds import NOT_LOOKED_UP
from order_relay.pipeline.alerts.rules import stuck_orders
from order_relay.pipeline.alerts.run_rules import failed_lookups
from order_relay.pipeline.lookup.in_doubt import look_up as look_up_orders
from order_relay.pipeline.runs.objects import run_slug
from order_relay.pipeline.settings.pipeline import pipeline_files
from order_relay.wiring.pipeline import Wiring

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

ACTOR = "in_doubt_sweep"


def due(context: Context) -> list[str]:
    """The pipelines with orders to look up; skipped if there are none."""
    run = run_slug(context["dag_run"].run_id)
    with open_ledger() as ledger:
        found = [name for name in pipeline_files() if _has_due(ledger, RunContext(name, run, ACTOR))]
    if not found:
        raise AirflowSkipException("no look-up is due")
    return found


def _has_due(ledger: Ledger, ctx: RunContext) -> bool:
    """Orders that a dead worker left ``sending`` first become in doubt, once their lease has expired."""
    if ledger.runs.last_sequence(ctx.pipeline) == 0:
        return False
    try:
        with open_wiring(ctx.pipeline) as wiring:
            ledger.leases.expire(ctx, wiring.destination.timeout_s)
    except OrderRelayError as error:
        # A configuration error of one pipeline must not stop the others; its own task fails with the same error.
        log.warning("%s: %s", ctx.pipeline, error)
    return bool(ledger.lookups.due(ctx.pipeline))


def look_up(pipeline: str, context: Context) -> dict[str, Any]:
    """Look up due orders, and raise alerts for orders in doubt for too long. Counts by result."""
    ctx = RunContext(pipeline, run_slug(context["dag_run"].run_id), ACTOR)
    with open_wiring(pipeline) as wiring:
        ledger = wiring.ledger
        # Another account than the one the orders were sent to would not have them.
        ledger.runs.bind(pipeline, *account_names(wiring))
        ids = ledger.lookups.due(pipeline)
        try:
            counts = asyncio.run(_look_up(ctx, wiring, ids))
        except OrderRelayError as error:
            notify(ledger, pipeline, [failed_lookups(pipeline, len(ids), str(error), wiring.settings.alerts.repeat_s)])
            raise
        overdue = ledger.health.overdue(pipeline, {State.IN_DOUBT: wiring.settings.doubt.tell_after_s})
        notify(
            ledger,
            pipeline,
            [stuck_orders(entry, pipeline, wiring.settings) for entry in overdue],
            settles={NOT_LOOKED_UP},
        )
    log.info("%s: %d looked up, %s", pipeline, len(ids), counts)
    return {"pipeline": pipeline, "looked_up": len(ids), "overdue": sum(entry.number for entry in overdue), **counts}


async def _look_up(ctx: RunContext, wiring: Wiring, ids: Sequence[int]) -> dict[str, int]:
    """Uses one chunk's share of the destination's limits, since a load may be running."""
    if not ids:
        return {}
    async with wiring.destination.session(wiring.settings.chunks.parallel) as session:
        return await look_up_orders(
            ctx,
            wiring.ledger.lookups,
            session,
            wiring.destination,
            ids,
            payloads=wiring.store,
            max_attempts=wiring.settings.load.max_attempts,
        )
