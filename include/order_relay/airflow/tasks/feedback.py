"""The tasks of feedback, ready to be named by a DAG file. Light: the engine is imported inside the tasks."""

from __future__ import annotations

from typing import Any

from airflow.sdk import task

from order_relay.airflow.tasks.orders import mapped_context


@task(multiple_outputs=False)
def taking_feedback(prefix: str) -> list[str]:
    """Find the pipelines of these names that have taken orders over; skipped where there is none."""
    from order_relay.airflow.jobs import feedback

    return feedback.pipelines_in_use(prefix)


@task(multiple_outputs=False, map_index_template="{{ pipeline_name }}", show_return_value_in_logs=False)
def tell(pipeline: str) -> dict[str, Any]:
    """Tell one pipeline's source everything that is due."""
    from order_relay.airflow.jobs import feedback

    return feedback.write_back(pipeline, mapped_context("pipeline_name", pipeline))
