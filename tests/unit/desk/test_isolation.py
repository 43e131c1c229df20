"""No route shows or changes an order of a pipeline that the user may not see, whatever else the user may do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from order_relay.batches import BatchStore
from order_relay.ledger import Ledger
from order_relay.ledger.schema.tables import metadata
from tests.support.desk import ADMIN, OTHER, PIPELINE, FixedHost, desk_app, desk_client
from tests.support.stopped_orders import StoppedOrders

ROUTES = [route for route in desk_app().routes if isinstance(route, APIRoute)]
STRANGER = replace(ADMIN, name="stranger", pipelines=frozenset({OTHER}))


@pytest.fixture(scope="module")
def host() -> FixedHost:
    return FixedHost()


@pytest.fixture(scope="module")
def orders(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, host: FixedHost) -> Iterator[StoppedOrders]:
    folder = tmp_path_factory.mktemp("isolation")
    shutil.copy(sqlite_template, folder / "ledger.sqlite")
    ledger = Ledger.open(f"sqlite:///{folder / 'ledger.sqlite'}")
    made = StoppedOrders(ledger, BatchStore(folder.as_uri()), host)
    made.parts = replace(made.parts, ledger_url=str(ledger.database.url))
    yield made
    ledger.close()


@pytest.fixture(scope="module")
def client(orders: StoppedOrders, host: FixedHost) -> Iterator[TestClient]:
    with desk_client(desk_app(orders.parts, STRANGER, host)) as client:
        yield client


@pytest.fixture(scope="module")
def owner(orders: StoppedOrders) -> Iterator[TestClient]:
    with desk_client(desk_app(orders.parts, ADMIN)) as client:
        yield client


def rows(orders: StoppedOrders) -> dict[str, Any]:
    """Everything in the ledger but the users' own views of the list."""
    with sa.create_engine(orders.ledger.database.url).connect() as connection:
        return {
            table.name: connection.execute(table.select()).all()
            for table in metadata.sorted_tables
            if table.name != "saved_view"
        }


def request(route: APIRoute, orders: StoppedOrders) -> tuple[str, str, dict[str, Any], dict[str, Any]]:
    """Method, path, query and form of a request for an existing order, its pipeline and its run."""
    word = route.path.rpartition("/")[2]
    known = {"pipeline": PIPELINE, "dag_id": PIPELINE, "run_id": "test", "confirmation": word}
    ((number, revision),) = orders.shown("clean").items()

    def values(fields: list[Any]) -> dict[str, Any]:
        return {
            field.alias: known.get(field.name)
            or (revision if field.name == "revision" else number if "int" in str(field.field_info.annotation) else "1")
            for field in fields
            if field.field_info.is_required()
        }

    needs, (method,) = route.dependant, route.methods - {"HEAD"}
    path = route.path.format_map(values(needs.path_params))
    return method, path, values(needs.query_params), values(needs.body_params)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{'/'.join(route.methods)} {route.path}")
def test_orders_of_other_pipelines_do_not_exist(
    route: APIRoute, client: TestClient, orders: StoppedOrders, host: FixedHost
) -> None:
    before = rows(orders)
    method, path, query, form = request(route, orders)
    answer = client.request(method, path, params=query, data=form)
    assert answer.status_code in {200, 204, 404, 422}, answer.text
    assert [number for number in orders.numbers.values() if number in answer.text] == []
    assert rows(orders) == before
    assert host.written == []


def test_the_same_requests_show_the_order_to_its_own_user(owner: TestClient, orders: StoppedOrders) -> None:
    """Otherwise the test above would prove nothing."""
    made = [request(route, orders) for route in ROUTES if "{" in route.path]
    shown = [path for method, path, query, _ in made if method == "GET" and owner.get(path, params=query).is_success]
    assert f"/orders/{orders.id('clean')}" in shown
    assert {f"/runs/{PIPELINE}/test", f"/orders/{orders.id('clean')}/content"} <= set(shown)
