"""What the tasks of ``watch`` do. Imports the engine; the DAG file does not."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow_bindings import connections, stopping, telling
from order_relay.airflow_bindings.opening import opened_ledger
from order_relay.errors import WrongSetup
from order_relay.ledger import Ledger, Message
from order_relay.ledger.states import State
from order_relay.pipeline import summary, watching
from order_relay.pipeline.settings import PipelineSettings, load_file, pipeline_files
from order_relay.pipeline.stop_switch import StopSwitch

log = logging.getLogger(__name__)

SUMMARY_VARIABLE = "order_relay_summary_at"
SUMMARY_AT = "06:00"


def look() -> dict[str, Any]:
    """Judge every pipeline, note what people are to be told, and deliver what is due, also what failed before.

    Raises ``WrongSetup`` where the target of messages is wrong: nobody would hear anything, so this task is red.
    """
    switch = stopping.switch_or_all()
    with opened_ledger() as ledger:
        of_the_switch = watching.stop_value(switch)
        ledger.note_alerts("", of_the_switch, {watching.STOP_VALUE})
        of_parcels = watching.parcels(*ledger.waiting_shipments(watching.MOST_LINES))
        ledger.note_alerts("", of_parcels, {watching.PARCELS})
        causes = len(of_the_switch) + len(of_parcels)
        for name, file in pipeline_files().items():
            try:
                messages = _judge(ledger, load_file(file), switch)
            except WrongSetup as error:
                messages = [watching.wrong_file(name, str(error))]
            ledger.note_alerts(name, messages, watching.WATCHED)
            causes += len(messages)
        return {"causes": causes, **telling.deliver(ledger)}


def _judge(ledger: Ledger, settings: PipelineSettings, switch: StopSwitch) -> list[Message]:
    name = settings.name
    facts = watching.Facts(
        pipeline=name,
        now=datetime.now(UTC),
        pulse=ledger.pulse(name),
        late=ledger.late(name, watching.limits(settings)),
        tasks=ledger.write_back_tasks(name),
        quarantined=ledger.counts(name)["states"][State.QUARANTINED],
        stopped=switch.stops(name),
    )
    return watching.judge(facts, settings)


def summarize() -> dict[str, Any]:
    """Send the summary of the last day once, at the time that the Variable says; skipped at every other time.

    Raises ``WrongSetup`` where the Variable is no time, or the target of messages is wrong.
    """
    now = datetime.now(UTC)
    at = summary.latest(connections.variable(SUMMARY_VARIABLE) or SUMMARY_AT, now)
    if at is None or now - at > summary.TOO_LATE:
        raise AirflowSkipException("it is not the time for a summary")
    with opened_ledger() as ledger:
        if ledger.alert_noted_at("", summary.cause(at)):
            raise AirflowSkipException("this morning's summary is on its way or was sent")
        days = {name: ledger.day(name, at - summary.PERIOD) for name in pipeline_files() if ledger.pulse(name)}
        if not days:
            raise AirflowSkipException("no pipeline has run yet")
        ledger.note_alerts("", [summary.summary(at, days, ledger.open_alerts())])
        return {"pipelines": len(days), **telling.deliver(ledger)}
