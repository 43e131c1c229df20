"""The tasks and the trigger form of ``quarantine_replay``."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, get_current_context, task

from order_relay.airflow.context.run_request import mapped_context
from order_relay.pipeline.settings.pipeline import pipeline_files


def replay_params() -> dict[str, Param]:
    """The trigger form."""
    return {
        "action": Param(
            "replay",
            type="string",
            enum=["replay", "discard"],
            title="Action",
            description="`replay`: evaluate the orders again, after a mapping, a code table or a schema was fixed. "
            "`discard`: never send them; they are acknowledged, so that the source stops offering them.",
        ),
        "reason": Param(
            type="string",
            minLength=3,
            maxLength=500,
            title="Reason",
            description="Recorded in the history of each of these orders, with your name.",
        ),
        "numbers": Param(
            [],
            type="array",
            items={"type": "string", "minLength": 1, "maxLength": 100},
            maxItems=1000,
            title="Order numbers",
            description="One per line (at most 1000). An order must match all filters given here and below.",
        ),
        "code": Param(
            None,
            type=["null", "string"],
            maxLength=100,
            title="Reason code",
            description="As shown by `order-relay quarantine`; rejected orders have `http_400` or `http_422`.",
        ),
        "since": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Since",
            description="Only orders quarantined or rejected at or after this time (UTC unless a zone is given).",
        ),
        "pipeline": Param(
            None,
            type=["null", "string"],
            enum=[None, *pipeline_files()],
            title="Pipeline",
            description="Only orders of this pipeline. Empty: all pipelines.",
        ),
        "everything": Param(
            False,
            type="boolean",
            title="Everything",
            description="Required if no number, code or time is given: selects all quarantined and rejected orders.",
        ),
    }


@task(multiple_outputs=False)
def choose() -> list[str]:
    """Find the orders that match the form."""
    from order_relay.airflow.jobs import replay

    return replay.choose(get_current_context())


@task(multiple_outputs=False, map_index_template="{{ pipeline_name }}", show_return_value_in_logs=False)
def carry_out(pipeline: str) -> dict[str, Any]:
    """Replay or discard one pipeline's chosen orders."""
    from order_relay.airflow.jobs import replay

    return replay.carry_out(pipeline, mapped_context("pipeline_name", pipeline))
