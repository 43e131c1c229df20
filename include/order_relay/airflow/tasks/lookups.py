"""The tasks of ``in_doubt_sweep``."""

from __future__ import annotations

from typing import Any

from airflow.sdk import get_current_context, task

from order_relay.airflow.context.run_request import mapped_context


@task(multiple_outputs=False)
def due() -> list[str]:
    """Find the pipelines with orders to look up; skipped if there are none."""
    from order_relay.airflow.jobs import lookups

    return lookups.due(get_current_context())


@task(multiple_outputs=False, map_index_template="{{ pipeline_name }}", show_return_value_in_logs=False)
def look_up(pipeline: str) -> dict[str, Any]:
    """Look up one pipeline's orders in doubt."""
    from order_relay.airflow.jobs import lookups

    return lookups.look_up(pipeline, mapped_context("pipeline_name", pipeline))
