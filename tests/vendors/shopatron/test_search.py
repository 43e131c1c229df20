"""Searches against pages in memory: when a result may be called complete."""

import asyncio
import json

import pytest

from order_relay.http.sending.search import (
    MAX_PAGES,
    SearchReply,
    find_any,
    find_by_key,
    find_by_window,
    get_order,
)
from order_relay.orders.identity.traits import OTHER, OURS, UNNAMED
from order_relay.vendors.shopatron.order_view import OrderView
from order_relay.vendors.shopatron.search import as_written, order_search

SEVEN = order_search(OrderView(7), ("startDate", "endDate"))


def row(number, key="", **more):
    return {"orderID": number, **({"externalOrderID": key} if key else {}), "orderStatus": "READY", **more}


def page(total, *rows):
    return SearchReply(200, json.dumps({"totalCount": total, "collection": list(rows)}).encode())


class Reader:
    def __init__(self, *replies, orders=None):
        self.replies = list(replies)
        self.orders = orders or {}
        self.asked = []

    async def get(self, path, query):
        if path.startswith("order/") and path != "order/":
            return self.orders.get(path, SearchReply(404))
        self.asked.append(dict(query))
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


def by_key(reader, *keys):
    return asyncio.run(find_by_key(reader, SEVEN, keys or ("A",)))


def test_the_question():
    reader = Reader(page(0))
    assert by_key(reader, "A", "B 1").complete
    assert reader.asked == [{"externalOrderID": "A,B 1", "manufacturerID": "7", "perPage": "100", "page": "1"}]
    asyncio.run(find_by_window(reader, SEVEN, "x", "y"))
    assert reader.asked[1]["startDate"] == "x"
    assert reader.asked[1]["endDate"] == "y"


def test_a_hit_and_the_spelling_of_cancelled():
    found = by_key(Reader(page(1, row(5, "A", orderStatus="CANCELED"))))
    assert found.complete
    assert [(r.oms_id, r.destination_key, r.status) for r in found.rows] == [("5", "A", "CANCELLED")]
    assert (as_written("CANCELED"), as_written("SHIPPED")) == ("CANCELLED", "SHIPPED")


def test_every_page_is_read():
    pages = [page(250, *[row(n, f"K{n}") for n in range(s, min(s + 100, 251))]) for s in (1, 101, 201)]
    reader = Reader(*pages)
    result = asyncio.run(find_by_window(reader, SEVEN, "x", "y"))
    assert result.complete
    assert len(result.rows) == 250
    assert [q["page"] for q in reader.asked] == ["1", "2", "3"]


def test_smaller_pages_than_asked_for_are_read_to_the_end():
    pages = [page(25, *[row(n, f"K{n}") for n in range(s, min(s + 10, 26))]) for s in (1, 11, 21)]
    assert asyncio.run(find_by_window(Reader(*pages), SEVEN, "x", "y")).complete


@pytest.mark.parametrize(
    ("replies", "problem"),
    [
        ([SearchReply(400, b'{"code": 5016}')], "unsupported"),
        ([SearchReply(400)], "unsupported"),
        ([SearchReply(503)], "http_503"),
        ([SearchReply(0)], "unreachable"),
        ([SearchReply(204)], "http_204"),
        ([SearchReply(404)], "http_404"),
        ([SearchReply(200, b"<html>")], "answer_not_understood"),
        ([SearchReply(200, b"[]")], "answer_not_understood"),
        ([SearchReply(200, b'{"collection": []}')], "answer_not_understood"),
        ([SearchReply(200, b'{"totalCount": "1", "collection": []}')], "answer_not_understood"),
        ([SearchReply(200, b'{"totalCount": 1}')], "answer_not_understood"),
        ([page(1, {"externalOrderID": "A"})], "answer_not_understood"),
        ([page(2, row(5, "A"), row(5, "A"))], "answer_not_understood"),
        ([page(3)], "page_missing"),
        ([page(2, row(5, "A")), SearchReply(200)], "page_missing"),
        ([page(2, row(5, "A")), page(2)], "page_missing"),
        ([page(2, row(5, "A")), page(3, row(6, "A"))], "total_changed"),
        ([page(2, row(5, "A")), page(2, row(5, "A"))], "pages_shifted"),
        ([page(1, row(5, "A"), row(6, "A"))], "total_wrong"),
        ([page(2, row(5, "A")), SearchReply(500)], "http_500"),
        ([page(900, row(5, "X"), row(6, "A"))], "parameter_ignored"),
        ([page(1, row(5, "a"))], "parameter_ignored"),
    ],
)
def test_what_is_not_the_whole_truth(replies, problem):
    result = by_key(Reader(*replies))
    assert not result.complete
    assert result.problem == problem


def test_hits_count_even_if_the_search_is_unreliable():
    result = by_key(Reader(page(900, row(5, "X"), row(6, "A"))))
    assert ("6", "A") in [(r.oms_id, r.destination_key) for r in result.rows]


@pytest.mark.parametrize(
    "reply", [SearchReply(200), SearchReply(200, b" \n"), page(0), SearchReply(200, b'{"totalCount": 0}')]
)
def test_not_stored(reply):
    result = by_key(Reader(reply))
    assert result.complete
    assert result.rows == ()


def test_rows_without_external_id_are_read_one_by_one():
    one = SearchReply(200, json.dumps(row(5, "A")).encode())
    result = by_key(Reader(page(1, row(5)), orders={"order/5": one}))
    assert result.complete
    assert result.rows[0].destination_key == "A"
    result = by_key(Reader(page(1, row(5))))
    assert (result.complete, result.problem) == (False, "rows_without_key")


def test_an_endless_search_ends():
    class Endless(Reader):
        async def get(self, path, query):
            number = int(query["page"])
            self.asked.append(number)
            return page(10**9, row(number, f"K{number}"))

    reader = Endless()
    result = asyncio.run(find_by_window(reader, SEVEN, "x", "y"))
    assert (result.problem, len(reader.asked)) == ("too_many_pages", MAX_PAGES)


def test_keys_that_cannot_be_searched():
    assert by_key(Reader(page(0)), "A,B").problem == "key_not_searchable"
    with pytest.raises(ValueError, match="1 to 100"):
        asyncio.run(find_by_key(Reader(page(0)), SEVEN, []))


@pytest.mark.parametrize("reply", [SearchReply(404), SearchReply(200, b"<"), SearchReply(200, b'{"orderID": 6}')])
def test_get_one_order_that_is_not_that_order(reply):
    read = asyncio.run(get_order(Reader(page(0), orders={"order/5": reply}), SEVEN, "5"))
    assert (read.rows, read.complete) == ((), False)


@pytest.mark.parametrize(
    "body",
    [
        {"code": 5002},
        {"errorCode": "5002"},
        {"error": {"code": 5002}},
        {"errors": [{"code": "5002"}]},
    ],
)
def test_the_documented_code_of_no_match_wherever_the_body_has_it(body):
    assert by_key(Reader(SearchReply(404, json.dumps(body).encode()))).complete


@pytest.mark.parametrize("body", [{"code": 404}, {"message": "5002"}, [], {"errors": []}, "5002"])
def test_another_404_is_no_answer(body):
    assert by_key(Reader(SearchReply(404, json.dumps(body).encode()))).problem == "http_404"


@pytest.mark.parametrize(
    ("value", "owner"),
    [
        (7, OURS),
        ("7", OURS),
        ("007", OURS),
        (7.0, OURS),
        (8, OTHER),
        ("8", OTHER),
        (8.0, OTHER),
        (0, UNNAMED),
        ("0", UNNAMED),
        (7.5, UNNAMED),
        (None, UNNAMED),
        ("", UNNAMED),
        ("Acme", UNNAMED),
        (True, UNNAMED),
    ],
)
def test_whom_an_order_names(value, owner):
    (found,) = by_key(Reader(page(1, row(5, "A", manufacturerID=value)))).rows
    assert found.traits.owner == owner


def test_some_orders_name_their_external_ids_themselves_where_rows_do_not():
    rows = [row(number) for number in range(1, 10)]
    orders = {f"order/{n}": SearchReply(200, json.dumps(row(n, f"K{n}")).encode()) for n in range(1, 10)}
    some = asyncio.run(find_any(Reader(page(9, *rows), orders=orders), SEVEN))
    assert sorted(found.destination_key for found in some.rows if found.destination_key) == ["K1", "K5", "K9"]
