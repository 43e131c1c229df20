"""Lists of orders page by page: every pager, its guards, and lists that move while they are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from order_relay.errors import ConfigurationError, MalformedResponseError, OrderRelayError, TransientError
from order_relay.http.auth.credentials import bearer
from order_relay.http.reading import order_list
from order_relay.http.reading.order_list import OrderList, read_list, read_summaries
from order_relay.http.reading.pages import Cursors, Links, ListShape, Offsets, PageNumbers, Pager
from order_relay.http.reading.status_table import StatusTable
from order_relay.http.reading.transport import Transport
from tests.support.http_server import BASE, Handler, client_of, vendor

ORDERS = f"{BASE}/orders"


class Shop:
    """Serves ``ids`` in pages of ``size``, in each of the styles. ``between`` is called before each later page."""

    def __init__(self, ids: list[int], size: int = 3, *, totals: bool = True) -> None:
        self.ids = ids
        self.size = size
        self.totals = totals
        self.between: Callable[[], None] = lambda: None
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        query = request.url.params
        start = int(query.get("offset") or query.get("cursor") or (int(query.get("page", 1)) - 1) * self.size)
        if start:
            self.between()
        rows = [{"id": number, "total": "1.10"} for number in self.ids[start : start + self.size]]
        end = start + self.size
        more = end < len(self.ids)
        body: Any = rows
        headers = {"X-Total": str(len(self.ids)), "X-Pages": str(-(-len(self.ids) // self.size))} if self.totals else {}
        if more and "cursor" not in request.url.path:
            headers["Link"] = f'<{ORDERS}?offset={end}>; rel="next", <{ORDERS}>; rel="first"'
        if "cursor" in request.url.path:
            body = {"orders": rows, "count": len(self.ids), "next_cursor": str(end) if more else None}
        return httpx.Response(200, json=body, headers=headers)


def numbers(totals: bool, **more: Any) -> OrderList:
    shape = ListShape(total="X-Total", pages="X-Pages") if totals else ListShape()
    return OrderList(path="orders", pager=PageNumbers(size=3), shape=shape, **more)


def declared(pager: Pager, totals: bool) -> OrderList:
    if isinstance(pager, Cursors):
        shape = ListShape(member="orders", total="count" if totals else "", next="next_cursor", others=("count",))
        return OrderList(path="orders/cursor", pager=pager, shape=shape)
    return OrderList(path="orders", pager=pager, shape=ListShape(total="X-Total" if totals else ""))


PAGERS: list[Pager] = [PageNumbers(), Offsets(), Offsets(linked=True), Links(), Cursors()]


def transport(handler: Handler) -> Transport:
    return Transport(vendor(), bearer("t"), StatusTable(), client=client_of(handler))


def ids(shop: Handler, wanted: OrderList) -> list[str]:
    return list(read_list(transport(shop), wanted, {}))


@pytest.mark.parametrize("pager", PAGERS)
@pytest.mark.parametrize("totals", [True, False])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 9, 10])
def test_every_pager_reads_every_order_once_in_the_lists_order(pager, totals, count):
    shop = Shop(list(range(1, count + 1)), totals=totals)
    assert ids(shop, declared(pager, totals)) == [str(n) for n in range(1, count + 1)]


def test_one_page_is_requested_once_and_several_pages_twice():
    shop = Shop([1, 2, 3])
    ids(shop, numbers(True))
    assert len(shop.requests) == 1
    shop.ids = [1, 2, 3, 4]
    ids(shop, numbers(True))
    assert len(shop.requests) == 1 + 2 * 2


def test_constant_parameters_the_window_and_the_page_size_are_sent_with_each_page():
    shop = Shop([1, 2, 3, 4])
    wanted = numbers(True, query={"status": "processing"})
    read_list(transport(shop), wanted, {"after": "2026-01-01T00:00:00"})
    assert [dict(request.url.params) for request in shop.requests[:2]] == [
        {"status": "processing", "after": "2026-01-01T00:00:00", "per_page": "3", "page": page} for page in "12"
    ]


def test_a_vendor_that_allows_fewer_orders_per_page_is_read_to_the_end():
    """It was asked for 100 per page and sends 2: that its first page is short does not mean that it is the last."""
    for pager in (PageNumbers(size=100), Offsets(size=100)):
        shop = Shop([1, 2, 3, 4, 5], size=2, totals=False)
        assert ids(shop, declared(pager, totals=False)) == ["1", "2", "3", "4", "5"]


def test_a_documented_page_size_saves_the_empty_page():
    shop = Shop([1, 2], totals=False)
    assert ids(shop, declared(PageNumbers(size=3, fills_pages=True), totals=False)) == ["1", "2"]
    assert len(shop.requests) == 1


def test_a_page_behind_the_end_may_be_answered_by_404():
    shop = Shop([1, 2, 3], totals=False)
    wanted = declared(PageNumbers(size=3), totals=False)
    assert ids(lambda r: httpx.Response(404) if r.url.params["page"] == "2" else shop(r), wanted) == ["1", "2", "3"]
    with pytest.raises(TransientError, match="a page that it led to does not exist"):
        ids(
            lambda r: httpx.Response(404) if "offset" in r.url.params else Shop([1, 2, 3, 4])(r),
            declared(Links(), True),
        )


def test_a_list_that_does_not_exist_is_a_wrong_address():
    with pytest.raises(ConfigurationError, match="404 to the list of orders: check the base URL"):
        ids(lambda _: httpx.Response(404), numbers(True))


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (ORDERS, "circle"),
        ("https://elsewhere.example/orders?page=2", "another host"),
        ("http://vendor.example/api/orders?page=2", "another host"),
        ("//elsewhere.example/x", "another host"),
    ],
)
def test_a_link_is_followed_on_the_connections_host_only_and_not_in_a_circle(link, expected):
    seen = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        headers = {"Link": f'<{link}>; rel="next"', "X-Total": "1"}
        return httpx.Response(200, json=[{"id": len(seen)}], headers=headers)

    with pytest.raises(MalformedResponseError, match=expected):
        ids(handler, declared(Links(), True))
    assert set(seen) == {"vendor.example"}


@pytest.mark.parametrize("link", [f"{ORDERS}?page=2", "/api/orders?page=2", "?page=2"])
def test_the_member_of_a_list_may_hold_an_absolute_or_a_relative_link(link):
    def handler(request: httpx.Request) -> httpx.Response:
        last = "page" in request.url.params
        assert request.url.path == "/api/orders"
        return httpx.Response(200, json={"orders": [{"id": 1 + last}], "next": None if last else link})

    wanted = OrderList(path="orders", pager=Links(), shape=ListShape(member="orders", next="next"))
    assert ids(handler, wanted) == ["1", "2"]


def test_a_cursor_that_repeats_is_a_circle():
    body = {"orders": [{"id": 1}], "next_cursor": "a"}
    with pytest.raises(MalformedResponseError, match="circle"):
        ids(
            lambda r: httpx.Response(200, json=body | {"orders": [{"id": len(str(r.url))}]}), declared(Cursors(), False)
        )


def test_a_vendor_that_ignores_the_page_number_ends_in_an_error_after_few_requests():
    seen = []
    with pytest.raises(TransientError, match="repeated orders of earlier pages"):
        ids(
            lambda r: seen.append(r) or httpx.Response(200, json=[{"id": 1}, {"id": 2}]),
            OrderList(path="orders", pager=PageNumbers(size=2)),
        )
    assert len(seen) == 2 * order_list.MAX_LIST_READS


def test_the_pages_of_a_list_are_limited(monkeypatch):
    monkeypatch.setattr(order_list, "MAX_PAGES", 5)
    with pytest.raises(MalformedResponseError, match="more than 5 pages"):
        ids(Shop(list(range(1, 100))), numbers(False))


@pytest.mark.parametrize("total", [4, 6, 0])
def test_a_total_that_never_matches_ends_in_an_error(total):
    def handler(request: httpx.Request) -> httpx.Response:
        found = Shop([1, 2, 3, 4, 5])(request)
        found.headers["X-Total"] = str(total)
        return found

    with pytest.raises(TransientError, match="the stated total differs from the orders seen"):
        ids(handler, numbers(True))


@pytest.mark.parametrize(
    ("shape", "body", "expected"),
    [
        (ListShape(), {"orders": []}, "not a JSON array"),
        (ListShape(member="orders"), [], "not a JSON object"),
        (ListShape(member="orders"), {"items": []}, "'orders' is missing or not an array"),
        (ListShape(member="orders"), {"orders": {}}, "'orders' is missing or not an array"),
        (ListShape(member="orders"), {"orders": ["1"]}, "not objects"),
        (ListShape(), [1, 2], "not objects"),
        (ListShape(member="orders", total="count"), {"orders": [], "count": "0"}, "'count' is missing"),
        (ListShape(member="orders", total="count"), {"orders": [], "count": True}, "'count' is missing"),
        (ListShape(total="X-Other"), [], "'X-Other' is missing"),
        (ListShape(member="orders", next="next"), {"orders": [], "next": {}}, "'next' is not a text"),
    ],
)
def test_a_list_of_another_shape_is_refused(shape, body, expected):
    with pytest.raises(MalformedResponseError, match=expected):
        ids(lambda _: httpx.Response(200, json=body), OrderList(path="orders", shape=shape))


@pytest.mark.parametrize("body", [b"[]]", b"[{}", b"[1,", b'[{"id":1}] x', b'[{"id":1}{"id":2}]', b"[" * 500])
def test_broken_framing_refuses_the_whole_list(body):
    with pytest.raises(MalformedResponseError):
        ids(lambda _: httpx.Response(200, content=body), OrderList(path="orders"))


@pytest.mark.parametrize("frame", ["[%s]", '{"more": [{"id": 9}], "orders": [%s], "nested": {"orders": [{"id": 8}]}}'])
def test_one_defective_order_is_isolated(frame):
    rows = '{"id": 1, "a": [{"orders": [{}]}]}, {"id": 2, "a": NaN}, {"id": 3, "x": 1, "x": 2}, [7], {"id": 4}'
    body = (frame % rows).encode()
    shape = ListShape(member="orders" if frame.startswith("{") else "")
    found = read_list(transport(lambda _: httpx.Response(200, content=body)), OrderList(path="orders", shape=shape), {})
    assert [key for key in found if not key.startswith(" ")] == ["1", "2", "3", "4"]
    assert {order.document.get("id"): order.problem for order in found.values()} == {
        1: "",
        2: "not_a_json_number",
        3: "duplicate_key",
        4: "",
        None: "not_an_object",
    }


def test_orders_without_a_usable_id_are_kept_and_do_not_keep_a_list_from_being_steady():
    rows = [{"id": 1}, {"note": "no id"}, {"note": "no id"}, {"id": "../../admin"}, {"id": ".."}, {"id": True}]
    found = read_list(transport(lambda _: httpx.Response(200, json=rows)), OrderList(path="orders"), {})
    assert len(found) == 6
    assert [key for key in found if not key.startswith(" ")] == ["1"]
    with pytest.raises(MalformedResponseError, match="without an id"):
        read_summaries(transport(lambda _: httpx.Response(200, json=rows)), OrderList(path="orders"), {})


def test_undocumented_members_of_a_list_are_reported():
    warnings: list[str] = []
    body = {"orders": [], "count": 0, "surprise": 1}
    wanted = OrderList(path="orders", shape=ListShape(member="orders", total="count"))
    read_list(transport(lambda _: httpx.Response(200, json=body)), wanted, {}, warnings.append)
    assert warnings == ["Vendor's list has undocumented members, which are ignored: surprise"]


# A list that moves while it is read

MOVES = st.lists(
    st.tuples(st.sampled_from(["leave", "arrive", "move", "stay", "stay"]), st.integers(0, 30), st.integers(0, 30)),
    max_size=60,
)


class Moving(Shop):
    """Before each page after the first request, one of ``moves`` is carried out."""

    def __init__(self, count: int, moves: list[tuple[str, int, int]], size: int, *, totals: bool) -> None:
        super().__init__(list(range(1, count + 1)), size, totals=totals)
        self.moves = iter(moves)
        self.throughout = set(self.ids)
        self.newest = count

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.requests:
            self._carry_out(*next(self.moves, ("stay", 0, 0)))
        return super().__call__(request)

    def _carry_out(self, kind: str, at: int, to: int) -> None:
        if kind == "arrive":
            self.newest += 1
            self.ids.insert(at % (len(self.ids) + 1), self.newest)
        elif kind == "leave" and self.ids:
            self.throughout.discard(self.ids.pop(at % len(self.ids)))
        elif kind == "move" and self.ids:
            moved = self.ids.pop(at % len(self.ids))
            self.ids.insert(to % (len(self.ids) + 1), moved)


@pytest.mark.parametrize("pager", PAGERS)
@pytest.mark.parametrize("totals", [True, False])
@given(count=st.integers(0, 20), size=st.integers(1, 5), moves=MOVES)
@settings(max_examples=40, deadline=None)
def test_no_order_of_a_moving_list_is_missed_or_read_twice(pager, totals, count, size, moves):
    """Whatever was in the list all the time is in the result, once; else reading ends in an error."""
    shop = Moving(count, moves, size, totals=totals)
    try:
        found = ids(shop, declared(pager, totals))
    except OrderRelayError:
        return
    assert {str(n) for n in shop.throughout} <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("pager", PAGERS)
def test_a_list_that_moves_once_is_read_again_until_it_is_complete(pager):
    for at in range(1, 4):
        shop = Shop(list(range(1, 11)))
        pages = iter(range(1, 100))

        def leave(at=at, shop=shop, pages=pages):
            if next(pages) == at:
                shop.ids.pop(0)

        shop.between = leave
        assert set(map(int, ids(shop, declared(pager, True)))) >= set(range(2, 11))


def test_the_content_of_the_last_pass_counts():
    versions = iter(range(1, 100))

    def handler(request: httpx.Request) -> httpx.Response:
        found = Shop([1, 2, 3, 4])(request)
        rows = json.loads(found.content)
        for row in rows:
            row["version"] = next(versions)
        return httpx.Response(200, json=rows, headers={name: found.headers[name] for name in ("X-Total", "X-Pages")})

    found = read_list(transport(handler), numbers(True), {})
    assert [order.document["version"] for order in found.values()] == [5, 6, 7, 8]
