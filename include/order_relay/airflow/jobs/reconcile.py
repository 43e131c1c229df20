"""What the tasks of ``reconcile`` and the command of that name do."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay import COMMAND
from order_relay.airflow.notify.notifications import notify
from order_relay.airflow.session import account_names, open_ledger, open_wiring
from order_relay.errors import RunFailedError
from order_relay.ledger import Alert
from order_relay.ledger.operators.completed_checks import RECONCILE
from order_relay.ledger.reporting.accounting import NOT_BEGUN, CheckProgress
from order_relay.orders.markdown import escape_markdown
from order_relay.orders.messages import RunContext
from order_relay.pipeline.alerts.kinds import list_lines
from order_relay.pipeline.lookup import diff
from order_relay.pipeline.lookup.diff import Discrepancy, DiscrepancyKind, ReconciliationReport
from order_relay.pipeline.lookup.reconcile import reconcile
from order_relay.pipeline.lookup.unseen_orders import SourceComparison, compare_source
from order_relay.pipeline.report.report import check_archive, closed_batches
from order_relay.pipeline.runs.objects import run_prefix, run_slug
from order_relay.pipeline.settings.pipeline import pipeline_files
from order_relay.wiring.pipeline import Wiring

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

ALERT_KIND = "reconcile"


def active_pipelines() -> list[str]:
    """The pipelines that have run before; skipped if there are none."""
    with open_ledger() as ledger:
        found = [name for name in pipeline_files() if ledger.runs.last_sequence(name)]
    if not found:
        raise AirflowSkipException("no pipeline has run before")
    return found


def compare(pipeline: str, context: Context) -> dict[str, Any]:
    """Check one pipeline's ledger, compare it with its destination, write the report, raise alerts. Flat counts.

    Raises ``RunFailedError`` if the accounting check of the whole pipeline failed.
    """
    run = run_slug(context["dag_run"].run_id)
    with open_wiring(pipeline) as wiring:
        # first, since it needs no OMS: a comparison that fails must not hide it
        breaches = check_accounting(wiring, datetime.now(UTC), run)
        notify(wiring.ledger, pipeline, list(_accounting_alerts(pipeline, breaches)))
        result, name = write_comparison(wiring, run, breaches)
        notify(wiring.ledger, pipeline, alerts_for(result, alert_unknown=wiring.settings.reconcile.alert_unknown))
    log.info("%s", diff.as_markdown(result))
    if breaches:
        raise RunFailedError("; ".join(f"accounting check FAILED: {breach}" for breach in breaches))
    return {"pipeline": pipeline, "report": name, **result.counts}


def check_accounting(wiring: Wiring, now: datetime, run: str) -> list[str]:
    """The accounting check of the whole pipeline. A run checks only what it changed.

    Compares the archives of the days that are compared with the destination, which include those of runs that ended
    before their own check. The progress is kept in the batch store, so that a retry of an interrupted check resumes.
    """
    since = now - timedelta(days=wiring.settings.reconcile.days)
    batches = closed_batches(wiring.ledger, wiring.name, since=since)
    name = f"{run_prefix(RunContext(wiring.name, run))}/accounting.json"

    def save(progress: CheckProgress) -> None:
        wiring.store.write_json(name, asdict(progress))

    begun = CheckProgress(**wiring.store.read_json(name)) if wiring.store.exists(name) else NOT_BEGUN
    breaches = wiring.ledger.accounting.invariant_violations(wiring.name, progress=begun, save=save)
    save(NOT_BEGUN)  # a task that is cleared after a fix checks everything again
    return [*breaches, *check_archive(wiring.ledger, wiring.store, wiring.name, batches)]


def write_comparison(
    wiring: Wiring, run: str, breaches: Sequence[str] | None = None
) -> tuple[ReconciliationReport, str]:
    """Compare, write the report to the batch store, and record the counts. Returns the result and the report's name.

    ``breaches``: what the accounting check found, if it was made.
    """
    # Another account than the one the orders were sent to would not have them.
    wiring.ledger.runs.bind(wiring.name, *account_names(wiring))
    source = _compare_source(wiring)
    result = asyncio.run(_reconcile(wiring))
    result.source = source
    name = f"{run_prefix(RunContext(wiring.name, run))}/reconcile.md"
    wiring.store.write_text(name, diff.as_markdown(result))
    found = {"report": name, **({} if breaches is None else {"breaches": len(breaches)}), **result.counts}
    wiring.ledger.completed_checks.record(RECONCILE, found, wiring.name)
    return result, name


def _compare_source(wiring: Wiring) -> SourceComparison | None:
    """The comparison with the source, if it is switched on. Raises ``ConfigurationError`` if it is not possible."""
    days = wiring.settings.reconcile.source_days
    if not days:
        return None
    with wiring.past_source() as source:
        return compare_source(source, wiring.ledger, wiring.name, days=days, now=datetime.now(UTC))


async def _reconcile(wiring: Wiring) -> ReconciliationReport:
    """Uses one chunk's share of the destination's limits, since a load may be running."""
    days = wiring.settings.reconcile.days
    async with wiring.destination.session(wiring.settings.chunks.parallel) as session:
        return await reconcile(
            wiring.name, wiring.ledger, session, wiring.destination, days=days, now=datetime.now(UTC)
        )


def alerts_for(result: ReconciliationReport, *, alert_unknown: bool) -> list[Alert]:
    """Alerts: one for the differences, one for orders that could not be compared reliably, one for the source."""
    alerted = [found for found in result.differences if alert_unknown or found.kind is not DiscrepancyKind.UNKNOWN]
    alerts = [_difference_alert(result.pipeline, alerted)] if alerted else []
    if result.unsure or result.unread:
        alerts.append(_not_compared_alert(result))
    if result.source and result.source.alarming:
        alerts.append(_unseen_alert(result.pipeline, result.source))
    return alerts


def _difference_alert(pipeline: str, found: list[Discrepancy]) -> Alert:
    same = hashlib.sha256("\n".join(sorted(f"{one.kind} {one.key} {one.there}" for one in found)).encode())
    lines = [f"{escape_markdown(one.key)}: {diff.describe(one)}" for one in found]
    return Alert(
        ALERT_KIND,
        f"{ALERT_KIND}:{pipeline}:{same.hexdigest()[:16]}",
        f"{pipeline}: {len(found)} orders differ between ledger and OMS; see the report in the task's log, or run: "
        f"{COMMAND} reconcile --pipeline {pipeline}",
        list_lines(lines, len(lines)),
        size=len(found),
    )


def _unseen_alert(pipeline: str, found: SourceComparison) -> Alert:
    if found.problem:
        cause, size = "unread", 0
    else:
        cause, size = hashlib.sha256("\n".join(sorted(found.numbers)).encode()).hexdigest()[:16], found.unseen
    return Alert(
        ALERT_KIND,
        f"{ALERT_KIND}:{pipeline}:source:{cause}",
        f"{pipeline}: {found.verdict} Nothing was imported; see the report: {COMMAND} reconcile --pipeline {pipeline}",
        list_lines([escape_markdown(number) for number in found.numbers], found.unseen),
        size=size,
    )


def _accounting_alerts(pipeline: str, breaches: list[str]) -> Iterator[Alert]:
    if breaches:
        yield Alert(
            ALERT_KIND,
            f"{ALERT_KIND}:{pipeline}:accounting",
            f"{pipeline}: the accounting check of the whole pipeline FAILED. Details: {COMMAND} report",
            list_lines(breaches, len(breaches)),
            size=len(breaches),
        )


def _not_compared_alert(result: ReconciliationReport) -> Alert:
    reasons = sorted({*result.unsure, *(which.rpartition(": ")[2] for which in result.unread)})
    return Alert(
        ALERT_KIND,
        f"{ALERT_KIND}:{result.pipeline}:not_compared:{','.join(reasons)}",
        f"{result.pipeline}: {result.unsure.total()} orders and {len(result.unread)} days could not be compared with "
        f"the OMS, so missing orders would not be noticed. Check: {COMMAND} doctor",
        list_lines(reasons, len(reasons)),
    )
