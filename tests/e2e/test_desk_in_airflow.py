"""The order desk in Airflow's API server: who gets in, what each role may do, and what another site's page cannot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from order_relay.desk.access import Configurator, Operator, Revealer, Viewer
from order_relay.desk.security import HEADERS
from tests.support.desk import OWN_PAGE, PIPELINE

MAY = {
    "viewer": {"see"},
    "user": {"see", "act"},
    "op": {"see", "act", "configure", "reveal"},
    "admin": {"see", "act", "configure", "reveal"},
}
"""What Airflow's roles may do on the desk."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Airflow's API server with the plugin, and the desk with one route for each permission."""
    from airflow.api_fastapi.app import create_app, purge_cached_app
    from starlette.testclient import TestClient

    from order_relay.airflow import api_server, connections
    from order_relay.ledger.store.migrate import migrate

    with pytest.MonkeyPatch.context() as env:
        env.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("home")))
        purge_cached_app()
        migrate(connections.ledger_url())
        api_server._desk.cache_clear()
        add_routes(api_server._desk())
        with TestClient(create_app(apps="core"), raise_server_exceptions=False) as client:
            yield client
        api_server._desk.cache_clear()


def add_routes(desk: FastAPI) -> None:
    @desk.post("/test/see")
    async def see(user: Viewer) -> str:
        return user.name

    @desk.post("/test/act")
    async def act(user: Operator) -> str:
        return user.name

    @desk.post("/test/configure")
    async def configure(user: Configurator) -> str:
        return user.name

    @desk.post("/test/reveal")
    async def reveal(user: Revealer) -> str:
        return user.name


def token(role: str) -> str:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=f"{role} 1", role=role.upper()))


def signed_in(role: str) -> dict[str, str]:
    return {"Cookie": f"_token={token(role)}"}


@pytest.mark.parametrize("role", MAY)
def test_airflows_permissions_are_the_desks(role: str, server: Any) -> None:
    headers = signed_in(role) | OWN_PAGE
    answers = {what: server.post(f"/order-desk/test/{what}", headers=headers) for what in MAY["admin"]}
    assert {what for what, answer in answers.items() if answer.status_code == 200} == MAY[role]
    assert {answer.status_code for answer in answers.values()} <= {200, 403}
    assert answers["see"].json() == f"{role} 1"


def test_a_page_and_the_tile_need_a_session(server: Any) -> None:
    assert server.get("/order-desk/tile.json").status_code == 401
    assert server.get("/order-desk/tile.json", headers={"Cookie": "_token=forged"}).status_code == 401
    by_cookie = server.get("/order-desk/tile.json", headers=signed_in("viewer"))
    by_token = server.get("/order-desk/tile.json", headers={"Authorization": f"Bearer {token('viewer')}"})
    assert by_cookie.json() == by_token.json()
    assert {one["number"] for one in by_cookie.json()["numbers"]} == {0}
    assert by_cookie.json()["stopped"] is False


def test_an_error_page_for_a_signed_in_user(server: Any) -> None:
    """Airflow keeps a user of its own in the state of a request that has a cookie."""
    answer = server.get("/order-desk/nothing", headers=signed_in("viewer"))
    assert answer.status_code == 404
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", None])
def test_a_session_alone_changes_nothing(site: str | None, server: Any) -> None:
    headers = signed_in("admin") | ({"Sec-Fetch-Site": site} if site else {})
    assert server.post("/order-desk/test/act", headers=headers).status_code == 403
    forged = headers | {"X-Order-Desk": "./"}
    assert server.post("/order-desk/test/act", headers=forged).status_code == 403


def test_a_dag_that_a_user_may_not_read_hides_its_pipeline(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an auth manager with permissions for single DAGs decides."""
    from airflow.api_fastapi.app import get_auth_manager

    asked = []

    def denied(**question: Any) -> bool:
        asked.append((question["method"], question["details"].id))
        return bool(question["details"].id != PIPELINE)

    monkeypatch.setattr(get_auth_manager(), "is_authorized_dag", denied)
    assert server.get("/order-desk/tile.json", headers=signed_in("viewer")).status_code == 200
    assert ("GET", PIPELINE) in asked
    monkeypatch.setattr(get_auth_manager(), "is_authorized_dag", lambda **question: False)
    answer = server.get("/order-desk/tile.json", headers=signed_in("viewer"))
    assert (answer.status_code, "permission to read its DAG" in answer.text) == (403, True)


def test_an_airflow_with_teams_is_asked_for_the_team_of_each_dag(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.models.dag import DagModel

    asked = {}

    def remember(**question: Any) -> bool:
        asked[question["details"].id] = question["details"].team_name
        return True

    monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "True")
    monkeypatch.setattr(DagModel, "get_dag_id_to_team_name_mapping", lambda dags: dict.fromkeys(dags, "brand"))
    monkeypatch.setattr(get_auth_manager(), "is_authorized_dag", remember)
    assert server.get("/order-desk/tile.json", headers=signed_in("viewer")).status_code == 200
    assert asked[PIPELINE] == asked["quarantine_replay"] == "brand"


def test_the_plugin_names_pages_below_any_base_url(server: Any) -> None:
    """Absolute URLs would ignore the path of ``[api] base_url``."""
    answer = server.get("/api/v2/plugins", headers={"Authorization": f"Bearer {token('admin')}"})
    (ours,) = [plugin for plugin in answer.json()["plugins"] if plugin["name"] == "order_relay"]
    views = {view["destination"]: view for view in ours["external_views"]}
    assert (views["nav"]["href"], views["nav"]["url_route"], views["nav"]["nav_top_level"]) == (
        "order-desk/",
        "orders",
        True,
    )
    assert views["dag_run"]["href"] == "order-desk/runs/{DAG_ID}/{RUN_ID}"
    (tile,) = ours["react_apps"]
    files = [tile["bundle_url"], *(view[icon] for view in views.values() for icon in ("icon", "icon_dark_mode"))]
    for file in files:
        assert not file.startswith("/")
        assert server.get(f"/{file}").status_code == 200
    assert f"globalThis.{tile['name']} =" in server.get(f"/{tile['bundle_url']}").text


def test_the_stop_switch_is_stored_where_every_process_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from order_relay.airflow.desk.host import AirflowHost
    from order_relay.airflow.installation import Installation
    from order_relay.errors import ConfigurationError

    host = AirflowHost(Installation())
    host.set_stop_switch(PIPELINE)
    assert host.stop_switch().pipelines == {PIPELINE}
    monkeypatch.setenv("AIRFLOW_VAR_ORDER_RELAY_STOP", "true")
    with pytest.raises(ConfigurationError, match=r"EnvironmentVariablesBackend.*has precedence"):
        host.set_stop_switch("false")
    monkeypatch.delenv("AIRFLOW_VAR_ORDER_RELAY_STOP")
    assert host.stop_switch().pipelines == {PIPELINE}
    host.set_stop_switch("false")
    assert not host.stop_switch().stops(PIPELINE)


def test_a_run_has_its_page_in_airflow_and_none_beside_it() -> None:
    from order_relay.airflow.desk.host import AirflowHost
    from order_relay.airflow.installation import Installation

    inside, outside = AirflowHost(Installation()), AirflowHost(Installation(), pages=False)
    assert inside.run_path(PIPELINE, "manual__2026-01-01T00:00:00+00:00").endswith(
        "/runs/manual__2026-01-01T00%3A00%3A00%2B00%3A00"
    )
    assert outside.run_path(PIPELINE, "manual") == ""


def test_doctors_findings_without_the_vendors_and_the_whole_ledger(server: Any) -> None:
    from order_relay.airflow.desk.host import AirflowHost
    from order_relay.airflow.installation import Installation

    found = list(AirflowHost(Installation()).findings(vendors=False))
    checks = {finding.check for finding in found}
    assert {"ledger", "stop switch", "alerts"} <= checks
    assert "accounting check" not in checks
    assert {finding.level for finding in found} <= {"ok", "skip", "warn"}
