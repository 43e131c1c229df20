"""The tasks and the trigger form of an order DAG. XComs carry manifests and counts only, never orders."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, TriggerRule, get_current_context, task
from airflow.sdk.exceptions import DownstreamTasksSkipped

from order_relay.airflow.assets import orders_asset
from order_relay.airflow.context.run_request import mapped_context

IF_THERE_IS_WORK = ("validate", "dedupe", "transform", "load")
"""Tasks that ``extract`` skips if there is nothing to do."""


def order_params() -> dict[str, Param]:
    """The trigger form."""
    return {
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Nothing is sent, acknowledged, or written to the ledger. The report, and the payloads in the "
            "batch store, show what would have happened. Applies to this run only: if the box *Unpause* above is "
            "ticked (Airflow's default), scheduled runs follow, and in live mode they send.",
        ),
        "order_ids": Param(
            [],
            type="array",
            items={"type": "string", "minLength": 1, "maxLength": 64},
            maxItems=1000,
            title="Only these orders",
            description="The source's ids, or numbers that it can look up (see the DAG's page), one per line (at most "
            "1000). Empty: everything the source offers.",
        ),
        "limit": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            maximum=1_000_000,
            title="Maximum orders",
            description="All versions of an order count as one; the rest wait for the next run. Empty: no limit.",
        ),
        "acknowledge": Param(
            True,
            type="boolean",
            title="Acknowledge at the source",
            description="Acknowledge orders that were taken over, so that the source stops offering them. "
            "Switching this off is safe.",
        ),
    }


@task(multiple_outputs=False)
def extract(pipeline: str) -> dict[str, Any]:
    """Read the orders that the source offers, archive them and record them in the ledger."""
    from order_relay.airflow.jobs import orders

    context = get_current_context()
    done = orders.extract(pipeline, context)
    if not done["work"]:
        # A task that raises AirflowSkipException needs a process of its own; these never start.
        context["ti"].xcom_push(key="return_value", value=done)
        raise DownstreamTasksSkipped(tasks=list(IF_THERE_IS_WORK))  # type: ignore[no-untyped-call]
    return done


@task(multiple_outputs=False)
def validate(pipeline: str, batch: Any) -> dict[str, Any]:
    """Check each order against its schema; quarantine those that fail, with every error."""
    from order_relay.airflow.jobs import orders

    return orders.validate(pipeline, get_current_context(), batch)


@task(multiple_outputs=False)
def dedupe(pipeline: str, validated: Any) -> dict[str, Any]:
    """Choose one version of each order."""
    from order_relay.airflow.jobs import orders

    return orders.dedupe(pipeline, get_current_context(), validated)


@task(multiple_outputs=False)
def transform(pipeline: str, winners: Any) -> list[str]:
    """Build the payloads; return the names of the chunks that ``load`` maps over (at most 16)."""
    from order_relay.airflow.jobs import orders

    return orders.transform(pipeline, get_current_context(), winners)


# Mapped tasks ignore ``show_return_value_in_logs`` in the DAG's default arguments.
@task(multiple_outputs=False, map_index_template="{{ chunk_name }}", show_return_value_in_logs=False)
def load(pipeline: str, chunk: str) -> dict[str, Any]:
    """Look up one chunk's orders in doubt, then send those that are ready."""
    from order_relay.airflow.jobs import orders

    return orders.load(pipeline, mapped_context("chunk_name", chunk), chunk)


def acknowledge(pipeline: str) -> Any:
    """Acknowledge orders at the source and emit the asset event; also runs if a chunk failed."""

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
    """Write the report; fail the run if a task failed or the accounting check failed."""
    from order_relay.airflow.jobs import orders

    return orders.report(pipeline, get_current_context())
