"""What CloudSuite offers: the whole list first, then details and addresses, in order, or nothing at all."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest

from order_relay.errors import BadAnswer, RetryLater, SourceRefused, Throttled, WrongSetup
from order_relay.orders.exchange import NOT_READ, Selection

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
DAY = Selection(start=datetime(2026, 3, 3, 12, tzinfo=UTC), end=NOON)


def ids(orders):
    return [order.document["id"] for order in orders]


def test_all_pages_come_before_the_first_detail_and_orders_in_the_lists_order(shop, client):
    shop.add(*range(10, 2, -1))
    asked = []
    shop.spoil = lambda request: asked.append(dict(request.url.params)) if request.url.params else None
    found = list(client().offers(DAY))
    assert ids(found) == list(range(10, 2, -1))
    assert found[0].document["_listed"] == {"id": 10, "reference": "CS10", "state": "confirmed"}
    assert found[0].document["order_lines"][0]["quantity"] == Decimal("1.5")
    kinds = [path == "/api/order/" for verb, path in shop.calls if verb == "GET"]
    assert kinds == [True] * 6 + [False] * 8, "a list of several pages is read twice, and only then the first detail"
    assert asked[0] == {
        "state": "confirmed", "offline": "false", "limit": "3", "offset": "0",
        "confirm_date__gte": "2026-03-03T12:00:00", "confirm_date__lte": "2026-03-04T12:00:00",
    }  # fmt: skip
    assert asked[2] == asked[0] | {"offset": "6"}, "our own filters stand on every page"


def test_ids_are_read_besides_the_window_and_alone(shop, client):
    shop.add(1, 2)
    shop.add(7, state="done")
    assert ids(client().offers(Selection(("7", "2"), DAY.start, DAY.end))) == [1, 2, 7]
    shop.calls.clear()
    (alone,) = client().offers(Selection(("7",)))
    assert "_listed" not in alone.document
    assert not shop.count("GET", "/api/order/?")
    assert ids(client().offers(Selection())) == [1, 2], "without either, all that is confirmed"


def test_an_order_that_vanished_is_left_out_with_its_id_only(shop, client, caplog):
    shop.add(1, 2, 3)
    shop.spoil = lambda r: httpx.Response(404) if r.url.path == "/api/order/2/" else None
    with caplog.at_level(logging.WARNING):
        assert ids(client().offers(DAY)) == [1, 3]
    assert [record.message for record in caplog.records] == ["CloudSuite has no order 2 (any more); left out"]


def test_a_list_that_shifts_is_read_again(shop, client):
    shop.add(*range(1, 9))

    def leave():
        shop.orders[1]["state"] = "processing"

    shop.between_pages = leave
    assert set(ids(client().offers(DAY))) == set(range(1, 9)), "what was seen in any reading is read by its id"


def test_one_that_leaves_while_another_arrives_hides_none(shop, client):
    shop.add(*range(1, 9))

    def swap():
        shop.between_pages = lambda: None
        shop.orders[1]["state"] = "processing"
        shop.add(9)

    shop.between_pages = swap
    assert set(ids(client().offers(DAY))) == set(range(1, 10))


def test_a_list_that_never_holds_still_is_left_to_a_later_try(shop, client):
    shop.add(*range(1, 40))

    def leave():
        next(o for o in shop.orders.values() if o["state"] == "confirmed")["state"] = "processing"

    shop.between_pages = leave
    with pytest.raises(RetryLater, match="changed during each of 6 readings"):
        list(client(page_size=10).offers(DAY))


@pytest.mark.parametrize(("following", "error", "words"), [
    ("https://elsewhere.example/api/order/?limit=3&offset=3", WrongSetup, "at another host"),
    ("http://shop.example/api/order/?limit=3&offset=3", WrongSetup, "at another host"),
    ("https://shop.example:8443/api/order/?limit=3&offset=3", WrongSetup, "at another host"),
    ("https://shop.example/api/order/?limit=3&offset=0", BadAnswer, "leads back"),
    ("https://shop.example/api/order/?cursor=abc", BadAnswer, "no offset"),
    (7, BadAnswer, "no address"),
])  # fmt: skip
def test_where_the_list_goes_on_is_judged(shop, client, following, error, words):
    page = {"count": 4, "next": following, "results": [{"id": n} for n in (1, 2, 3)]}
    hosts = set()
    shop.spoil = lambda r: hosts.add(r.url.host) or httpx.Response(200, json=page)
    with pytest.raises(error, match=words):
        list(client().offers(DAY))
    assert hosts == {"shop.example"}


def test_the_default_port_is_the_same_host(shop, client):
    shop.add(*range(1, 5))
    first = {"count": 4, "next": "https://shop.example:443/api/order/?limit=3&offset=3", "previous": None,
             "results": [{"id": n} for n in (1, 2, 3)]}  # fmt: skip
    shop.spoil = lambda r: httpx.Response(200, json=first) if r.url.params.get("offset") == "0" else None
    assert ids(client().offers(DAY)) == [1, 2, 3, 4]


@pytest.mark.parametrize("answer", [
    {}, {"count": "2", "results": []}, {"count": 1, "results": {}}, {"count": 1, "results": [{}]},
    {"count": 1, "results": [{"id": True}]}, {"count": 1, "results": [{"id": -1}]}, {"count": 1, "results": ["1"]},
])  # fmt: skip
def test_a_list_of_another_shape_is_a_bad_answer(shop, client, answer):
    shop.spoil = lambda _: httpx.Response(200, json={"next": None, **answer})
    with pytest.raises(BadAnswer, match="not what is documented"):
        list(client().offers(DAY))


def test_each_address_is_read_once_and_put_into_its_orders(shop, client):
    shop.add(*range(1, 7), shipment_address=801, invoice_address=801)
    shop.add(7, shipment_address=801, invoice_address=999)
    shop.addresses[801] = {"id": 801, "street1": "Dam"}
    found = list(client(parallel=6).offers(DAY))
    assert all(order.document["shipment_address"] == {"id": 801, "street1": "Dam"} for order in found)
    assert found[-1].document["invoice_address"] == 999, "one that is not there stays an id, and is judged"
    assert shop.count("GET", "/api/address/801/") == 1


def test_only_the_webshops_of_the_connection_count(shop, client):
    shop.add(1, 2)
    shop.add(3, webshop=4)
    assert ids(client(webshops="4, 5").offers(DAY)) == [3]


def test_a_token_is_renewed_once_when_it_is_refused(shop, client):
    shop.add(1)
    shop.spoil = lambda r: httpx.Response(401) if r.headers["authorization"] == "Bearer t1" else None
    assert ids(client().offers(DAY)) == [1]
    assert shop.tokens == 2
    shop.spoil = lambda _: httpx.Response(401)
    with pytest.raises(SourceRefused):
        list(client().offers(DAY))
    assert shop.tokens == 4


def test_the_static_token_is_not_asked_for(shop, client):
    shop.add(1)
    headers = set()
    shop.spoil = lambda r: headers.add(r.headers["authorization"]) or None
    assert ids(client(auth="token").offers(DAY)) == [1]
    assert headers == {"Token s3cret"}
    shop.spoil = lambda _: httpx.Response(401)
    with pytest.raises(SourceRefused, match="static token"):
        list(client(auth="token").offers(DAY))
    assert shop.tokens == 0


def test_throttling_is_waited_out_up_to_the_setting(shop, client):
    shop.add(1, 2)
    left = [httpx.Response(429, headers={"Retry-After": "0"}), httpx.Response(503, headers={"Retry-After": "0"})]
    shop.spoil = lambda r: left.pop() if left else None
    assert ids(client().offers(DAY)) == [1, 2]
    shop.spoil = lambda _: httpx.Response(429, headers={"Retry-After": "500"})
    with pytest.raises(Throttled) as caught:
        list(client().offers(DAY))
    assert caught.value.wait_s == 500


@pytest.mark.parametrize(("answer", "error", "words"), [
    (httpx.Response(404), WrongSetup, "base URL"),
    (httpx.Response(301, headers={"Location": "https://elsewhere.example/"}), WrongSetup, "HTTP 301"),
    (httpx.Response(405), WrongSetup, "HTTP 405"),
    (httpx.Response(403, json={"detail": "IP not listed"}), SourceRefused, "it says: IP not listed"),
    (httpx.Response(500, json={"detail": "x" * 999}), RetryLater, "HTTP 500"),
    (httpx.Response(418), BadAnswer, "HTTP 418"),
    (httpx.Response(200, content=b"<html>"), BadAnswer, "HTML"),
    (httpx.Response(200, content=b'{"count":1,"count":2}'), BadAnswer, "twice"),
    (httpx.Response(204), BadAnswer, "empty"),
])  # fmt: skip
def test_what_the_shop_answers_decides_what_happens_next(shop, client, answer, error, words):
    shop.spoil = lambda _: answer
    with pytest.raises(error, match=words) as caught:
        list(client().offers(DAY))
    assert type(caught.value) is error
    assert "s3cret" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_an_error_in_the_middle_ends_everything(shop, client):
    shop.add(*range(1, 9))
    shop.spoil = lambda r: httpx.Response(502) if r.url.path == "/api/order/5/" else None
    with pytest.raises(RetryLater, match="HTTP 502"):
        list(client().offers(DAY))


def test_an_order_that_can_not_be_read_does_not_stop_the_others(shop, client):
    shop.add(1, 2, 3)
    odd = {"1": httpx.Response(200, json={"id": 2}), "3": httpx.Response(200, content=b"<html>")}
    shop.spoil = lambda r: odd.get(r.url.path.strip("/").rpartition("/")[2])
    found = {offered.document["id"]: offered.problem for offered in client().offers(Selection(("1", "2", "3")))}
    assert found == {1: NOT_READ, 2: "", 3: NOT_READ}


def test_where_no_order_at_all_can_be_read_the_reading_ends(shop, client):
    shop.add(1, 2, 3, 4)
    shop.spoil = lambda r: httpx.Response(200, content=b"<html>") if "/api/order/" in r.url.path else None
    with pytest.raises(BadAnswer, match="HTML"):
        list(client().offers(Selection(("1", "2", "3", "4"))))


@pytest.mark.parametrize("order_id", ["CS1", "", "ext:7", "1/../2", "٣"])
def test_an_id_that_is_none_makes_no_request(shop, client, order_id):
    with pytest.raises(WrongSetup, match="digits"):
        list(client().offers(Selection((order_id,))))
    assert shop.calls == []


def test_an_order_is_found_by_its_number_and_webshop(shop, client):
    shop.add(1, 2)
    shop.add(3, reference="CS1", webshop=4)
    assert client().order_id_of("CS2") == "2"
    assert client().order_id_of("CS1", "4") == "3"
    for wrong in (("CS1", None), ("CS1", "9"), ("CS9", None)):
        with pytest.raises(WrongSetup, match="this number"):
            client().order_id_of(*wrong)


def test_addresses_of_requests_may_end_without_a_slash(shop, client):
    shop.spoil = lambda _: httpx.Response(200, json={"count": 0, "next": None, "results": []})
    assert list(client(no_trailing_slash=True).offers(DAY)) == []
    assert shop.calls[-1] == ("GET", "/api/order")
