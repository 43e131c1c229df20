"""Builds the DAGs: arguments all of them share, and the factories that make one DAG per settings file.

Imported at parse time, hence light: the engine is imported inside the tasks.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, CronDataIntervalTimetable, CronTriggerTimetable

from order_relay.airflow.assets import statuses_asset
from order_relay.airflow.retry import RecoveryPolicy
from order_relay.airflow.tasks import oms_status, orders, statuses
from order_relay.errors import OrderRelayError
from order_relay.pipeline.settings.pipeline import PipelineSettings, load_file, pipeline_files, status_files
from order_relay.pipeline.settings.status_account import StatusSettings, load_status

log = logging.getLogger(__name__)

RETRIES = 4
"""With the default first delay of 30 s, a task fails for good after eight minutes; the next run continues its work."""

ACTIVE_FROM_START = ("watch", "order_review", "in_doubt_sweep", "reconcile", "retention")
"""DAGs that neither send orders nor write to a source. They are created unpaused, so that alerts and reviews do not
depend on an operator remembering to unpause them. All other DAGs start paused, Airflow's default."""

_DAG_ID = re.compile(r"[A-Za-z0-9_.-]{1,250}")


def order_dags(kind: str, doc: str, tags: tuple[str, ...]) -> dict[str, DAG]:
    """One DAG per pipeline file of a kind (``SOURCE_to_DESTINATION``), by pipeline name. ``doc`` is its UI page."""
    return {pipeline.name: _order_dag(pipeline, doc, tags) for pipeline in dag_settings(kind)}


def status_dags(vendor: str, doc: str) -> dict[str, DAG]:
    """One DAG per file ``VENDOR_status*.yaml``, by account name. ``doc`` is its UI page.

    An account with an invalid file gets the default schedule; the first task of each run then fails and names the key.
    """
    prefix = f"{vendor}_status"
    names = [name for name in status_files() if name == prefix or name.startswith(f"{prefix}__")]
    return {name: _status_dag(name, vendor, doc) for name in names}


def oms_status_dags(vendor: str, doc: str) -> dict[str, DAG]:
    """One DAG ``VENDOR_status`` for the pipelines ``*_to_VENDOR``, and one for each further ending ``__NAME``."""
    ends = {end for name in pipeline_files() for _, found, end in [name.partition(f"_to_{vendor}")] if found}
    names = {f"{vendor}_status{end}": f"_to_{vendor}{end}" for end in sorted(ends) if not end or end.startswith("__")}
    return {dag_id: _oms_status_dag(dag_id, pipelines, vendor, doc) for dag_id, pipelines in names.items()}


@dataclass(frozen=True)
class DagSettings:
    """The settings of a pipeline that shape its DAG. ``schedule``: cron in UTC; ``parallel``: concurrent load tasks."""

    name: str
    schedule: str | None = PipelineSettings.model_fields["schedule"].default
    parallel: int = 4


def dag_settings(kind: str) -> list[DagSettings]:
    """The pipelines named ``kind`` or ``kind__NAME``, by name.

    A pipeline with an invalid file gets default values: the first task of each run then fails and names file and key.
    Leaving its DAG out would go unnoticed, and raising would break the DAGs of the other files.
    """
    names = [name for name in pipeline_files() if name == kind or name.startswith(f"{kind}__")]
    return [_dag_settings(name) for name in names if _DAG_ID.fullmatch(name)]


def dag_arguments(dag_id: str, doc: str, tags: tuple[str, ...] = ()) -> dict[str, Any]:
    """Arguments that all DAGs share. With ``utc_schedule`` a DAG has no data interval, so it cannot be backfilled."""
    active = {"is_paused_upon_creation": False} if dag_id in ACTIVE_FROM_START else {}
    return {
        "dag_id": dag_id,
        "doc_md": doc,
        "start_date": datetime(2026, 1, 1, tzinfo=UTC),
        "catchup": False,
        # Keeps the UI tidy. Concurrent runs are safe because of the ledger: backfill runs do not count here.
        "max_active_runs": 1,
        "tags": ["order relay", *tags],
        "default_args": task_defaults(),
        **active,
    }


def task_defaults() -> dict[str, Any]:
    """Arguments that the tasks of all DAGs share."""
    return {
        "owner": "order relay",
        "retries": RETRIES,
        # For failures that no policy sees, such as a killed process; everything else asks the policy.
        "retry_delay": timedelta(seconds=30),
        "retry_policy": RecoveryPolicy(),
        "show_return_value_in_logs": False,
    }


def utc_schedule(cron: str) -> CronTriggerTimetable:
    """A schedule in UTC without data intervals."""
    return CronTriggerTimetable(cron, timezone="UTC")


def interval_schedule(cron: str | None) -> CronDataIntervalTimetable | None:
    """A schedule in UTC with data intervals, which only backfills use. ``None``: manual runs only."""
    return CronDataIntervalTimetable(cron, timezone="UTC") if cron else None


def _dag_settings(name: str) -> DagSettings:
    try:
        settings = load_file(pipeline_files()[name])
    except OrderRelayError as error:
        log.warning("%s", error)
        return DagSettings(name)
    return DagSettings(name, settings.schedule, settings.chunks.parallel)


def _order_dag(pipeline: DagSettings, doc: str, tags: tuple[str, ...]) -> DAG:
    common = dag_arguments(pipeline.name, doc, tags)
    with DAG(schedule=interval_schedule(pipeline.schedule), params=orders.order_params(), **common) as dag:
        batch = orders.extract(pipeline.name)
        validated = orders.validate(pipeline.name, batch)
        winners = orders.dedupe(pipeline.name, validated)
        chunks = orders.transform(pipeline.name, winners)
        loaded = orders.load.override(max_active_tis_per_dagrun=pipeline.parallel).partial(pipeline=pipeline.name)
        loaded.expand(chunk=chunks) >> orders.acknowledge(pipeline.name) >> orders.report(pipeline.name)
    return dag


def _status_dag(name: str, vendor: str, doc: str) -> DAG:
    settings = _status_settings(name)
    schedule = settings.schedule if settings else StatusSettings.model_fields["schedule"].default
    common = dag_arguments(name, doc, tags=(vendor,))
    with DAG(schedule=interval_schedule(schedule), params=statuses.poll_params(), **common) as dag:
        followed = statuses.follow.override(outlets=[statuses_asset(name)])(name)
        sources = [statuses.poll(name), statuses.files(name)]
        sources >> statuses.by_id(name) >> followed
        sources >> followed  # directly as well: otherwise a failed poll would leave the run green
        if settings and settings.files.fetch:
            statuses.fetch(name) >> [sources[1], followed]
    return dag


def _oms_status_dag(dag_id: str, pipelines: str, vendor: str, doc: str) -> DAG:
    with DAG(schedule=utc_schedule("*/10 * * * *"), **dag_arguments(dag_id, doc, tags=(vendor,))) as dag:
        oms_status.ask.expand(pipeline=oms_status.pipelines_to_ask(pipelines))
    return dag


def _status_settings(name: str) -> StatusSettings | None:
    try:
        return load_status(name)
    except OrderRelayError as error:
        log.warning("%s", error)
        return None
