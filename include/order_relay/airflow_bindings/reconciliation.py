"""What the tasks of ``reconcile`` do, for the command line as well. Imports the engine; the DAG file does not."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow_bindings.opening import accounts, opened_ledger, opened_wiring
from order_relay.airflow_bindings.runs import run_slug
from order_relay.airflow_bindings.telling import tell
from order_relay.ledger import Message
from order_relay.orders.comparison import escape
from order_relay.pipeline import differences
from order_relay.pipeline.differences import Comparison, Difference, Kind
from order_relay.pipeline.reconciling import reconcile
from order_relay.pipeline.settings import pipeline_files
from order_relay.pipeline.watching import named
from order_relay.wiring import Wiring

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

KIND = "reconcile"


def active() -> list[str]:
    """The pipelines that ever ran. Skipped where none did, and all after it."""
    with opened_ledger() as ledger:
        found = [name for name in pipeline_files() if ledger.last_sequence(name)]
    if not found:
        raise AirflowSkipException("no pipeline ever ran")
    return found


def compare(pipeline: str, context: Context) -> dict[str, Any]:
    """Compare one pipeline's ledger with its destination, leave the report, tell a person. Flat counts."""
    run = run_slug(context["dag_run"].run_id)
    with opened_wiring(pipeline) as wiring:
        told, name = compared(wiring, run)
        found = messages(told, alert_unknown=wiring.settings.reconcile.alert_unknown)
        tell(wiring.ledger, pipeline, found)
    log.info("%s", differences.as_markdown(told))
    return {"pipeline": pipeline, "report": name, **told.counts}


def compared(wiring: Wiring, run: str) -> tuple[Comparison, str]:
    """The comparison, and the name of its report in the batch store."""
    # Asking another account than the one that the orders were sent to would find them missing.
    wiring.ledger.bind(wiring.name, *accounts(wiring))
    told = asyncio.run(_ask(wiring))
    name = f"{wiring.name}/runs/{run}/reconcile.md"
    wiring.store.write_text(name, differences.as_markdown(told))
    return told, name


async def _ask(wiring: Wiring) -> Comparison:
    """With one chunk's share of the destination's limits: a load may be running."""
    days = wiring.settings.reconcile.days
    async with wiring.destination.session(wiring.settings.chunks.parallel) as session:
        return await reconcile(
            wiring.name, wiring.ledger, session, wiring.destination, days=days, now=datetime.now(UTC)
        )


def messages(told: Comparison, *, alert_unknown: bool) -> list[Message]:
    """What a person is told: the differences, and apart from them that a search can not be trusted."""
    alerted = [found for found in told.differences if alert_unknown or found.kind is not Kind.UNKNOWN]
    made = [_differ(told.pipeline, alerted)] if alerted else []
    if told.unsure or told.unread:
        made.append(_not_compared(told))
    return made


def _differ(pipeline: str, found: list[Difference]) -> Message:
    same = hashlib.sha256("\n".join(sorted(f"{one.kind} {one.key} {one.there}" for one in found)).encode())
    lines = [f"{escape(one.key)}: {differences.describe(one)}" for one in found]
    return Message(
        KIND,
        f"{KIND}:{pipeline}:{same.hexdigest()[:16]}",
        f"{pipeline}: {len(found)} orders differ between ledger and OMS; see the report of the task, or: "
        f"python -m order_relay reconcile --pipeline {pipeline}",
        named(lines, len(lines)),
        size=len(found),
    )


def _not_compared(told: Comparison) -> Message:
    reasons = sorted({*told.unsure, *(which.rpartition(": ")[2] for which in told.unread)})
    return Message(
        KIND,
        f"{KIND}:{told.pipeline}:not_compared:{','.join(reasons)}",
        f"{told.pipeline}: {told.unsure.total()} orders and {len(told.unread)} days could not be compared with "
        "the OMS; whether an order is missing there is not known",
        named(reasons, len(reasons)),
    )
