"""The tasks of ``reconcile``."""

from __future__ import annotations

from typing import Any

from airflow.sdk import task

from order_relay.airflow.context.run_request import mapped_context


@task(multiple_outputs=False)
def active() -> list[str]:
    """Find the pipelines that have run before; skipped if there are none."""
    from order_relay.airflow.jobs import reconcile

    return reconcile.active_pipelines()


@task(multiple_outputs=False, map_index_template="{{ pipeline_name }}", show_return_value_in_logs=False)
def compare(pipeline: str) -> dict[str, Any]:
    """Compare one pipeline's ledger with its destination."""
    from order_relay.airflow.jobs import reconcile

    return reconcile.compare(pipeline, mapped_context("pipeline_name", pipeline))
