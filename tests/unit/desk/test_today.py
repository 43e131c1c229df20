"""*Today* on a real ledger: tiles, banners, what needs attention, and charts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from order_relay.batches import BatchStore
from order_relay.desk.pages.today import compared, duration
from order_relay.ledger import Alert, Ledger
from order_relay.ledger.reporting.trends import SoFar
from order_relay.pipeline.runs.stop_switch import StopSwitch
from tests.support.desk import OTHER, PIPELINE, VIEWER, FixedHost, FixedParts, desk_app, desk_client
from tests.support.desk import main_text as text
from tests.support.stopped_orders import StoppedOrders


@pytest.fixture
def host() -> FixedHost:
    return FixedHost()


@pytest.fixture(scope="module")
def orders(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoppedOrders]:
    folder = tmp_path_factory.mktemp("today")
    shutil.copy(sqlite_template, folder / "ledger.sqlite")
    ledger = Ledger.open(f"sqlite:///{folder / 'ledger.sqlite'}")
    made = StoppedOrders(ledger, BatchStore(folder.as_uri()))
    made.parts = replace(made.parts, ledger_url=str(ledger.database.url))
    yield made
    ledger.close()


@pytest.fixture
def client(orders: StoppedOrders, host: FixedHost) -> Iterator[TestClient]:
    with desk_client(desk_app(orders.parts, host=host)) as client:
        yield client


def test_tiles_count_today_and_what_is_open(client: TestClient) -> None:
    shown = text(client.get("/").text)
    for tile in ("Received 6", "Imported 1", "Needs attention 4", "In doubt 1", "Shipped 0"):
        assert tile in shown
    assert "4 new today" in shown
    assert "No earlier week to compare with" in shown


def test_tiles_and_reasons_lead_to_pages(client: TestClient) -> None:
    page = client.get("/").text
    links = re.findall(r'<li class="tile.*?<a href="\./([^"]*)"', page, re.DOTALL)
    assert len(links) == 5
    for link in links:
        if not link.startswith("attention"):
            assert client.get(f"/{unescape(link)}").status_code == 200, link


def test_the_tile_on_airflows_home_page_has_the_same_numbers(client: TestClient, host: FixedHost) -> None:
    found = client.get("/tile.json").json()
    numbers = {one["title"]: (one["number"], one["path"], one["tone"]) for one in found["numbers"]}
    assert numbers["Received"][0] == 6
    assert numbers["Needs attention"] == (4, "attention", "bad")
    assert numbers["In doubt"] == (1, "orders?state=in_doubt", "warn")
    assert found["stopped"] is False
    host.switch = StopSwitch(pipelines=frozenset({PIPELINE}))
    assert client.get("/tile.json").json()["stopped"] is True


def test_the_tile_of_a_new_installation_says_that_there_is_no_ledger_yet(tmp_path: Path) -> None:
    with desk_client(desk_app(FixedParts(f"sqlite:///{tmp_path / 'ledger.sqlite'}"))) as client:
        answer = client.get("/tile.json")
    assert answer.status_code == 200
    assert "a ledger is created by the first run of a pipeline" in answer.json()["problem"]


def test_what_needs_attention_is_grouped_by_reason_with_the_age_of_the_oldest(client: TestClient) -> None:
    page = client.get("/").text
    assert "total differs Quarantined 2 less than a minute" in text(page)
    assert re.search(r'href="\./attention\?kind=quarantined&amp;pipeline=[a-z_]+&amp;reason=total_differs"', page)


def test_nothing_to_do_says_when_the_source_was_read(sqlite_url: str) -> None:
    ledger = Ledger.open(sqlite_url)
    ledger.runs.bind(PIPELINE, "source", "destination")
    ledger.close()
    with desk_client(desk_app(FixedParts(sqlite_url))) as client:
        shown = text(client.get("/").text)
    assert f"Nothing needs you. {PIPELINE} has not been read yet." in shown


def test_a_user_sees_no_numbers_of_other_pipelines(orders: StoppedOrders) -> None:
    with desk_client(desk_app(orders.parts, replace(VIEWER, pipelines=frozenset({OTHER})))) as client:
        shown = text(client.get("/").text)
    assert "Received 0" in shown
    assert "Nothing needs you" in shown
    assert PIPELINE not in shown


def test_banners_say_what_stops_orders(client: TestClient, orders: StoppedOrders, host: FixedHost) -> None:
    orders.ledger.activity.record(who="ann", action="stop", why="OMS maintenance")
    orders.ledger.alerts.record(PIPELINE, [Alert("law", "law", "the accounting check FAILED")])
    host.switch = StopSwitch(everything=True)
    host.paused = {"watch": True, PIPELINE: True, "someone_elses": True}
    page = client.get("/").text
    banners = re.findall(r'class="banner banner-(\w+)">(.*?)</p>', page, re.DOTALL)
    levels = [level for level, _ in banners]
    assert levels == sorted(levels, key=["bad", "warn", "info"].index)
    shown = text(page)
    assert "Sending is stopped for all pipelines. ann, " in shown
    assert "OMS maintenance" in shown
    assert "the accounting check FAILED" in shown
    assert "The DAG watch is paused: no alerts and no daily summary are sent." in shown
    assert f"The DAG {PIPELINE} is paused" in shown
    assert "someone_elses" not in shown


def test_every_chart_has_a_name_and_a_table(client: TestClient) -> None:
    page = client.get("/").text
    names = re.findall(r'<svg class="drawing" role="img" aria-labelledby="(chart-\w+)"', page)
    assert len(names) == 3
    assert all(f'<figcaption id="{name}">' in page for name in names)
    assert page.count("<details>") == 3
    assert "style=" not in page
    today = datetime.now(UTC)
    assert re.search(rf'<th scope="row">{today:%a} {today.day} {today:%b}</th><td class="number">1</td>', page)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (SoFar(3, 4.6, 4), "Usually 5 by this time on a Thursday"),
        (SoFar(3, 4.6, 1), "Usually 5 by this time on a Thursday, of one week"),
        (SoFar(3, None, 0), "No earlier week to compare with"),
    ],
)
def test_a_number_is_compared_in_words(number: SoFar, words: str) -> None:
    assert compared(number, datetime(2026, 11, 26, tzinfo=UTC)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(60, "1 min"), (1_500, "25 min"), (4_500, "75 min"), (9_000, "2.5 h"), (216_000, "2.5 days"), (9e99, "over")],
)
def test_a_time_in_words(seconds: float, words: str) -> None:
    assert duration(seconds if seconds < 9e9 else float("inf")).startswith(words)
