"""Every route of the desk by every kind of user. A route that is added without a permission fails here."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount, Route
from starlette.testclient import TestClient

from order_relay.desk.access import Principal
from order_relay.desk.deployment import DeskDeployment
from order_relay.desk.security import HEADERS
from order_relay.desk.standalone.accounts import Account, Accounts
from order_relay.desk.standalone.login import SessionAccess, create_standalone_app
from tests.support.desk import ADMIN, OWN_PAGE, PIPELINE, FixedHost, FixedParts, desk_app, desk_client

PERMISSIONS = ("may_act", "may_configure", "may_reveal")
OPEN = {"POST /login", "POST /logout"}
"""Routes of the desk with its own login that need no permission."""

ROUTES = [
    (method, route.path)
    for route in desk_app().routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods - {"HEAD"})
]
CHANGES = [(method, path) for method, path in ROUTES if method != "GET"]
EVERYTHING = dict.fromkeys(PERMISSIONS, True)


def status(user: Principal | None, method: str, path: str) -> int:
    """The answer to a request with arbitrary values; without a ledger, a permitted one fails later."""
    with desk_client(desk_app(user=user)) as client:
        answer = client.request(method, re.sub(r"\{[^}]*\}", "1", path))
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    return int(answer.status_code)


def test_all_routes_are_known_kinds() -> None:
    """Others would escape the tests below."""

    def plain(route: BaseRoute) -> bool:
        return isinstance(route, APIRoute) or (isinstance(route, Mount) and route.path == "/static")

    assert [route for route in desk_app().routes if not plain(route)] == []
    assert ROUTES
    assert {method for method, _ in ROUTES} <= {"GET", "POST"}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_who_is_not_signed_in_gets_nothing(method: str, path: str) -> None:
    assert status(None, method, path) == 401


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_who_may_see_no_pipeline_gets_nothing(method: str, path: str) -> None:
    assert status(Principal("new", frozenset(), **EVERYTHING), method, path) == 403


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_a_change_needs_exactly_one_permission(method: str, path: str) -> None:
    """A viewer gets 403; each change belongs to one of the permissions, and an admin has it."""
    assert status(Principal("viewer", ADMIN.pipelines), method, path) == 403
    allowed = [
        name
        for name in PERMISSIONS
        if status(Principal("one", ADMIN.pipelines, **{name: True}), method, path) not in {401, 403}
    ]
    assert len(allowed) == 1, allowed
    assert status(ADMIN, method, path) not in {401, 403}


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_a_change_from_elsewhere_is_refused(method: str, path: str) -> None:
    with TestClient(desk_app()) as client:
        answer = client.request(method, re.sub(r"\{[^}]*\}", "1", path), headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


@pytest.fixture(scope="module")
def standalone() -> Iterator[TestClient]:
    accounts = Accounts({"ann": Account("ann", "", "admin")}, 60, 60)
    access = SessionAccess(lambda: accounts, [PIPELINE], secure=False)
    app = create_standalone_app(DeskDeployment(FixedParts(), FixedHost()), access)
    added = [route for route in app.routes if isinstance(route, Route) and (route.path not in {p for _, p in ROUTES})]
    assert {f"{method} {route.path}" for route in added for method in route.methods or ()} == OPEN
    with TestClient(app, headers=OWN_PAGE) as client:
        yield client


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_desk_with_its_own_login_shows_nothing_without_it(method: str, path: str, standalone: TestClient) -> None:
    assert standalone.request(method, re.sub(r"\{[^}]*\}", "1", path)).status_code == 401
