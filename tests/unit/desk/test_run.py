"""A run's page: its orders and report, found by Airflow's run id or by the slug."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from order_relay.batches import BatchStore
from order_relay.ledger import Ledger
from order_relay.orders.messages import RunContext
from order_relay.pipeline.runs.objects import run_id_of, run_slug
from tests.support.desk import OTHER, PIPELINE, VIEWER, desk_app, desk_client
from tests.support.desk import main_text as text
from tests.support.stopped_orders import StoppedOrders

RUN_ID = "manual__2026-11-21T02:00:00+00:00"


@pytest.fixture(scope="module")
def orders(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoppedOrders]:
    folder = tmp_path_factory.mktemp("run")
    (folder / "ledger.sqlite").write_bytes(sqlite_template.read_bytes())
    ledger = Ledger.open(f"sqlite:///{folder / 'ledger.sqlite'}")
    made = StoppedOrders(ledger, BatchStore(folder.as_uri()))
    made.parts = replace(made.parts, ledger_url=str(ledger.database.url))
    ctx = RunContext(PIPELINE, run_slug(RUN_ID))
    ledger.runs.begin(ctx, "run")
    ledger.bulk.replay(ctx, made.shown("clean"), "fixed", made.shown("clean"))
    ledger.runs.end(ctx, {"balanced": "yes"})
    made.store.write_text(f"{PIPELINE}/runs/{ctx.run}/report.md", "## Report <b>")
    yield made
    ledger.close()


@pytest.fixture
def client(orders: StoppedOrders) -> Iterator[TestClient]:
    with desk_client(desk_app(orders.parts)) as client:
        yield client


@pytest.mark.parametrize("name", [RUN_ID, run_slug(RUN_ID)])
def test_a_run_shows_its_orders_and_its_report(client: TestClient, orders: StoppedOrders, name: str) -> None:
    page = client.get(f"/runs/{PIPELINE}/{name}", headers={"X-Order-Desk": "../../"}).text
    number = orders.numbers["clean"]
    assert f'<a href="../../orders/{orders.id("clean")}"><bdi>{number}</bdi></a>' in page
    assert f'href="../../orders?run={run_slug(RUN_ID).replace("+", "%2B")}"' in page
    assert f'href="../../../dags/{PIPELINE}/runs/{RUN_ID}"' in page
    assert "Received 1" in text(page)
    assert "## Report &lt;b&gt;" in page
    assert orders.numbers["rejected"] not in page


def test_a_run_of_a_pipeline_that_the_user_may_not_see_is_empty(orders: StoppedOrders) -> None:
    with desk_client(desk_app(orders.parts, replace(VIEWER, pipelines=frozenset({OTHER})))) as client:
        page = client.get(f"/runs/{PIPELINE}/{RUN_ID}").text
    assert orders.numbers["clean"] not in page
    assert "## Report" not in page


def test_a_comparison_with_the_oms_shows_its_report(client: TestClient, orders: StoppedOrders) -> None:
    orders.store.write_text(f"{PIPELINE}/runs/manual/reconcile.md", "2 differences")
    shown = text(client.get("/runs/reconcile/manual").text)
    assert "It compares the ledger with the OMS" in shown
    assert f"Report of {PIPELINE} 2 differences" in shown


@pytest.mark.parametrize(
    ("dag", "says"),
    [
        (PIPELINE, "The run changed no order"),
        ("watch", "It sends alerts and the daily summary"),
        ("somebody_elses", "It changed no order."),
    ],
)
def test_a_run_without_orders_says_why(client: TestClient, dag: str, says: str) -> None:
    assert says in text(client.get(f"/runs/{dag}/scheduled__2026-01-01T00:00:00+00:00").text)


@pytest.mark.parametrize(
    "run_id", [RUN_ID, "scheduled__2026-11-21T02:00:00.123456+00:00", "asset_triggered__2026-11-21T02:00:00+00:00_aB3"]
)
def test_airflows_own_run_ids_are_told_from_their_slugs(run_id: str) -> None:
    assert run_id_of(run_slug(run_id)) == run_id


@pytest.mark.parametrize("run_id", ["by hand: 3", "manual__2026-11-21T02-00-00+00:00"])
def test_other_run_ids_are_not_guessed(run_id: str) -> None:
    assert run_id_of(run_slug(run_id)) in {"", run_id}
