"""What only Airflow's own database says, for the command line. Tasks cannot use it: Airflow closes it to them."""

from __future__ import annotations

from order_relay.airflow.metadata.stored_values import has_database
from order_relay.errors import TransientError


def paused_dags() -> dict[str, bool]:
    """Every DAG that Airflow knows now, and whether it is paused. Raises ``TransientError`` where that cannot be
    read.
    """
    if not has_database():
        raise TransientError("Airflow's database was not made yet")
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
    """Whether Airflow's database holds a Variable of this name, readable or not."""
    if not has_database():
        return False
    from airflow.models import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalar(select(Variable.key).where(Variable.key == name))  # noqa: AIR311
    return found is not None
