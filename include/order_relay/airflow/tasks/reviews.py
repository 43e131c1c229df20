"""The tasks of ``order_review``; its questions are operators (``airflow.hitl``)."""

from __future__ import annotations

from typing import Any

from airflow.sdk import TriggerRule, get_current_context, task

from order_relay.airflow.context.review_task import DOUBT, HELD, SHOP_CANCELLED, ReviewTask

_QUESTIONS = {HELD: "review", DOUBT: "settle", SHOP_CANCELLED: "cancellation"}


@task.branch
def start() -> str:
    """Ask about the case that this run was opened for; a run without a case looks for cases."""
    review_task = ReviewTask.of(get_current_context())
    return "find" if review_task is None else _QUESTIONS[review_task.kind]


@task(multiple_outputs=False)
def find() -> list[dict[str, Any]]:
    """Find orders that need a decision and have no open review."""
    from order_relay.airflow.jobs import reviews

    return reviews.find(get_current_context())


# Both questions are skipped if another branch was taken, ``confirm`` alone if there is nothing to confirm.
@task(multiple_outputs=False, trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
def decide() -> dict[str, Any]:
    """Carry out the decision."""
    from order_relay.airflow.jobs import reviews

    return reviews.decide(get_current_context())


@task(multiple_outputs=False)
def record() -> dict[str, Any]:
    """Record what was found in the OMS about an order in doubt."""
    from order_relay.airflow.jobs import reviews

    return reviews.record(get_current_context())


@task(multiple_outputs=False)
def conclude() -> dict[str, Any]:
    """Record the decision about an order that the shop cancelled after the import."""
    from order_relay.airflow.jobs import reviews

    return reviews.conclude(get_current_context())
