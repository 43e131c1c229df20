"""The tasks and the trigger form of a status account's DAG."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, TriggerRule, get_current_context, task


def poll_params() -> dict[str, Param]:
    """The trigger form."""
    purpose = "Reads what changed in a time range again, in one run; the watermark does not move. "
    return {
        "from": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="From",
            description=f"{purpose}Empty: a normal poll.",
        ),
        "to": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="To",
            description="End of the time range. Empty: now.",
        ),
    }


@task(multiple_outputs=False)
def poll(account: str) -> dict[str, Any]:
    """Read the orders that changed since the last poll."""
    from order_relay.airflow.jobs import statuses

    return statuses.poll(account, get_current_context())


@task(multiple_outputs=False)
def fetch(account: str) -> dict[str, Any]:
    """Fetch CSV files from a file server."""
    from order_relay.airflow.jobs import statuses

    return statuses.fetch(account, get_current_context())


# Also after a failed fetch: files that arrived earlier, or were saved by others, are waiting.
@task(multiple_outputs=False, trigger_rule=TriggerRule.ALL_DONE)
def files(account: str) -> dict[str, Any]:
    """Read the CSV files in the drop folder."""
    from order_relay.airflow.jobs import statuses

    return statuses.files(account, get_current_context())


# Also after a failed poll: webhooks arrive independently, and orders that they leave in doubt are read by id.
@task(multiple_outputs=False, trigger_rule=TriggerRule.ALL_DONE)
def by_id(account: str) -> dict[str, Any]:
    """Read orders with unclear or overdue statuses by id."""
    from order_relay.airflow.jobs import statuses

    return statuses.by_id(account, get_current_context())


@task(multiple_outputs=False)
def follow(account: str) -> dict[str, Any]:
    """Act on changed statuses: record shipments, report withdrawn ones."""
    from order_relay.airflow.jobs import statuses

    return statuses.follow(account, get_current_context())
