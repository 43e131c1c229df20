"""What the tasks of ``VENDOR_status`` do for a destination that is asked about its orders."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow.session import account_names, open_ledger, open_wiring
from order_relay.errors import ConfigurationError
from order_relay.ledger.oms.oms_statuses import OMS
from order_relay.orders.messages import RunContext
from order_relay.pipeline.archive import OrderArchive
from order_relay.pipeline.fulfilment.oms_status import OmsStatusContext, ask_about_orders
from order_relay.pipeline.runs.objects import run_slug
from order_relay.pipeline.settings.pipeline import load_pipeline, pipeline_files
from order_relay.wiring.pipeline import Wiring

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


def pipelines_to_ask(suffix: str) -> list[str]:
    """The pipelines whose names end with ``suffix``, that have run before and have ``oms_status: enabled: true``.

    Skipped if there are none.
    """
    with open_ledger() as ledger:
        ran = [name for name in pipeline_files() if name.endswith(suffix) and ledger.runs.last_sequence(name)]
    found = [name for name in ran if _is_enabled(name)]
    if not found:
        raise AirflowSkipException("no pipeline that has run before has oms_status: {enabled: true}")
    return found


def _is_enabled(pipeline: str) -> bool:
    """Whether the pipeline's file enables it; yes if the file is invalid, so that its own task fails and names the
    key."""
    try:
        return load_pipeline(pipeline).oms_status.enabled
    except ConfigurationError:
        return True


def ask(pipeline: str, context: Context) -> dict[str, Any]:
    """Ask the destination of one pipeline about its imported orders. Counts by result."""
    ctx = RunContext(pipeline, run_slug(context["dag_run"].run_id), OMS)
    with open_wiring(pipeline) as wiring:
        settings = wiring.settings.oms_status
        # Another account than the one the orders were sent to would have other orders under these ids.
        wiring.ledger.runs.bind(pipeline, *account_names(wiring))
        enrolled = wiring.ledger.oms_questions.enrol(pipeline, first_days=settings.first_days)
        counts = asyncio.run(_ask(ctx, wiring))
        waiting = wiring.ledger.oms_status_counts.open_counts(pipeline)
    found = [f"{name.replace('_', ' ')} {number}" for name, number in sorted(counts.items())]
    log.info("%s: %s; %d orders open", pipeline, ", ".join(found) or "nothing was due", sum(waiting.values()))
    return {"pipeline": pipeline, "new": enrolled, **counts, "open": sum(waiting.values())}


async def _ask(ctx: RunContext, wiring: Wiring) -> dict[str, int]:
    """Uses one chunk's share of the destination's limits, since a load may be running."""
    settings = wiring.settings.oms_status
    parts = OmsStatusContext(
        wiring.ledger,
        OrderArchive(wiring.store, lambda _name: wiring.transformer.reader),
        settings.pace,
        settings.most_orders,
        settings.parallel,
        settings.shipments,
    )
    async with wiring.destination.session(wiring.settings.chunks.parallel) as session:
        return await ask_about_orders(ctx, parts, session)
