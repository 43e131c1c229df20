"""The tasks and the trigger form of ``retention``."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, task

from order_relay.airflow.context.run_request import mapped_context


def retention_params() -> dict[str, Param]:
    """The trigger form."""
    return {
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Nothing is removed; the log of each task lists what would be removed.",
        ),
    }


@task(multiple_outputs=False)
def removable() -> list[str]:
    """Find the pipelines that have run before and the status accounts in use; skipped if there are none."""
    from order_relay.airflow.jobs import retention

    return retention.active_names()


@task(multiple_outputs=False, map_index_template="{{ pipeline_name }}", show_return_value_in_logs=False)
def remove(pipeline: str) -> dict[str, Any]:
    """Remove the data of one pipeline or status account that is due."""
    from order_relay.airflow.jobs import retention

    return retention.remove(pipeline, mapped_context("pipeline_name", pipeline))
