"""The DAG of a status account, and its tasks. Light: the engine is imported inside the tasks."""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import DAG, Param, TriggerRule, get_current_context, task

from order_relay.airflow.assets import statuses_asset
from order_relay.airflow.tasks.maintenance import dag_arguments
from order_relay.airflow.tasks.orders import interval_timetable
from order_relay.errors import OrderRelayError
from order_relay.pipeline.settings.pipeline import status_files
from order_relay.pipeline.settings.status_account import StatusSettings, load_status

log = logging.getLogger(__name__)


def status_dags(vendor: str, doc: str) -> dict[str, DAG]:
    """One DAG for each file ``VENDOR_status*.yaml``, by its name; ``doc`` is its page.

    One whose file is not valid has the default schedule: its runs fail in their first task and name file and key.
    """
    names = [name for name in status_files() if name == f"{vendor}_status" or name.startswith(f"{vendor}_status__")]
    return {name: _status_dag(name, vendor, doc) for name in names}


def _status_dag(name: str, vendor: str, doc: str) -> DAG:
    settings = _load_settings(name)
    schedule = settings.schedule if settings else StatusSettings.model_fields["schedule"].default
    with DAG(
        schedule=interval_timetable(schedule), params=_poll_params(), **dag_arguments(name, doc, tags=(vendor,))
    ) as dag:
        followed = follow.override(outlets=[statuses_asset(name)])(name)
        read = [poll(name), files(name)]
        read >> by_id(name) >> followed
        read >> followed  # or a failed poll would leave the run green
        if settings and settings.files.fetch:
            fetch(name) >> [read[1], followed]
    return dag


def _poll_params() -> dict[str, Param]:
    """The trigger form."""
    what = "Read again what changed in a range of time, in one run; the point up to which polls are complete stays. "
    return {
        "from": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="From",
            description=f"{what}Empty: a poll as always.",
        ),
        "to": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="To",
            description="The end of the range. Empty: now.",
        ),
    }


def _load_settings(name: str) -> StatusSettings | None:
    try:
        return load_status(name)
    except OrderRelayError as error:
        log.warning("%s", error)
        return None


@task(multiple_outputs=False)
def poll(account: str) -> dict[str, Any]:
    """Poll what changed."""
    from order_relay.airflow.jobs import statuses

    return statuses.poll(account, get_current_context())


@task(multiple_outputs=False)
def fetch(account: str) -> dict[str, Any]:
    """Fetch CSV files from a server."""
    from order_relay.airflow.jobs import statuses

    return statuses.fetch(account, get_current_context())


# Also after a failed fetch: what came before, or was saved there by somebody else, waits.
@task(multiple_outputs=False, trigger_rule=TriggerRule.ALL_DONE)
def files(account: str) -> dict[str, Any]:
    """Read the CSV files that wait."""
    from order_relay.airflow.jobs import statuses

    return statuses.files(account, get_current_context())


# Also after a failed poll: webhooks go on, and what they leave in doubt is read by id.
@task(multiple_outputs=False, trigger_rule=TriggerRule.ALL_DONE)
def by_id(account: str) -> dict[str, Any]:
    """Read by id what is doubtful or overdue."""
    from order_relay.airflow.jobs import statuses

    return statuses.by_id(account, get_current_context())


@task(multiple_outputs=False)
def follow(account: str) -> dict[str, Any]:
    """Do what follows from changed statuses."""
    from order_relay.airflow.jobs import statuses

    return statuses.follow(account, get_current_context())
