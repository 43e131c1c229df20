"""Airflow as the desk's host: the stop switch, paused DAGs, and the paths of its pages."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from urllib.parse import quote

from order_relay.airflow.doctor.checks import CheckResult
from order_relay.airflow.installation import Installation
from order_relay.airflow.metadata import database, stop_variable
from order_relay.pipeline.runs.stop_switch import StopSwitch


class AirflowHost:
    """The host of a desk that runs in Airflow's API server, or beside it with access to its database.

    ``pages``: whether the desk is shown inside Airflow's interface, so that links to its pages work.
    """

    def __init__(self, installation: Installation, *, pages: bool = True) -> None:
        self._installation, self._pages = installation, pages

    def stop_switch(self) -> StopSwitch:
        """The stop switch; if it cannot be read, everything counts as stopped."""
        return self._installation.stop_switch

    def set_stop_switch(self, value: str) -> None:
        """Set the Variable ``order_relay_stop``. Raises ``ConfigurationError`` if that would have no effect, and
        ``TransientError`` if Airflow's database cannot be written."""
        stop_variable.write_stop_switch(value)

    def recheck_reviews(self, numbers: Collection[str]) -> None:
        """Let open reviews of these order numbers check at once whether their case is closed, not within the hour.

        Raises ``TransientError`` if Airflow's database cannot be written.
        """
        database.recheck_reviews(numbers)

    def paused_dags(self) -> dict[str, bool]:
        """DAG id -> paused. Raises ``TransientError`` if Airflow's database cannot be read."""
        return database.paused_dags()

    def findings(self, *, vendors: bool) -> Iterable[CheckResult]:
        """Doctor's findings without the accounting check of the whole ledger, which ``reconcile`` makes."""
        from order_relay.airflow.doctor.findings import run_checks, skip_repeated_causes

        return skip_repeated_causes(run_checks(Installation(), None, vendors=vendors, accounting=False))

    def run_path(self, dag_id: str, run_id: str) -> str:
        """The path of a run's page below Airflow's base URL; empty for a desk outside Airflow."""
        return f"/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}" if self._pages else ""
