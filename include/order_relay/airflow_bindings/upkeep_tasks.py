"""What the DAGs beside the order pipelines have in common: arguments, schedule, and the tasks of the sweep and the
quarantine's replay. Light, as ``order_tasks`` is: the engine is imported inside the tasks.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import CronTriggerTimetable, get_current_context, task

from order_relay.airflow_bindings.order_tasks import task_defaults


def dag_arguments(dag_id: str, doc: str, tags: tuple[str, ...] = ()) -> dict[str, Any]:
    """What these DAGs have in common. None of them has an interval, so none can be backfilled by mistake."""
    return {
        "dag_id": dag_id,
        "doc_md": doc,
        "start_date": datetime(2026, 1, 1, tzinfo=UTC),
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["order relay", *tags],
        "default_args": task_defaults(),
    }


def every(cron: str) -> CronTriggerTimetable:
    """A schedule in UTC that runs at the times it names."""
    return CronTriggerTimetable(cron, timezone="UTC")


@task(multiple_outputs=False)
def due() -> list[str]:
    """Find the pipelines with orders to look up; skipped where there is none."""
    from order_relay.airflow_bindings import sweep  # noqa: PLC0415

    return sweep.due(get_current_context())


@task(multiple_outputs=False, map_index_template="{{ pipeline_name }}", show_return_value_in_logs=False)
def look_up(pipeline: str) -> dict[str, Any]:
    """Look up one pipeline's orders in doubt."""
    from order_relay.airflow_bindings import sweep  # noqa: PLC0415

    context = get_current_context()
    context["pipeline_name"] = pipeline  # type: ignore[typeddict-unknown-key]
    return sweep.look_up(pipeline, context)
