"""The tasks that ask a destination about its orders (DAGs ``VENDOR_status``)."""

from __future__ import annotations

from typing import Any

from airflow.sdk import task

from order_relay.airflow.context.run_request import mapped_context


@task(multiple_outputs=False)
def pipelines_to_ask(suffix: str) -> list[str]:
    """Find the pipelines whose orders are asked about; skipped if there are none."""
    from order_relay.airflow.jobs import oms_status

    return oms_status.pipelines_to_ask(suffix)


@task(multiple_outputs=False, map_index_template="{{ pipeline_name }}", show_return_value_in_logs=False)
def ask(pipeline: str) -> dict[str, Any]:
    """Ask the destination of one pipeline about its imported orders."""
    from order_relay.airflow.jobs import oms_status

    return oms_status.ask(pipeline, mapped_context("pipeline_name", pipeline))
