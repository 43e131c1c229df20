"""Fields of a task's log lines for log systems. Airflow adds them to each JSON line, ours and those of libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from structlog.contextvars import bind_contextvars

if TYPE_CHECKING:
    from order_relay.ledger import Ledger
    from order_relay.orders.messages import RunContext
    from order_relay.pipeline.report.report import RenderedReport

log = structlog.get_logger(__name__)

MOST_ORDERS = 100
"""Stopped orders that one run logs; the order desk lists all."""


def bind_run(pipeline: str, run: str, mode: str, batch: str = "") -> None:
    """Add the fields of a run to all further lines of this process. ``batch``: its archived batch, once it has one."""
    bind_contextvars(order_relay_pipeline=pipeline, order_relay_run=run, order_relay_mode=mode, order_relay_batch=batch)


def stopped_orders(ctx: RunContext, ledger: Ledger, report: RenderedReport) -> None:
    """Log one line for each order that the run stopped, with its number, state and reason."""
    from order_relay.ledger.listing.order_filter import RECEIVED, OrderFilter, OrderSort
    from order_relay.ledger.schema.states import State

    stopping = frozenset({State.QUARANTINED, State.REJECTED, State.HELD, State.IN_DOUBT})
    if not any(report.this_run.states.get(state, 0) for state in stopping):
        return
    which = OrderFilter(frozenset({ctx.pipeline}), stopping, run=ctx.run)
    for order in ledger.order_list.page(which, OrderSort(RECEIVED), limit=MOST_ORDERS).rows:
        log.info("order stopped", order_number=order["order_number"], state=order["state"], reason=order["reason"])
