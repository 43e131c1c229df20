"""Records metrics and span attributes in a task. Light: does not import the engine.

Airflow's client does not raise and drops what it cannot deliver, so a metric never fails a task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.observability import stats
from opentelemetry import trace

from order_relay.airflow.telemetry import catalogue
from order_relay.airflow.telemetry.catalogue import Metric
from order_relay.measurements import Measurements

if TYPE_CHECKING:
    from order_relay.airflow.context.run_request import RunRequest
    from order_relay.ledger import Ledger
    from order_relay.pipeline.report.report import RenderedReport

_NOT_COUNTS = {"bytes", "parts", "work", "shadow", "records"}
"""Whole numbers in a stage's XCom that are not counts of orders."""


def mode_of(request: RunRequest, *, shadow: bool = False) -> str:
    """The tag ``mode`` of a run: ``live``, ``shadow`` or ``dry_run``."""
    return "dry_run" if request.dry_run else "shadow" if shadow else "live"


def stage_done(stage: str, pipeline: str, mode: str, xcom: dict[str, Any], ledger: Ledger | None = None) -> None:
    """Record what a stage did. ``xcom``: its result with counts, ``started`` and ``ended`` (seconds since 1970)."""
    tags = {"pipeline": pipeline, "mode": mode, "stage": stage}
    counts = {name: value for name, value in xcom.items() if isinstance(value, int) and name not in _NOT_COUNTS}
    for outcome, number in counts.items():
        if number:
            _incr(catalogue.STAGE_ORDERS, number, {**tags, "outcome": outcome})
    _timing(catalogue.STAGE_DURATION, (xcom["ended"] - xcom["started"]) * 1_000, tags)
    for seconds in ledger.database.write_times if ledger is not None else ():
        _timing(catalogue.LEDGER_WRITE, seconds * 1_000, {"pipeline": pipeline, "stage": stage})
    trace.get_current_span().set_attributes(
        {
            "order_relay.pipeline": pipeline,
            "order_relay.mode": mode,
            "order_relay.stage": stage,
            **({"order_relay.batch": str(xcom["name"])} if xcom.get("name") else {}),
            **{f"order_relay.{name}": number for name, number in counts.items()},
        }
    )


def run_done(pipeline: str, mode: str, report: RenderedReport, failed: Sequence[str]) -> None:
    """Record the result of a run, and the orders that it left in each state."""
    tags = {"pipeline": pipeline, "mode": mode}
    _incr(catalogue.RUNS, 1, {**tags, "result": "unbalanced" if report.breaches else "failed" if failed else "ok"})
    _incr(catalogue.RUN_RECEIVED, report.this_run.received, tags)
    reasons = report.this_run.reasons
    for state, number in report.this_run.states.items():
        with_reason = {reason: n for (of, reason), n in reasons.items() if of == state and reason}
        for reason, n in {**with_reason, "": number - sum(with_reason.values())}.items():
            if n:
                _incr(catalogue.RUN_ORDERS, n, {**tags, "state": state, "reason": reason or "none"})


def pipeline_watched(
    pipeline: str,
    orders: Mapping[str, int],
    ages: Mapping[str, float],
    read_age_s: float | None,
    alerts: Mapping[str, int],
    *,
    import_times: Mapping[str, float],
    stopped: bool,
) -> None:
    """Record the state of a pipeline: orders and ages in seconds by state, open alerts by kind, times from submission
    to import in seconds by quantile."""
    tags = {"pipeline": pipeline}
    for state, number in orders.items():
        _gauge(catalogue.ORDERS, number, {**tags, "state": state})
    for state, age in ages.items():
        _gauge(catalogue.OLDEST, age, {**tags, "state": state})
    if read_age_s is not None:
        _gauge(catalogue.SOURCE_AGE, read_age_s, tags)
    for kind, number in alerts.items():
        _gauge(catalogue.ALERTS, number, {**tags, "kind": kind})
    for quantile, seconds in import_times.items():
        _gauge(catalogue.IMPORT_TIME, seconds, {**tags, "quantile": quantile})
    _gauge(catalogue.STOPPED, int(stopped), tags)


def write_back_watched(pipeline: str, steps: Mapping[tuple[str, str], tuple[int, float]]) -> None:
    """Record the write-back steps of a pipeline that are not done: their number and the greatest age in seconds, by
    step and state."""
    for (step, state), (number, age) in steps.items():
        tags = {"pipeline": pipeline, "step": step, "state": state}
        _gauge(catalogue.WRITE_BACK, number, tags)
        _gauge(catalogue.WRITE_BACK_OLDEST, age, tags)


def oms_statuses_watched(pipeline: str, orders: Mapping[str, int], due_s: float) -> None:
    """Record the orders that are still asked about at the OMS, by reading, and since when (seconds) the oldest question
    is due."""
    for reading, number in orders.items():
        _gauge(catalogue.OMS_STATUS, number, {"pipeline": pipeline, "reading": reading or "none"})
    _gauge(catalogue.OMS_STATUS_DUE, due_s, {"pipeline": pipeline})


def engine_measured(pipeline: str, found: Measurements) -> None:
    """Record what the engine measured while a task worked on a pipeline."""
    if found.leases_expired:
        _incr(catalogue.LEASES_EXPIRED, found.leases_expired, {"pipeline": pipeline})
    for outcome, number in found.attempts.items():
        _incr(catalogue.ATTEMPTS, number, {"pipeline": pipeline, "outcome": outcome})
    for finding, number in found.lookups.items():
        _incr(catalogue.LOOKUPS, number, {"pipeline": pipeline, "finding": finding})
    for vendor, throttling in found.throttling.items():
        tags = {"pipeline": pipeline, "vendor": vendor}
        for with_time, number in throttling.answers.items():
            _incr(catalogue.THROTTLE_ANSWERS, number, {**tags, "retry_after": "yes" if with_time else "no"})
        for seconds in throttling.pauses_s:
            _timing(catalogue.THROTTLE_PAUSE, seconds * 1_000, tags)


def alert_delivered(pipeline: str, kind: str) -> None:
    """Record an alert that was delivered."""
    _incr(catalogue.ALERTS_DELIVERED, 1, {"pipeline": pipeline, "kind": kind})


def _incr(metric: Metric, number: int, tags: Mapping[str, str]) -> None:
    stats.incr(metric.name, number, tags=dict(tags))


def _gauge(metric: Metric, value: float, tags: Mapping[str, str]) -> None:
    stats.gauge(metric.name, value, tags=dict(tags))


def _timing(metric: Metric, milliseconds: float, tags: Mapping[str, str]) -> None:
    stats.timing(metric.name, milliseconds, tags=dict(tags))
