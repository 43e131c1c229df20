"""The desk's users and permissions are Airflow's: the auth manager answers through the interface that every one has.

Airflow's own permission dependencies use the state of its own app and do not work in a mounted one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import anyio
from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import (
    ConnectionDetails,
    DagAccessEntity,
    DagDetails,
    VariableDetails,
)
from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
from airflow.configuration import conf
from fastapi import HTTPException, Request

from order_relay.desk.access import Principal
from order_relay.pipeline.runs.stop_switch import VARIABLE
from order_relay.pipeline.settings.pipeline import pipeline_files

ACTING_DAGS = ("quarantine_replay", "order_review")
"""Who may trigger one of these may do on the desk what they do."""

PERSONAL_DATA_CONNECTION = "order_relay_personal_data"
"""Who may read this connection may reveal personal data. It need not exist."""


class AirflowAccess:
    """Identifies users by Airflow's session cookie or a bearer token."""

    async def principal(self, request: Request) -> Principal | None:
        """The user of the request; ``None`` without a valid token."""
        try:
            user = await get_user(request, None, await bearer_scheme(request))
        except HTTPException:
            return None
        return await anyio.to_thread.run_sync(_principal, user)


def _principal(user: Any) -> Principal:
    manager, names = get_auth_manager(), list(pipeline_files())
    teams = _teams([*names, *ACTING_DAGS])
    by_team: dict[str | None, set[str]] = defaultdict(set)
    for name in names:
        by_team[teams.get(name)].add(name)
    visible = [
        manager.filter_authorized_dag_ids(dag_ids=dags, user=user, method="GET", team_name=team)
        for team, dags in by_team.items()
    ]
    may_act = any(
        manager.is_authorized_dag(
            method="POST",
            access_entity=DagAccessEntity.RUN,
            details=DagDetails(id=dag, team_name=teams.get(dag)),
            user=user,
        )
        for dag in ACTING_DAGS
    )
    variable = VariableDetails(key=VARIABLE, team_name=_variable_team())
    connection = ConnectionDetails(conn_id=PERSONAL_DATA_CONNECTION, team_name=_connection_team())
    return Principal(
        name=user.get_name(),
        pipelines=frozenset().union(*visible),
        may_act=may_act,
        may_configure=manager.is_authorized_variable(method="PUT", details=variable, user=user),
        may_reveal=manager.is_authorized_connection(method="GET", details=connection, user=user),
    )


def _teams(dags: Iterable[str]) -> Mapping[str, str | None]:
    """The team of each DAG, if Airflow has teams."""
    if not _has_teams():
        return {}
    from airflow.models.dag import DagModel

    return DagModel.get_dag_id_to_team_name_mapping(list(dags))


def _variable_team() -> str | None:
    from airflow.models import Variable

    return Variable.get_team_name(VARIABLE) if _has_teams() else None  # noqa: AIR311


def _connection_team() -> str | None:
    from airflow.models import Connection

    return Connection.get_team_name(PERSONAL_DATA_CONNECTION) if _has_teams() else None  # noqa: AIR311


def _has_teams() -> bool:
    return bool(conf.getboolean("core", "multi_team"))
