"""The tasks and the trigger form of ``history_import``."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, TriggerRule, get_current_context, task

from order_relay.pipeline.settings.pipeline import pipeline_files


def history_params() -> dict[str, Param]:
    """The trigger form."""
    return {
        "pipeline": Param(
            type="string",
            enum=[*pipeline_files()],
            title="Pipeline",
            description="Whose orders to import. A source that can be queried by time is read for these days; of the "
            "others, what was fetched on these days is evaluated again. Delivered files are read whatever the days.",
        ),
        "first_day": Param(
            None,
            type=["null", "string"],
            format="date",
            title="From",
            description="The first day, in UTC. Files: leave it empty; all that were delivered are read.",
        ),
        "last_day": Param(
            None,
            type=["null", "string"],
            format="date",
            title="To",
            description="The last day, in UTC. It is imported as well. Files: leave it empty.",
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Nothing is sent or written to the ledger. The report shows what would happen. Try a few days "
            "first.",
        ),
        "limit": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            maximum=10_000_000,
            title="Maximum orders",
            description="No further slice begins once this many orders were read. Trigger the import again to "
            "continue. Empty: no limit.",
        ),
        "again": Param(
            False,
            type="boolean",
            title="Read again",
            description="Read a range again that was imported before, or begin anew with the files that are there. "
            "Orders that were imported are not sent again. "
            "Off: days and files that are done are skipped.",
        ),
    }


@task(multiple_outputs=False)
def plan() -> dict[str, Any]:
    """Check the form and the pipeline, and divide the range into slices; continues an import that broke off."""
    from order_relay.airflow.jobs import history

    return history.plan(get_current_context())


@task(multiple_outputs=False)
def import_slices(planned: Any) -> dict[str, Any]:
    """Import slice after slice; the log shows the progress after each."""
    from order_relay.airflow.jobs import history

    return history.import_slices(get_current_context(), planned)


@task(multiple_outputs=False, trigger_rule=TriggerRule.ALL_DONE, retries=0)
def report(planned: Any) -> dict[str, Any]:
    """Write the report; fail the run if a task failed or the accounting check failed."""
    from order_relay.airflow.jobs import history

    return history.report(get_current_context(), planned)
