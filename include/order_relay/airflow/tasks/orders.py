"""The tasks of an order pipeline, ready to be named by a DAG file.

Each task is a call into ``stages`` with what Airflow knows about the run. Engine modules are imported inside the tasks:
a DAG file is parsed again for each task that starts, and pandas, SQLAlchemy and aiohttp would be paid each time.
XComs carry manifests and counts only.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import (
    Context,
    CronDataIntervalTimetable,
    Param,
    TriggerRule,
    get_current_context,
    task,
)

from order_relay.airflow.assets import orders_asset
from order_relay.airflow.retry import RecoveryPolicy

RETRIES = 4
"""With the default first delay of 30 s a task gives up after eight minutes; the next run takes the work up."""


def order_params() -> dict[str, Param]:
    """The trigger form of an order DAG."""
    return {
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Nothing is sent, acknowledged, or written to the ledger. The report and the payloads in the "
            'batch store show what would have happened. This concerns this run only: with the box "Unpause" above '
            "ticked (Airflow's default), scheduled runs follow, and in live mode they send.",
        ),
        "order_ids": Param(
            [],
            type="array",
            items={"type": "string", "minLength": 1, "maxLength": 64},
            maxItems=1000,
            title="Only these orders",
            description="The source's ids, or CloudSuite's numbers such as CS9101 or 1-CS9101 (web shop and "
            "number), one a line (at most 1000). Empty: everything that the source offers.",
        ),
        "limit": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            maximum=1_000_000,
            title="At most so many orders",
            description="Counts orders with all their versions as one. The others stay for the next run. Empty: all.",
        ),
        "acknowledge": Param(
            True,
            type="boolean",
            title="Acknowledge at the source",
            description="Tell the source which orders were taken over. Without it they are offered again: safe.",
        ),
    }


def interval_timetable(cron: str | None) -> CronDataIntervalTimetable | None:
    """When an order DAG runs, in UTC. The interval matters to backfills only."""
    return CronDataIntervalTimetable(cron, timezone="UTC") if cron else None


def order_dag_arguments(pipeline: str, doc: str, tags: tuple[str, ...] = ()) -> dict[str, Any]:
    """What all order DAGs have in common, but for the schedule.

    ``max_active_runs`` keeps the UI tidy. That two runs at once do no harm is the ledger's work: a backfill has a limit
    of its own and does not count here.
    """
    return {
        "dag_id": pipeline,
        "doc_md": doc,
        "start_date": datetime(2026, 1, 1, tzinfo=UTC),
        "catchup": False,
        "max_active_runs": 1,
        "params": order_params(),
        "tags": ["order relay", *tags],
        "default_args": task_defaults(),
    }


def task_defaults() -> dict[str, Any]:
    """What all tasks of all DAGs have in common."""
    return {
        "owner": "order relay",
        "retries": RETRIES,
        # For deaths that no policy sees (a killed process); everything else asks the policy.
        "retry_delay": timedelta(seconds=30),
        "retry_policy": RecoveryPolicy(),
        "show_return_value_in_logs": False,
    }


def mapped_context(name: str, value: str) -> Context:
    """The context of a mapped task, with what its ``map_index_template`` shows."""
    context = get_current_context()
    context[name] = value  # type: ignore[literal-required]
    return context


@task(multiple_outputs=False)
def extract(pipeline: str) -> dict[str, Any]:
    """Read what the source offers, archive it, and enter it into the ledger."""
    from order_relay.airflow.jobs import orders

    return orders.extract(pipeline, get_current_context())


@task(multiple_outputs=False)
def validate(pipeline: str, batch: Any) -> dict[str, Any]:
    """Judge each order by the source's schema; quarantine what fails, with every error."""
    from order_relay.airflow.jobs import orders

    return orders.validate(pipeline, get_current_context(), batch)


@task(multiple_outputs=False)
def dedupe(pipeline: str, validated: Any) -> dict[str, Any]:
    """Choose one version of each order."""
    from order_relay.airflow.jobs import orders

    return orders.dedupe(pipeline, get_current_context(), validated)


@task(multiple_outputs=False)
def transform(pipeline: str, winners: Any) -> list[str]:
    """Make the payloads; hand on the names of the chunks that ``load`` maps over (at most 16)."""
    from order_relay.airflow.jobs import orders

    return orders.transform(pipeline, get_current_context(), winners)


# A mapped task does not take this from the DAG's default arguments.
@task(multiple_outputs=False, map_index_template="{{ chunk_name }}", show_return_value_in_logs=False)
def load(pipeline: str, chunk: str) -> dict[str, Any]:
    """Look up what is in doubt, then send what is ready."""
    from order_relay.airflow.jobs import orders

    return orders.load(pipeline, mapped_context("chunk_name", chunk), chunk)


def acknowledge(pipeline: str) -> Any:
    """Tell the source what was taken over, and announce the run's orders; also if a chunk failed."""

    @task(
        task_id="acknowledge",
        multiple_outputs=False,
        trigger_rule=TriggerRule.ALL_DONE,
        outlets=[orders_asset(pipeline)],
    )
    def run(pipeline: str) -> dict[str, Any]:
        from order_relay.airflow.jobs import orders

        return orders.acknowledge(pipeline, get_current_context())

    return run(pipeline)


@task(multiple_outputs=False, trigger_rule=TriggerRule.ALL_DONE, retries=0)
def report(pipeline: str) -> dict[str, Any]:
    """Count, write the report, and turn the run red where a task failed or the count does not hold."""
    from order_relay.airflow.jobs import orders

    return orders.report(pipeline, get_current_context())
