"""The tasks of the write-back to a source (DAGs ``VENDOR_feedback``)."""

from __future__ import annotations

from typing import Any

from airflow.sdk import task

from order_relay.airflow.context.run_request import mapped_context


@task(multiple_outputs=False)
def taking_feedback(prefix: str) -> list[str]:
    """Find the live pipelines with this name prefix that have run before; skipped if there are none."""
    from order_relay.airflow.jobs import feedback

    return feedback.pipelines_in_use(prefix)


@task(multiple_outputs=False, map_index_template="{{ pipeline_name }}", show_return_value_in_logs=False)
def tell(pipeline: str) -> dict[str, Any]:
    """Write to one pipeline's source everything that is due."""
    from order_relay.airflow.jobs import feedback

    return feedback.write_back(pipeline, mapped_context("pipeline_name", pipeline))


@task(multiple_outputs=False)
def portal_pipelines(prefix: str) -> list[str]:
    """Find the live pipelines whose source's sales portal takes files; skipped if there are none."""
    from order_relay.airflow.jobs import feedback

    return feedback.portal_pipelines(prefix)


@task(multiple_outputs=False, map_index_template="{{ pipeline_name }}", show_return_value_in_logs=False)
def write_portal_files(pipeline: str) -> dict[str, Any]:
    """Write the files for the sales portal of one pipeline's source."""
    from order_relay.airflow.jobs import feedback

    return feedback.write_portal(pipeline, mapped_context("pipeline_name", pipeline))
