"""The page of the list of orders, its export and its saved views."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from order_relay.desk.access import Principal
from order_relay.desk.pages import orders as page
from order_relay.ledger import Ledger
from order_relay.ledger.schema.oms_tables import oms_status
from order_relay.ledger.schema.tables import pipeline, submission
from tests.support.desk import ADMIN, PIPELINE, VIEWER, FixedParts, desk_app, desk_client
from tests.support.ledger_rows import IMPORTED

pytestmark = pytest.mark.unit

NOW = datetime(2026, 5, 31, 12, tzinfo=UTC)
OTHER = "other_pipeline"
HOSTILE = ['<script>alert("1")</script>', "=cmd()|' /C calc'!A0", "\u202eabc", "'><img src=x onerror=alert(1)>"]


def row(number: int, **values: Any) -> dict[str, Any]:
    at = NOW - timedelta(hours=number)
    return {
        **IMPORTED,
        "id": number,
        "pipeline": PIPELINE,
        "source_id": f"S{number}",
        "lineage": f"L{number}",
        "order_number": f"SO-{number}",
        "destination": "oms",
        "first_offered_at": at,
        "last_offered_at": at,
        "changed_at": at,
        "oms_id": f"OMS{number}",
        "total_minor": 123_456,
        **values,
    }


def at_oms(number: int, reading: str, **values: Any) -> dict[str, Any]:
    empty = {"received": "", "cancelled": "[]", "misses": 0, "problem": "", "due_at": NOW}
    return {"submission_id": number, "pipeline": PIPELINE, "reading": reading, "changed_at": NOW, **empty, **values}


@pytest.fixture(scope="module")
def url(sqlite_template: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    import shutil

    path = tmp_path_factory.mktemp("orders_page") / "ledger.sqlite"
    shutil.copy(sqlite_template, path)
    orders = [row(n) for n in range(1, 101)]
    orders += [
        row(101, state="quarantined", reason="not_in_table", order_number="BAD-1", oms_id=None),
        row(102, pipeline=OTHER, order_number="SECRET-1", customer_po="SECRET-PO"),
        row(103, shipped="partly", customer_po="PO-9"),
        *(
            row(200 + n, order_number=text, customer_po=text, oms_id=text, source_id=f"H{n}", state="held", reason=text)
            for n, text in enumerate(HOSTILE)
        ),
    ]
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as conn:
        bound = {"bound_at": NOW, "last_sequence": 1, "unproven": False, "destination_account": "oms"}
        conn.execute(pipeline.insert(), [{"name": n, "source_account": n, **bound} for n in (PIPELINE, OTHER)])
        defaults = {"shipped": None}
        conn.execute(submission.insert(), [{**defaults, **one} for one in orders])
        conn.execute(oms_status.insert(), [at_oms(1, "open"), at_oms(2, ""), at_oms(3, "cancelled", due_at=None)])
    engine.dispose()
    return f"sqlite:///{path}"


@pytest.fixture
def client(url: str) -> Iterator[TestClient]:
    with desk_client(desk_app(FixedParts(url), ADMIN)) as made:
        yield made


def as_user(url: str, user: Principal) -> TestClient:
    return desk_client(desk_app(FixedParts(url), user))


def shown(text: str) -> list[str]:
    return [html.unescape(number) for number in re.findall(r'data-label="Number"[^>]*><a [^>]*><bdi>(.*?)</bdi>', text)]


def links(text: str, rel: str) -> list[str]:
    return [html.unescape(link) for link in re.findall(rf'rel="{rel}" href="\./(.*?)"', text)]


def test_pages_follow_each_other_in_both_directions(client: TestClient) -> None:
    first = client.get("/orders?sort=received&state=imported").text
    assert len(shown(first)) == page.PAGE
    (onward,) = links(first, "next")
    second = client.get(f"/{onward}").text
    third = client.get("/" + links(second, "next")[0]).text
    found = [*shown(first), *shown(second), *shown(third)]
    assert found == [f"SO-{n}" for n in (103, *range(100, 0, -1))]
    assert shown(client.get("/" + links(second, "prev")[0]).text) == shown(first)
    assert "101 orders" in first


def test_states_and_reasons_are_shown_by_title(client: TestClient) -> None:
    text = client.get("/orders?state=quarantined").text
    assert shown(text) == ["BAD-1"]
    assert "No row in a code table" in text
    assert "1,234.56 USD" in text
    assert 'aria-sort="descending"' in text
    assert "Partly" in client.get("/orders?q=so-103").text


def test_orders_are_found_by_their_status_at_the_oms(client: TestClient) -> None:
    both = client.get("/orders?oms=open&oms=no_answer").text
    assert shown(both) == ["SO-1", "SO-2"]
    assert "Open at the OMS · No answer yet at the OMS" in both
    assert shown(client.get("/orders?oms=cancelled").text) == ["SO-3"]
    assert "No order matches this filter" in client.get("/orders?oms=rejected").text
    health = client.get("/health").text
    assert f'orders?oms=no_answer&amp;pipeline={PIPELINE}">No answer yet</a>' in health
    assert "oms=cancelled" not in health, "it is finished"


def test_a_search_for_one_order_opens_it(client: TestClient) -> None:
    answer = client.get("/orders?q=OMS7", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "orders/7")
    assert shown(client.get("/orders?q=so-10").text) == ["SO-10", "SO-100", "SO-103"]


def test_an_order_of_another_pipeline_is_not_found(client: TestClient) -> None:
    for query in ("q=SECRET-1", "q=SECRET-PO", "q=S102", "q=OMS102", f"q=SECRET&pipeline={PIPELINE}"):
        answer = client.get(f"/orders?{query}", follow_redirects=False)
        assert (answer.status_code, shown(answer.text)) == (200, [])
    assert client.get(f"/orders?pipeline={OTHER}").status_code == 422
    assert "SECRET" not in client.get("/orders.csv").text


def test_the_page_says_why_it_is_empty(client: TestClient) -> None:
    assert "No order number begins with" in client.get("/orders?q=nothing").text
    assert "No order matches this filter" in client.get("/orders?state=waiting").text


def test_hostile_texts_are_inert(client: TestClient) -> None:
    text = client.get("/orders?state=held").text
    assert sorted(shown(text)) == sorted(HOSTILE)
    assert "<script>alert" not in text
    assert "<img" not in text
    for term in HOSTILE:
        again = client.get("/orders", params={"q": term, "state": "waiting"}).text
        assert "<script>alert" not in again
        assert "<img" not in again
    table = list(csv.reader(io.StringIO(client.get("/orders.csv?state=held").text.removeprefix("\ufeff"))))
    assert len(table) == 1 + len(HOSTILE)
    assert not [cell for line in table for cell in line if cell.startswith(("=", "+", "@", "-"))]


def test_the_export_is_a_file_of_the_filter(client: TestClient) -> None:
    answer = client.get("/orders.csv?state=imported&q=SO-1")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="orders-\d{8}-\d{4}\.csv"', answer.headers["content-disposition"])
    assert answer.headers["cache-control"] == "no-store"
    table = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [line["order_number"] for line in table][:2] == ["SO-1", "SO-10"]
    assert {(line["total"], line["currency"], line["state"]) for line in table} == {("1234.56", "USD", "imported")}


@pytest.mark.parametrize(
    "query",
    ["state=x", "sort=total", "after=x", "received_from=x", "waiting=-1", "timezone=x", "&".join(["state=held"] * 200)],
)
def test_a_wrong_parameter_is_refused_with_a_message(client: TestClient, query: str) -> None:
    assert client.get(f"/orders?{query}").status_code == 422
    if not query.startswith(("sort", "after")):
        assert client.get(f"/orders.csv?{query}").status_code == 422


def test_a_view_is_saved_shared_renamed_and_deleted(url: str, client: TestClient) -> None:
    form = {"name": "Stuck <b>", "query": "state=held&state=waiting&sort=received&after=abc&x=1", "shared": "true"}
    assert client.post("/orders/views", data=form).status_code == 204
    text = client.get("/orders").text
    assert 'href="./orders?state=held&amp;state=waiting&amp;sort=received"' in text
    assert "Stuck &lt;b&gt;" in text
    ledger = Ledger.open(url)
    (view,) = ledger.saved_views.visible_to("admin")
    assert (view["query"], view["shared"]) == ("state=held&state=waiting&sort=received", True)
    with as_user(url, Principal("bob", ADMIN.pipelines, may_act=True)) as bob:
        assert "by <bdi>admin</bdi>" in bob.get("/orders").text
        assert bob.post(f"/orders/views/{view['id']}/rename", data={"name": "x"}).status_code == 404
        assert bob.post(f"/orders/views/{view['id']}/delete").status_code == 404
    assert client.post(f"/orders/views/{view['id']}/rename", data={"name": "Waiting"}).status_code == 204
    assert client.post("/orders/views", data={"name": "Other", "query": ""}).status_code == 204
    assert client.post(f"/orders/views/{view['id']}/rename", data={"name": "Other"}).status_code == 422
    assert client.post("/orders/views", data={"name": " ", "query": ""}).status_code == 422
    assert client.post("/orders/views", data={"name": "Wrong", "query": "state=x"}).status_code == 422
    for one in ledger.saved_views.visible_to("admin"):
        assert client.post(f"/orders/views/{one['id']}/delete").status_code == 204
    assert ledger.saved_views.visible_to("admin") == []
    ledger.close()


def test_a_viewer_sees_the_list_without_forms_that_change(url: str) -> None:
    with as_user(url, VIEWER) as viewer:
        text = viewer.get("/orders?state=held").text
        assert "hx-post" not in text
        assert viewer.post("/orders/views", data={"name": "x"}).status_code == 403
