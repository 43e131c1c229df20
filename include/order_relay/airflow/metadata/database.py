"""Queries of Airflow's database, for the command line. Airflow does not let tasks use its database."""

from __future__ import annotations

from order_relay.airflow.metadata.stored_values import has_database
from order_relay.errors import TransientError


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
