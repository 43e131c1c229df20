"""What the DAGs beside the order pipelines have in common: arguments, schedule, and the tasks of the sweep,
the quarantine's replay and the reviews. Light, as ``order_tasks`` is: the engine is imported inside the tasks.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, TriggerRule, get_current_context, task

from order_relay.airflow.context.review_task import HELD, ReviewTask
from order_relay.airflow.tasks.orders import mapped_context, task_defaults
from order_relay.pipeline.settings.pipeline import pipeline_files

ACTIVE_FROM_START = ("watch", "order_review", "in_doubt_sweep", "reconcile", "retention")
"""These send no order and tell no source anything: they are active from the start, so that alerts and reviews never
depend on somebody who remembers to switch them on. All others start paused, as Airflow's setting says."""


def dag_arguments(dag_id: str, doc: str, tags: tuple[str, ...] = ()) -> dict[str, Any]:
    """What these DAGs have in common. None of them has an interval, so none can be backfilled by mistake."""
    active = {"is_paused_upon_creation": False} if dag_id in ACTIVE_FROM_START else {}
    return {
        "dag_id": dag_id,
        "doc_md": doc,
        "start_date": datetime(2026, 1, 1, tzinfo=UTC),
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["order relay", *tags],
        "default_args": task_defaults(),
        **active,
    }


def utc_schedule(cron: str) -> CronTriggerTimetable:
    """A schedule in UTC that runs at the times it names."""
    return CronTriggerTimetable(cron, timezone="UTC")


@task(multiple_outputs=False)
def due() -> list[str]:
    """Find the pipelines with orders to look up; skipped where there is none."""
    from order_relay.airflow.jobs import lookups

    return lookups.due(get_current_context())


@task(multiple_outputs=False, map_index_template="{{ pipeline_name }}", show_return_value_in_logs=False)
def look_up(pipeline: str) -> dict[str, Any]:
    """Look up one pipeline's orders in doubt."""
    from order_relay.airflow.jobs import lookups

    return lookups.look_up(pipeline, mapped_context("pipeline_name", pipeline))


def replay_params() -> dict[str, Param]:
    """The trigger form of ``quarantine_replay``."""
    return {
        "action": Param(
            "replay",
            type="string",
            enum=["replay", "discard"],
            title="What to do",
            description="`replay`: judge again, after a mapping, a table or a schema was mended. `discard`: never send "
            "them; the source is told that they are done.",
        ),
        "reason": Param(
            type="string",
            minLength=3,
            maxLength=500,
            title="Why",
            description="Stands in the life of each of these orders, with your name.",
        ),
        "numbers": Param(
            [],
            type="array",
            items={"type": "string", "minLength": 1, "maxLength": 100},
            maxItems=1000,
            title="Order numbers",
            description="One a line (at most 1000). What is chosen here and below has to hold all together.",
        ),
        "code": Param(
            None,
            type=["null", "string"],
            maxLength=100,
            title="Reason code",
            description="As `python -m order_relay quarantine` shows it; of rejected orders `http_400` or `http_422`.",
        ),
        "since": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Since",
            description="Only what was quarantined or rejected at this time or later (UTC where it names no zone).",
        ),
        "pipeline": Param(
            None,
            type=["null", "string"],
            enum=[None, *pipeline_files()],
            title="Pipeline",
            description="Only orders of this one. Empty: of all.",
        ),
        "everything": Param(
            False,
            type="boolean",
            title="Everything",
            description="Needed where no number, code or time is given: all that is quarantined or rejected.",
        ),
    }


@task(multiple_outputs=False)
def choose() -> list[str]:
    """Find the orders that the form means."""
    from order_relay.airflow.jobs import replay

    return replay.choose(get_current_context())


@task(multiple_outputs=False, map_index_template="{{ pipeline_name }}", show_return_value_in_logs=False)
def carry_out(pipeline: str) -> dict[str, Any]:
    """Replay or discard one pipeline's chosen orders."""
    from order_relay.airflow.jobs import replay

    return replay.carry_out(pipeline, mapped_context("pipeline_name", pipeline))


@task.branch
def start() -> str:
    """A run that was opened for a case asks about it; every other run looks for cases."""
    case = ReviewTask.of(get_current_context())
    if case is None:
        return "find"
    return "review" if case.kind == HELD else "settle"


@task(multiple_outputs=False)
def find() -> list[dict[str, Any]]:
    """Find orders that wait for a person and that nobody is asked about yet."""
    from order_relay.airflow.jobs import reviews

    return reviews.find(get_current_context())


# Skipped are both questions where another branch was taken, and ``confirm`` alone where there is nothing to confirm.
@task(multiple_outputs=False, trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
def decide() -> dict[str, Any]:
    """Carry out the decision."""
    from order_relay.airflow.jobs import reviews

    return reviews.decide(get_current_context())


@task(multiple_outputs=False)
def record() -> dict[str, Any]:
    """Carry out what was found about an order in doubt."""
    from order_relay.airflow.jobs import reviews

    return reviews.record(get_current_context())


@task(multiple_outputs=False)
def active() -> list[str]:
    """Find the pipelines that ever ran; skipped where none did."""
    from order_relay.airflow.jobs import reconcile

    return reconcile.active_pipelines()


@task(multiple_outputs=False, map_index_template="{{ pipeline_name }}", show_return_value_in_logs=False)
def compare(pipeline: str) -> dict[str, Any]:
    """Compare one pipeline's ledger with its destination."""
    from order_relay.airflow.jobs import reconcile

    return reconcile.compare(pipeline, mapped_context("pipeline_name", pipeline))


@task(multiple_outputs=False)
def look() -> dict[str, Any]:
    """Look at every pipeline, and tell people what is wrong."""
    from order_relay.airflow.jobs import alerts

    return alerts.look()


@task(multiple_outputs=False)
def summarize() -> dict[str, Any]:
    """Send the morning summary once its time has come."""
    from order_relay.airflow.jobs import alerts

    return alerts.summarize()


def retention_params() -> dict[str, Param]:
    """The trigger form of ``retention``."""
    return {
        "dry_run": Param(
            False,
            type="boolean",
            title="Only list",
            description="Nothing is removed; the log of each task lists what would be.",
        ),
    }


@task(multiple_outputs=False)
def removable() -> list[str]:
    """Find the pipelines that ever ran, and the status accounts that were ever used."""
    from order_relay.airflow.jobs import retention

    return retention.active_names()


@task(multiple_outputs=False, map_index_template="{{ pipeline_name }}", show_return_value_in_logs=False)
def remove(pipeline: str) -> dict[str, Any]:
    """Remove what is due of one pipeline or status account."""
    from order_relay.airflow.jobs import retention

    return retention.remove(pipeline, mapped_context("pipeline_name", pipeline))
