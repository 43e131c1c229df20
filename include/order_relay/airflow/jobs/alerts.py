"""What the tasks of ``watch`` do. Imports the engine; the DAG file does not."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow import connections
from order_relay.airflow.metadata import stop_variable
from order_relay.airflow.notify import notifications
from order_relay.airflow.session import open_ledger
from order_relay.errors import ConfigurationError
from order_relay.ledger import Alert, Ledger
from order_relay.ledger.schema.states import State
from order_relay.pipeline.alerts import digest, rules
from order_relay.pipeline.alerts.fulfilment_rules import unmatched_shipments
from order_relay.pipeline.alerts.kinds import MAX_LINES, PIPELINE_KINDS, STOP_VALUE, UNMATCHED_SHIPMENTS
from order_relay.pipeline.alerts.run_rules import invalid_settings
from order_relay.pipeline.runs.stop_switch import StopSwitch
from order_relay.pipeline.settings.pipeline import PipelineSettings, load_file, pipeline_files

log = logging.getLogger(__name__)

SUMMARY_VARIABLE = "order_relay_summary_at"
DEFAULT_SUMMARY_AT = "06:00"


def look() -> dict[str, Any]:
    """Judge every pipeline, note what people are to be told, and deliver what is due, also what failed before.

    Raises ``ConfigurationError`` where the target of messages is wrong: nobody would hear anything, so this task is
    red.
    """
    switch = stop_variable.read_or_stop_all()
    with open_ledger() as ledger:
        of_the_switch = rules.invalid_stop_value(switch)
        ledger.alerts.record("", of_the_switch, {STOP_VALUE})
        of_parcels = unmatched_shipments(*ledger.shipments.waiting(MAX_LINES))
        ledger.alerts.record("", of_parcels, {UNMATCHED_SHIPMENTS})
        causes = len(of_the_switch) + len(of_parcels)
        for name, file in pipeline_files().items():
            try:
                messages = _check_pipeline(ledger, load_file(file), switch)
            except ConfigurationError as error:
                messages = [invalid_settings(name, str(error))]
            ledger.alerts.record(name, messages, PIPELINE_KINDS)
            causes += len(messages)
        return {"causes": causes, **notifications.deliver_due(ledger)}


def _check_pipeline(ledger: Ledger, settings: PipelineSettings, switch: StopSwitch) -> list[Alert]:
    name = settings.name
    facts = rules.PipelineFacts(
        pipeline=name,
        now=datetime.now(UTC),
        pulse=ledger.health.heartbeat(name),
        late=ledger.health.overdue(name, rules.state_limits(settings)),
        tasks=ledger.feedback.operator_tasks(name),
        quarantined=ledger.accounting.counts(name)["states"][State.QUARANTINED],
        stopped=switch.stops(name),
    )
    return rules.check_pipeline(facts, settings)


def summarize() -> dict[str, Any]:
    """Send the summary of the last day once, at the time that the Variable says; skipped at every other time.

    Raises ``ConfigurationError`` where the Variable is no time, or the target of messages is wrong.
    """
    now = datetime.now(UTC)
    at = digest.latest_due(connections.variable(SUMMARY_VARIABLE) or DEFAULT_SUMMARY_AT, now)
    if at is None or now - at > digest.MAX_DELAY:
        raise AirflowSkipException("it is not the time for a summary")
    with open_ledger() as ledger:
        if ledger.alerts.first_recorded_at("", digest.digest_cause(at)):
            raise AirflowSkipException("this morning's summary is on its way or was sent")
        days = {
            name: ledger.health.activity_since(name, at - digest.DIGEST_PERIOD)
            for name in pipeline_files()
            if ledger.health.heartbeat(name)
        }
        if not days:
            raise AirflowSkipException("no pipeline has run yet")
        ledger.alerts.record("", [digest.build_digest(at, days, ledger.alerts.unresolved())])
        return {"pipelines": len(days), **notifications.deliver_due(ledger)}
