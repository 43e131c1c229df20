"""What the tasks of ``watch`` do."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow import connections
from order_relay.airflow.metadata import stop_variable
from order_relay.airflow.notify import notifications
from order_relay.airflow.session import open_ledger
from order_relay.airflow.telemetry import recording
from order_relay.errors import ConfigurationError
from order_relay.ledger import Alert, Ledger
from order_relay.ledger.reporting.health import ACKNOWLEDGEMENT
from order_relay.ledger.reporting.trends import time_within
from order_relay.ledger.schema.records import OverdueOrders
from order_relay.ledger.schema.states import OPEN, State
from order_relay.ledger.write_back.cancellations import TAKE_OVER
from order_relay.orders.fulfilment.oms_order import OmsReading
from order_relay.pipeline.alerts import digest, rules
from order_relay.pipeline.alerts.fulfilment_rules import unmatched_shipments
from order_relay.pipeline.alerts.kinds import MAX_LINES, PIPELINE_KINDS, RUN_KINDS, STOP_VALUE, UNMATCHED_SHIPMENTS
from order_relay.pipeline.alerts.run_rules import invalid_settings
from order_relay.pipeline.fulfilment.write_back import WRITE_BACK_STEPS
from order_relay.pipeline.report.state_advice import WRITE_BACK_STATES
from order_relay.pipeline.runs.stop_switch import StopSwitch
from order_relay.pipeline.settings.pipeline import PipelineSettings, load_file, pipeline_files
from order_relay.wiring.transformation import checked

log = logging.getLogger(__name__)

SUMMARY_VARIABLE = "order_relay_summary_at"
DEFAULT_SUMMARY_AT = "06:00"


def look() -> dict[str, Any]:
    """Check every pipeline, record alerts, and deliver those that are due, including earlier failed deliveries.

    Raises ``ConfigurationError`` if the target of alerts is configured incorrectly: the failed task is then the only
    warning.
    """
    switch = stop_variable.read_or_stop_all()
    with open_ledger() as ledger:
        switch_alerts = rules.invalid_stop_value(switch)
        ledger.alerts.record("", switch_alerts, {STOP_VALUE})
        shipment_alerts = unmatched_shipments(*ledger.shipments.waiting(MAX_LINES))
        ledger.alerts.record("", shipment_alerts, {UNMATCHED_SHIPMENTS})
        causes = len(switch_alerts) + len(shipment_alerts)
        lasting = Counter((one["pipeline"], one["kind"]) for one in ledger.alerts.unresolved())
        for name, file in pipeline_files().items():
            try:
                alerts = _check_pipeline(ledger, checked(load_file(file)), switch, lasting)
            except ConfigurationError as error:
                alerts = [invalid_settings(name, str(error))]
            ledger.alerts.record(name, alerts, PIPELINE_KINDS)
            causes += len(alerts)
        return {"causes": causes, **notifications.deliver_due(ledger)}


def _check_pipeline(
    ledger: Ledger, settings: PipelineSettings, switch: StopSwitch, lasting: Mapping[tuple[str, str], int]
) -> list[Alert]:
    """The alerts of a pipeline. ``lasting``: open alerts by pipeline and kind, for the metrics."""
    name, states = settings.name, ledger.accounting.counts(settings.name)["states"]
    facts = rules.PipelineFacts(
        pipeline=name,
        now=datetime.now(UTC),
        pulse=ledger.health.heartbeat(name),
        late=ledger.health.overdue(name, rules.state_limits(settings)),
        tasks=ledger.write_back_tasks.pending(name),
        oms=_oms_statuses(ledger, settings),
        quarantined=states[State.QUARANTINED],
        stopped=switch.stops(name),
    )
    _record_gauges(ledger, facts, states, lasting)
    if settings.oms_status.enabled:
        _record_oms_gauges(ledger, facts)
    return rules.check_pipeline(facts, settings)


def _oms_statuses(ledger: Ledger, settings: PipelineSettings) -> list[OverdueOrders]:
    """Orders that the OMS rejected, or whose status is unknown or without a readable answer for too long."""
    after_s = settings.oms_status.alert_after_s
    if not settings.oms_status.enabled or after_s is None:
        return []
    return ledger.oms_status_counts.needing_operator(settings.name, timedelta(seconds=after_s))


def _record_gauges(
    ledger: Ledger, facts: rules.PipelineFacts, states: Mapping[str, int], lasting: Mapping[tuple[str, str], int]
) -> None:
    """The metrics of a pipeline's state. An age, or a number of alerts, that ended is recorded as 0."""
    open_states = dict.fromkeys((*OPEN, ACKNOWLEDGEMENT), 0.0)
    oldest = {entry.state: entry for entry in ledger.health.overdue(facts.pipeline, open_states)}
    ages = {state: (facts.now - entry.oldest).total_seconds() for state, entry in oldest.items()}
    waiting = oldest.get(ACKNOWLEDGEMENT)
    kinds = {kind: number for (of, kind), number in lasting.items() if of == facts.pipeline}
    read_at = facts.pulse.read_at if facts.pulse else None
    today = ledger.trends.daily([facts.pipeline], facts.now)[-1].import_times
    within = {str(share): time_within(today, share) for share in (0.5, 0.95)}
    recording.pipeline_watched(
        facts.pipeline,
        {**states, ACKNOWLEDGEMENT: waiting.number if waiting else 0},
        {**open_states, **ages},
        (facts.now - read_at).total_seconds() if read_at else None,
        {**dict.fromkeys(sorted(PIPELINE_KINDS | RUN_KINDS), 0), **kinds},
        import_times={share: seconds for share, seconds in within.items() if seconds is not None},
        stopped=facts.stopped or bool(facts.pulse and facts.pulse.resting),
    )
    none = dict.fromkeys(product((TAKE_OVER, *WRITE_BACK_STEPS), WRITE_BACK_STATES), (0, 0.0))
    open_steps = {
        (one.step, one.state): (one.number, (facts.now - one.oldest).total_seconds())
        for one in ledger.write_back_tasks.unfinished([facts.pipeline])
    }
    recording.write_back_watched(facts.pipeline, {**none, **open_steps})


def _record_oms_gauges(ledger: Ledger, facts: rules.PipelineFacts) -> None:
    """The metrics of orders that the OMS is asked about. A number that ended is recorded as 0."""
    counts = ledger.oms_status_counts
    due_at = counts.oldest_due(facts.pipeline)
    orders = {**dict.fromkeys(("", *OmsReading), 0), **counts.open_counts(facts.pipeline)}
    recording.oms_statuses_watched(facts.pipeline, orders, (facts.now - due_at).total_seconds() if due_at else 0.0)


def summarize() -> dict[str, Any]:
    """Send the daily summary once, at the time in the Variable ``order_relay_summary_at``; skipped at other times.

    Raises ``ConfigurationError`` if the Variable is not a time or the target of alerts is configured incorrectly.
    """
    now = datetime.now(UTC)
    at = digest.latest_due(connections.variable(SUMMARY_VARIABLE) or DEFAULT_SUMMARY_AT, now)
    if at is None or now - at > digest.MAX_DELAY:
        raise AirflowSkipException("the summary is not due")
    with open_ledger() as ledger:
        if ledger.alerts.first_recorded_at("", digest.digest_cause(at)):
            raise AirflowSkipException("the summary was already recorded or sent")
        days = {
            name: ledger.health.activity_since(name, at - digest.DIGEST_PERIOD)
            for name in pipeline_files()
            if ledger.health.heartbeat(name)
        }
        if not days:
            raise AirflowSkipException("no pipeline has run before")
        ledger.alerts.record("", [digest.build_digest(at, days, ledger.alerts.unresolved())])
        return {"pipelines": len(days), **notifications.deliver_due(ledger)}
