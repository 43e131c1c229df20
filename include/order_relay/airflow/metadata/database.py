"""Queries of Airflow's database, for commands and the order desk. Airflow does not let tasks use its database."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from order_relay.airflow.context.review_task import ReviewTask
from order_relay.airflow.metadata.stored_values import has_database
from order_relay.errors import TransientError

REVIEWS = "order_review"
"""The DAG whose runs wait for decisions."""


def paused_dags() -> dict[str, bool]:
    """Airflow's current DAGs, and whether each is paused. Raises ``TransientError`` if the database cannot be read."""
    if not has_database():
        raise TransientError("Airflow's database does not exist yet; run `airflow db migrate`")
    try:
        from airflow.models.dag import DagModel
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            rows = session.execute(select(DagModel.dag_id, DagModel.is_paused).where(~DagModel.is_stale))
            return {str(name): bool(paused) for name, paused in rows}
    except Exception as error:
        raise TransientError(f"Airflow's database could not be read ({type(error).__name__})") from error


def stores_variable(name: str) -> bool:
    """Whether Airflow's database holds a Variable of this name, even if it cannot be decrypted."""
    if not has_database():
        return False
    from airflow.models import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalar(select(Variable.key).where(Variable.key == name))  # noqa: AIR311
    return found is not None


def recheck_reviews(numbers: Collection[str]) -> None:
    """End the present wait of the open reviews of these order numbers; each then checks whether its case is closed.

    Airflow's scheduler resumes a waiting task once its time-out is over, which it checks every few seconds
    (``[scheduler] trigger_timeout_check_interval``). Nothing is answered here: a review whose case is still open waits
    again. Does nothing without a database of Airflow; raises ``TransientError`` if that cannot be written.
    """
    if not has_database():
        return
    try:
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session
        from airflow.utils.state import TaskInstanceState
        from sqlalchemy import select

        waiting = (TaskInstance.dag_id == REVIEWS, TaskInstance.state == TaskInstanceState.AWAITING_INPUT)
        with create_session() as session:
            for ti in session.scalars(select(TaskInstance).where(*waiting).with_for_update(of=TaskInstance)):
                case = ReviewTask.of({"dag_run": ti.dag_run})
                if case is not None and case.number in numbers:
                    ti.trigger_timeout = datetime.now(UTC)
    except Exception as error:
        raise TransientError(f"Airflow's database could not be written ({type(error).__name__})") from error
