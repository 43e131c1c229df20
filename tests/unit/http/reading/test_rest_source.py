"""A plain source is one declaration: a shop as WooCommerce's, read in windows and acknowledged order by order."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import pytest

from order_relay.errors import (
    ConfigurationError,
    MalformedResponseError,
    OutcomeUnknownError,
    SourceAuthError,
    ThrottledError,
    TransientError,
)
from order_relay.http.auth.credentials import basic_auth
from order_relay.http.reading.acknowledging import (
    ACCEPTED,
    NOT_FOUND,
    SHOP_CANCELLED,
    AcknowledgeEach,
    AcknowledgementMethod,
    AcknowledgeTogether,
    OrderStates,
)
from order_relay.http.reading.details import OrderDetail
from order_relay.http.reading.order_list import OrderList
from order_relay.http.reading.pages import ListShape, PageNumbers
from order_relay.http.reading.read_settings import ReadLimits
from order_relay.http.reading.rest_source import RestSource
from order_relay.http.reading.window import TimeWindow
from order_relay.orders.messages import DETAIL_MISSING, DETAIL_UNREADABLE, Acknowledgement, Selection, SourceListing
from order_relay.pipeline.ports import Source
from tests.support.http_server import client_of, vendor

DETAIL = OrderDetail(path="wc/orders/{id}")
COMPLETED = AcknowledgeEach(method="PUT", detail=DETAIL, members={"status": "completed"})
CAREFUL = AcknowledgeEach(
    method="PUT",
    detail=DETAIL,
    members={"status": "completed"},
    states=OrderStates(
        detail=DETAIL, member="status", open=("processing",), done=("completed",), cancelled=("cancelled",)
    ),
)
DAY = Selection(start=datetime(2026, 7, 1, tzinfo=UTC), end=datetime(2026, 7, 2, tzinfo=UTC))


class Shop:
    """Orders by id. ``spoil`` may answer in the shop's place."""

    def __init__(self, *ids: int) -> None:
        self.orders = {n: {"id": n, "status": "processing", "total": "1.50"} for n in ids}
        self.spoil: Callable[[httpx.Request], httpx.Response | None] = lambda _: None
        self.calls: list[tuple[str, str]] = []
        self.queries: list[dict[str, str]] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/wc/orders").strip("/")
        self.calls.append((request.method, path))
        if (spoiled := self.spoil(request)) is not None:
            return spoiled
        if path == "batch":
            return self._batch(json.loads(request.content)["update"])
        if not path:
            return self._list(dict(request.url.params))
        found = self.orders.get(int(path))
        if found is None:
            return httpx.Response(404, json={"code": "invalid_id", "message": "Invalid ID."})
        if request.method == "PUT":
            found |= json.loads(request.content)
        return httpx.Response(200, json=found)

    def _list(self, query: dict[str, str]) -> httpx.Response:
        self.queries.append(query)
        page, size = int(query["page"]), int(query["per_page"])
        rows = [order for order in self.orders.values() if order["status"] == query["status"]]
        headers = {"X-WP-Total": str(len(rows)), "X-WP-TotalPages": str(-(-len(rows) // size))}
        return httpx.Response(200, json=rows[(page - 1) * size : page * size], headers=headers)

    def _batch(self, updates: list[dict[str, Any]]) -> httpx.Response:
        rows = []
        for update in updates:
            found = self.orders.get(int(update["id"]))
            if found is None:
                rows.append({"id": int(update["id"]), "error": {"message": "Invalid ID."}})
            else:
                found |= {"status": update["status"]}
                rows.append(dict(found))
        return httpx.Response(200, json={"update": rows})

    def source(self, *, complete: bool = False, acknowledgement: AcknowledgementMethod = COMPLETED) -> RestSource:
        return RestSource(
            name="Woo",
            settings=vendor().settings,
            account="woo:https://vendor.example",
            format=cast("Any", None),
            auth=basic_auth("key", "s3cret"),
            orders=OrderList(
                path="wc/orders",
                query={"status": "processing"},
                pager=PageNumbers(size=2),
                shape=ListShape(total="X-WP-Total", pages="X-WP-TotalPages"),
                window=TimeWindow(start="after", end="before", format="%Y-%m-%dT%H:%M:%S", excludes=True),
                complete=complete,
            ),
            detail=DETAIL,
            acknowledgement=acknowledgement,
            limits=ReadLimits(parallel=3, tries=3, pause_s=0.5, max_wait_s=5),
            counts=lambda document: document.get("shop", 1) == 1,
            http=client_of(self),
            sleep=self.pauses.append,
        )

    def count(self, method: str, path: str) -> int:
        return self.calls.count((method, path))


def batch() -> AcknowledgeTogether:
    def answers(document: dict[str, Any] | None, names: Any) -> Mapping[str, Acknowledgement]:
        rows = (document or {}).get("update", ())
        return {
            str(row["id"]): Acknowledgement("error" not in row, row.get("error", {}).get("message", "")) for row in rows
        }

    def body(names: Any) -> dict[str, Any]:
        return {"update": [{"id": int(name), "status": "completed"} for name in names]}

    return AcknowledgeTogether(path="wc/orders/batch", document=body, answers=answers)


def ids(orders: Any) -> list[Any]:
    return [order.document["id"] for order in orders]


def failing(*paths: str, status: int = 500) -> Callable[[httpx.Request], httpx.Response | None]:
    return lambda r: httpx.Response(status) if r.url.path.rsplit("/", 1)[-1] in paths else None


def test_it_is_a_source():
    source: Source = Shop().source()
    assert (source.windowed, source.acknowledges) == (True, "source_id")
    assert "s3cret" not in repr(source)


def test_the_window_and_the_whole_list_come_before_the_orders_in_full():
    shop = Shop(1, 2, 3)
    found = list(shop.source().fetch(DAY))
    assert ids(found) == [1, 2, 3]
    assert found[0].document["_listed"] == {"id": 1, "status": "processing", "total": "1.50"}
    assert shop.queries[0] == {
        "status": "processing",
        "after": "2026-06-30T23:59:59",
        "before": "2026-07-02T00:00:01",
        "per_page": "2",
        "page": "1",
    }
    assert [path for _, path in shop.calls[:4]] == [""] * 4, "two passes over two pages"


def test_a_list_of_whole_orders_needs_no_further_requests():
    shop = Shop(1, 2)
    found = list(shop.source(complete=True).fetch(DAY))
    assert [order.document for order in found] == list(shop.orders.values())
    assert shop.calls == [("GET", "")]


def test_ids_are_read_besides_the_window_and_alone():
    shop = Shop(1, 2, 7)
    shop.orders[7]["status"] = "completed"
    for complete in (True, False):
        source = shop.source(complete=complete)
        assert ids(source.fetch(Selection(order_ids=("7",)))) == [7]
        assert ids(source.fetch(Selection(order_ids=("7", "1"), start=DAY.start))) == [1, 2, 7]
        with pytest.raises(ConfigurationError, match="order ids consist of letters"):
            list(source.fetch(Selection(order_ids=("../x",))))


@pytest.mark.parametrize("complete", [True, False])
def test_orders_for_later_are_listed_but_not_read_and_foreign_ones_are_excluded(complete):
    shop, listing = Shop(1, 2, 3), SourceListing()
    shop.orders[2]["shop"] = 9
    found = list(
        shop.source(complete=complete).fetch(Selection(start=DAY.start, later=frozenset("3"), listing=listing))
    )
    assert ids(found) == [1]
    assert listing.expected == ["1", "3"]
    assert shop.count("GET", "3") == 0


def test_an_order_that_cannot_be_read_is_offered_with_a_problem_and_the_others_proceed():
    shop = Shop(*range(1, 7))
    shop.spoil = lambda r: failing("2")(r) or failing("5", status=404)(r)
    found = list(shop.source().fetch(DAY))
    assert [(order.document["id"], order.problem) for order in found] == [
        (1, ""), (2, DETAIL_UNREADABLE), (3, ""), (4, ""), (5, DETAIL_MISSING), (6, "")
    ]  # fmt: skip
    assert found[1].document["_listed"]["total"] == "1.50"
    assert shop.count("GET", "2") == 3
    assert shop.pauses == [0.5, 2.0]


def test_a_source_that_fails_as_a_whole_ends_the_run_unless_the_failures_are_known():
    shop = Shop(*range(1, 7))
    shop.spoil = failing("1", "2", "3", "4")
    with pytest.raises(TransientError, match="4 of 6 orders cannot be read"):
        list(shop.source().fetch(DAY))
    known = frozenset("1234")
    assert len(list(shop.source().fetch(Selection(start=DAY.start, known=known)))) == 6
    shop.spoil = failing("1", "2", "3", "4", status=404)
    with pytest.raises(MalformedResponseError, match="Woo lists orders but answers HTTP 404 for their details"):
        list(shop.source().fetch(DAY))


def test_an_answer_for_another_order_is_not_this_order():
    shop = Shop(1, 2)
    shop.spoil = lambda r: httpx.Response(200, json={"id": 9}) if r.url.path.endswith("/1") else None
    found = list(shop.source().fetch(DAY))
    assert [order.problem for order in found] == [DETAIL_UNREADABLE, ""]


def test_a_wrapped_order_is_unwrapped():
    shop = Shop(1)
    source = shop.source()
    source.detail = OrderDetail(path="wc/orders/{id}", member="order")
    shop.spoil = lambda r: httpx.Response(200, json={"order": {"id": 1, "a": 2}})
    assert [order.document for order in source.fetch(Selection(order_ids=("1",)))] == [{"id": 1, "a": 2}]


# Acknowledging


@pytest.mark.parametrize("method", [COMPLETED, CAREFUL, batch()])
def test_orders_are_acknowledged_and_each_has_its_answer(method):
    shop = Shop(1, 2)
    source = shop.source(acknowledgement=method)
    assert source.acknowledge([]) == {}
    found = source.acknowledge(["1", "9", "2", "1"])
    assert [found[name].accepted for name in ("1", "2", "9")] == [True, True, False]
    assert {order["status"] for order in shop.orders.values()} == {"completed"}


def test_some_may_fail_alone():
    shop = Shop(1, 2, 3, 4)
    shop.spoil = lambda r: (
        failing("2")(r) or failing("3", status=422)(r) or failing("4", status=404)(r) if r.method == "PUT" else None
    )
    assert shop.source().acknowledge(["1", "2", "3", "4"]) == {
        "1": ACCEPTED,
        "3": Acknowledgement(False, "HTTP 422"),
        "4": NOT_FOUND,
    }


def test_if_no_order_gets_an_answer_the_outcome_is_unknown():
    shop = Shop(1, 2)
    shop.spoil = failing("1", "2", "batch")
    for method in (COMPLETED, batch()):
        with pytest.raises(OutcomeUnknownError):
            shop.source(acknowledgement=method).acknowledge(["1", "2"])
    shop.spoil = lambda _: httpx.Response(200, json={"update": []})
    with pytest.raises(OutcomeUnknownError, match="no answer for any"):
        shop.source(acknowledgement=batch()).acknowledge(["1", "2"])


def test_many_orders_are_acknowledged_in_portions_of_which_one_may_fail():
    shop = Shop(1, 2, 3, 4, 5)
    requests = iter(range(9))
    shop.spoil = lambda _: httpx.Response(500) if next(requests) == 1 else None
    method = replace(batch(), size=2)
    assert list(shop.source(acknowledgement=method).acknowledge(list("12345"))) == ["1", "2", "5"]


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (401, {}, SourceAuthError),
        (403, {}, SourceAuthError),
        (429, {"Retry-After": "99"}, ThrottledError),
        (301, {}, ConfigurationError),
    ],
)
@pytest.mark.parametrize("method", [COMPLETED, batch()])
def test_what_concerns_all_orders_is_an_error(status, headers, error, method):
    shop = Shop(1, 2)
    shop.spoil = lambda _: httpx.Response(status, headers=headers)
    with pytest.raises(error):
        shop.source(acknowledgement=method).acknowledge(["1", "2"])


def test_an_order_is_changed_only_in_the_states_that_allow_it():
    shop = Shop(1, 2, 3, 4)
    for number, state in ((2, "completed"), (3, "cancelled"), (4, "on-hold")):
        shop.orders[number]["status"] = state
    assert shop.source(acknowledgement=CAREFUL).acknowledge(["1", "2", "3", "4"]) == {
        "1": ACCEPTED,
        "2": ACCEPTED,
        "3": SHOP_CANCELLED,
        "4": Acknowledgement(False, "its state is on-hold; it was not changed"),
    }
    assert [path for method, path in shop.calls if method == "PUT"] == ["1"]


def test_a_response_without_the_members_proves_nothing_and_other_values_are_a_refusal():
    shop = Shop(1)
    shop.spoil = lambda r: httpx.Response(200, json={"gateway": "ok"}) if r.method == "PUT" else None
    assert shop.source().acknowledge(["1"])["1"].message == "accepted, but status has another value afterwards"
    shop.spoil = lambda r: httpx.Response(204) if r.method == "PUT" else None
    by_status = AcknowledgeEach(method="PUT", detail=DETAIL, members={"status": "completed"}, proven_by_status=True)
    assert shop.source(acknowledgement=by_status).acknowledge(["1"]) == {"1": ACCEPTED}


def test_closing_closes_the_connections():
    shop = Shop(1)
    source = shop.source()
    source.close()
    list(source.fetch(DAY))
    source.close()
    assert source.http is not None
    assert source.http.is_closed
