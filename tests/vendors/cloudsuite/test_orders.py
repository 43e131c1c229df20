"""What CloudSuite offers: the whole list first, then details and addresses, in order, or nothing at all."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest

from order_relay.connections import Connection
from order_relay.errors import (
    ConfigurationError,
    MalformedResponseError,
    SourceAuthError,
    TransientError,
)
from order_relay.orders.messages import DETAIL_MISSING, DETAIL_UNREADABLE, Selection, SourceListing
from order_relay.orders.schema import malformed
from order_relay.vendors.cloudsuite.vendor import VENDOR

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
DAY = Selection(start=datetime(2026, 3, 3, 12, tzinfo=UTC), end=NOON)


def ids(orders):
    return [order.document["id"] for order in orders]


def test_all_pages_come_before_the_first_detail_and_orders_in_the_lists_order(shop, client):
    shop.add(*range(10, 2, -1))
    asked = []
    shop.spoil = lambda request: asked.append(dict(request.url.params)) if request.url.params else None
    found = list(client().fetch(DAY))
    assert ids(found) == list(range(10, 2, -1))
    assert found[0].document["_listed"] == {"id": 10, "reference": "CS10", "state": "confirmed"}
    assert found[0].document["order_lines"][0]["quantity"] == Decimal("1.5")
    kinds = [path == "/api/order/" for verb, path in shop.calls if verb == "GET"]
    assert kinds == [True] * 6 + [False] * 8, "a list of several pages is read twice, and only then the first detail"
    assert asked[0] == {
        "state": "confirmed",
        "offline": "false",
        "limit": "3",
        "offset": "0",
        "confirm_date__gte": "2026-03-03T12:00:00",
        "confirm_date__lte": "2026-03-04T12:00:00",
    }
    assert asked[2] == asked[0] | {"offset": "6"}, "our own filters stand on every page"


def test_ids_are_read_besides_the_window_and_alone(shop, client):
    shop.add(1, 2)
    shop.add(7, state="done")
    assert ids(client().fetch(Selection(("7", "2"), DAY.start, DAY.end))) == [1, 2, 7]
    shop.calls.clear()
    (alone,) = client().fetch(Selection(("7",)))
    assert "_listed" not in alone.document
    assert not shop.count("GET", "/api/order/?")
    assert ids(client().fetch(Selection())) == [1, 2], "without either, all that is confirmed"


@pytest.mark.parametrize("status", [404, 410])
def test_an_order_that_the_shop_denies_is_offered_as_missing_with_its_id_only(shop, client, caplog, status):
    shop.add(1, 2, 3)
    shop.spoil = lambda r: httpx.Response(status) if r.url.path == "/api/order/2/" else None
    with caplog.at_level(logging.WARNING):
        found = list(client().fetch(DAY))
    assert [(order.document["id"], order.problem) for order in found] == [(1, ""), (2, DETAIL_MISSING), (3, "")]
    assert found[1].document == {"id": 2, "_listed": {"id": 2, "reference": "CS2", "state": "confirmed"}}
    assert [r.message for r in caplog.records] == [
        "CloudSuite answered HTTP 404 for order 2; it will be requested again"
    ]


def test_a_list_that_never_holds_still_is_left_to_a_later_try(shop, client):
    shop.add(*range(1, 40))

    def leave():
        next(o for o in shop.orders.values() if o["state"] == "confirmed")["state"] = "processing"

    shop.between_pages = leave
    with pytest.raises(TransientError, match="changed while it was read, 6 times in a row"):
        list(client(page_size=10).fetch(DAY))


@pytest.mark.parametrize(
    ("following", "expected_text"),
    [
        ("https://shop.example/api/order/?limit=3&offset=0", "does not lead to a later page"),
        ("https://shop.example/api/order/?cursor=abc", "no offset"),
        ("https://elsewhere.example/api/order/?page=2", "no offset"),
        ("https://shop.example/api/order/?limit=3&offset=three", "no offset"),
        ("http://[bad/?offset=3", "no offset"),
        ("offset=3", "no offset"),
        (7, "no offset"),
        ({}, "not a text"),
    ],
)
def test_a_next_page_without_a_position_is_an_error(shop, client, following, expected_text):
    page = {"count": 4, "next": following, "results": [{"id": n} for n in (1, 2, 3)]}
    hosts = set()
    shop.spoil = lambda r: hosts.add(r.url.host) or httpx.Response(200, json=page)
    with pytest.raises(MalformedResponseError, match=expected_text):
        list(client().fetch(DAY))
    assert hosts == {"shop.example"}


@pytest.mark.parametrize(
    "server",
    [
        "https://shop.example:443/api/order/",
        "http://shop.example/api/order/",
        "https://SHOP.example/api/order/",
        "https://shop.example:8443/api/order/",
        "https://internal-7.lan/backend/orders",
        "/api/order/",
        "//[::1]/x",
        "",
    ],
)
def test_only_the_position_of_the_next_page_is_used_not_its_host(shop, client, server):
    shop.add(*range(1, 5))
    asked = []

    def first_page(request):
        asked.append((str(request.url).partition("?")[0], request.url.params.get("state")))
        if request.url.path != "/api/order/" or request.url.params["offset"] != "0":
            return None
        following = f"{server}?state=draft&limit=3&offset=3"
        rows = [{"id": n, "reference": f"CS{n}", "state": "confirmed"} for n in (1, 2, 3)]
        return httpx.Response(200, json={"count": 4, "next": following, "previous": None, "results": rows})

    shop.spoil = first_page
    assert ids(client().fetch(DAY)) == [1, 2, 3, 4]
    assert {state for url, state in asked if url.endswith("/api/order/")} == {"confirmed"}, "our own filters stand"
    assert {httpx.URL(url).host for url, _ in asked if "token" not in url} == {"shop.example"}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"count": "2", "results": []},
        {"count": 1, "results": {}},
        {"count": 1, "results": [{}]},
        {"count": 1, "results": [{"id": True}]},
        {"count": 1, "results": [{"id": -1}]},
        {"count": 1, "results": ["1"]},
    ],
)
def test_a_list_of_another_shape_is_a_bad_answer(shop, client, answer):
    shop.spoil = lambda _: httpx.Response(200, json={"next": None, **answer})
    with pytest.raises(MalformedResponseError, match="not as documented"):
        list(client().fetch(DAY))


def test_each_address_is_read_once_and_put_into_its_orders(shop, client):
    shop.add(*range(1, 7), shipment_address=801, invoice_address=801)
    shop.add(7, shipment_address=801, invoice_address=999)
    shop.addresses[801] = {"id": 801, "street1": "Dam"}
    found = list(client(parallel=6).fetch(DAY))
    assert all(order.document["shipment_address"] == {"id": 801, "street1": "Dam"} for order in found)
    assert found[-1].document["invoice_address"] == 999, "one that is not there stays an id, and is judged"
    assert shop.count("GET", "/api/address/801/") == 1


def test_only_the_webshops_of_the_connection_count(shop, client):
    shop.add(1, 2)
    shop.add(3, webshop=4)
    assert ids(client(webshops="4, 5").fetch(DAY)) == [3]


def test_the_static_token_is_not_asked_for(shop, client):
    shop.add(1)
    headers = set()
    shop.spoil = lambda r: headers.add(r.headers["authorization"]) or None
    assert ids(client(auth="token").fetch(DAY)) == [1]
    assert headers == {"Token s3cret"}
    shop.spoil = lambda _: httpx.Response(401)
    with pytest.raises(SourceAuthError, match="refused the credentials"):
        list(client(auth="token").fetch(DAY))
    assert shop.tokens == 0


@pytest.mark.parametrize(
    ("answer", "error", "expected_text"),
    [
        (httpx.Response(403, json={"detail": "IP not listed"}), SourceAuthError, "its message: IP not listed"),
        (httpx.Response(500, json={"detail": "x" * 999}), TransientError, "HTTP 500"),
        (
            httpx.Response(200, content=b'{"count":1,"count":2}'),
            MalformedResponseError,
            "duplicate member",
        ),
        (httpx.Response(204), MalformedResponseError, "empty"),
    ],
)
def test_what_the_shop_answers_decides_what_happens_next(shop, client, answer, error, expected_text):
    shop.spoil = lambda _: answer
    with pytest.raises(error, match=expected_text) as caught:
        list(client().fetch(DAY))
    assert type(caught.value) is error
    assert "s3cret" not in str(caught.value)
    assert len(str(caught.value)) < 400


def slow(_):
    raise httpx.ReadTimeout("no answer")


def cut(_):
    raise httpx.RemoteProtocolError("peer closed connection")


FAILURES = {
    "500": lambda _: httpx.Response(500),
    "502 page": lambda _: httpx.Response(502, content=b"<html>bad gateway"),
    "408": lambda _: httpx.Response(408),
    "429 for this one": lambda _: httpx.Response(429, headers={"Retry-After": "0"}),
    "slow": slow,
    "cut": cut,
    "html": lambda _: httpx.Response(200, content=b"<html>"),
    "malformed": lambda _: httpx.Response(200, content=b'{"id": 1'),
    "empty": lambda _: httpx.Response(204),
    "another order": lambda _: httpx.Response(200, json={"id": 99}),
    "401": lambda _: httpx.Response(401),
    "403": lambda _: httpx.Response(403),
    "405": lambda _: httpx.Response(405),
    "302": lambda _: httpx.Response(302, headers={"Location": "https://elsewhere.example/"}),
    "418": lambda _: httpx.Response(418),
    "list": lambda _: httpx.Response(200, json=[]),
    "too large": lambda _: httpx.Response(200, content=b" " * 5000 + b"{}"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_that_passes_is_repeated_with_growing_pauses(shop, client, failure):
    shop.add(*range(1, 6))
    failures = [2]

    def passing(request):
        if request.url.path == "/api/order/3/" and failures[0]:
            failures[0] -= 1
            return FAILURES[failure](request)
        return None

    shop.spoil = passing
    found = list(client(size_limit_bytes=4096, max_wait_s=1.0).fetch(DAY))
    assert [order.problem for order in found] == [""] * 5
    if failure not in ("401", "429 for this one"):  # these have repetitions of their own
        assert shop.pauses == [0.5, 2.0]


def test_the_repetitions_of_one_order_are_bounded(shop, client):
    shop.add(*range(1, 6))
    shop.spoil = lambda r: httpx.Response(500) if r.url.path == "/api/order/3/" else None
    list(client(detail_tries=4, detail_pause_s=1).fetch(DAY))
    assert shop.count("GET", "/api/order/3/") == 4
    assert shop.pauses == [1.0, 4.0, 16.0]


def test_a_failing_majority_stops_the_run_and_a_failing_half_does_not(shop, client):
    shop.add(*range(1, 11))

    def failing(most):
        bad = {f"/api/order/{number}/" for number in range(1, most + 1)}
        return lambda r: httpx.Response(500) if r.url.path in bad else None

    shop.spoil = failing(5)
    assert [order.problem for order in client().fetch(DAY)].count(DETAIL_UNREADABLE) == 5
    shop.spoil = failing(6)
    with pytest.raises(TransientError, match=r"6 of 10 orders cannot be read; last error: .*HTTP 500"):
        list(client().fetch(DAY))


def test_a_shop_that_denies_most_of_what_it_lists_stops_the_run(shop, client):
    shop.add(*range(1, 8))
    shop.spoil = lambda r: httpx.Response(404) if r.url.path.startswith("/api/order/") and r.url.path[11:] else None
    with pytest.raises(MalformedResponseError, match=r"[4-7] of 7 .* no_trailing_slash"):
        list(client().fetch(DAY))


def test_orders_that_failed_before_do_not_stop_the_others(shop, client):
    shop.add(*range(1, 7))
    shop.spoil = lambda r: httpx.Response(500) if r.url.path[11:-1] in ("1", "2", "3", "4", "5") else None
    known = frozenset("12345")
    found = list(client().fetch(Selection(("5",), DAY.start, known=known)))
    assert [order.problem for order in found] == [DETAIL_UNREADABLE] * 5 + [""]


def test_many_failures_at_the_start_do_not_stop_the_remaining_orders(shop, client):
    shop.add(*range(1, 101))
    shop.spoil = lambda r: httpx.Response(500) if r.url.path[11:-1] in set(map(str, range(1, 31))) else None
    found = list(client(page_size=100).fetch(DAY))
    assert [order.problem for order in found] == [DETAIL_UNREADABLE] * 30 + [""] * 70


def test_a_shop_that_is_down_is_noticed_early(shop, client):
    shop.add(*range(1, 1001))
    shop.spoil = lambda r: httpx.Response(500) if r.url.path != "/api/order/" and "order" in r.url.path else None
    with pytest.raises(TransientError, match="of 1000 orders cannot be read"):
        list(client(page_size=1000).fetch(DAY))
    assert shop.count("GET", "/api/order/") < 120


def test_an_address_that_cannot_be_read_concerns_its_orders_only_and_counts_once(shop, client):
    shop.add(*range(1, 10), shipment_address=801, invoice_address=801)
    shop.add(10)
    shop.addresses[801] = {"id": 801, "street1": "Dam"}
    shop.spoil = lambda r: httpx.Response(500) if r.url.path == "/api/address/801/" else None
    found = list(client().fetch(DAY))
    assert [order.problem for order in found] == [DETAIL_UNREADABLE] * 9 + [""]
    assert "address 801" in found[0].explanation
    shop.spoil = lambda _: None
    assert [order.problem for order in client().fetch(DAY)] == [""] * 10


def test_every_listed_id_is_acknowledged_and_other_webshops_are_named(shop, client):
    shop.add(1, 2)
    shop.add(3, webshop=4)
    shop.spoil = lambda r: httpx.Response(404) if r.url.path == "/api/order/2/" else None
    listing = SourceListing()
    later = Selection(("7",), DAY.start, later=frozenset("1"), listing=listing)
    shop.add(7, state="processing")
    assert ids(client(webshops="1").fetch(later)) == [2, 7]
    assert list(listing.ids) == ["1", "2", "3", "7"]
    assert listing.expected == ["1", "2", "7"]


def test_an_unreadable_order_does_not_stop_the_others(shop, client):
    shop.add(1, 2, 3)
    odd = {"1": httpx.Response(200, json={"id": 2}), "3": httpx.Response(200, content=b"<html>")}
    shop.spoil = lambda r: odd.get(r.url.path.strip("/").rpartition("/")[2])
    found = {offered.document["id"]: offered.problem for offered in client().fetch(Selection(("1", "2", "3")))}
    assert found == {1: DETAIL_UNREADABLE, 2: "", 3: DETAIL_UNREADABLE}


def test_where_no_order_at_all_can_be_read_the_reading_ends(shop, client):
    shop.add(1, 2, 3, 4)
    shop.spoil = lambda r: httpx.Response(200, content=b"<html>") if "/api/order/" in r.url.path else None
    with pytest.raises(MalformedResponseError, match="HTML"):
        list(client().fetch(Selection(("1", "2", "3", "4"))))


@pytest.mark.parametrize("order_id", ["", "ext:7", "1/../2", "٣", "1-", "CS 1", "CS1\n", "-CS1"])
def test_an_id_that_is_none_makes_no_request(shop, client, order_id):
    with pytest.raises(ConfigurationError, match="digits"):
        list(client().fetch(Selection((order_id,))))
    assert shop.calls == []


@pytest.mark.parametrize(("word", "found"), [("CS2", 2), ("2", 2), ("4-CS1", 3), ("1-CS1", 1)])
def test_the_trigger_form_takes_numbers_too(shop, client, word, found):
    shop.add(1, 2)
    shop.add(3, reference="CS1", webshop=4)
    assert ids(client().fetch(Selection((word,)))) == [found]


def test_a_number_that_several_webshops_have_is_refused_with_the_form_that_helps(shop, client):
    shop.add(1)
    shop.add(3, reference="CS1", webshop=4)
    for word, expected_text in (("CS1", "several web shops"), ("CS9", "no order")):
        with pytest.raises(ConfigurationError, match=f"{expected_text}.*1-CS9101"):
            list(client().fetch(Selection((word,))))


def test_the_states_that_are_read_are_a_setting(shop, client):
    shop.add(1)
    shop.add(2, state="processing")
    shop.add(3, state="quotation")
    assert ids(client(states="quotation, confirmed").fetch(DAY)) == [3, 1]
    assert client(states="quotation").acknowledge(["3"])["3"].accepted
    assert shop.orders[3]["state"] == "processing"


def test_orders_of_the_listed_states_go_through_the_gate():
    fields = {"token_url": "https://id.example/token", "states": "quotation"}
    made = VENDOR.account("source", Connection("cloudsuite_default", "https://shop.example", "c", "s", extra=fields))
    [rule] = [rule for rule in made.format.mapping["gate"] if rule["path"] == "state"]
    assert rule["verdicts"] == {"quotation": "go", "cancel": "withdrawn"}


def test_an_order_is_found_by_its_number_and_webshop(shop, client):
    shop.add(1, 2)
    shop.add(3, reference="CS1", webshop=4)
    assert client().order_id_of("CS2") == "2"
    assert client().order_id_of("CS1", "4") == "3"
    for wrong in (("CS1", None), ("CS1", "9"), ("CS9", None)):
        with pytest.raises(ConfigurationError, match="this number"):
            client().order_id_of(*wrong)


def test_addresses_of_requests_may_end_without_a_slash(shop, client):
    shop.spoil = lambda _: httpx.Response(200, json={"count": 0, "next": None, "results": []})
    assert list(client(no_trailing_slash=True).fetch(DAY)) == []
    assert shop.calls[-1] == ("GET", "/api/order")


POISON = {
    "duplicate key": (b'"a":1,"a":2', malformed.DUPLICATE_KEY),
    "NaN": (b'"a":NaN', malformed.NOT_A_NUMBER),
    "bad byte": (b'"a":"Z\xfcrich"', malformed.BAD_BYTE),
    "control": (b'"a":"x\ty"', malformed.CONTROL_CHARACTER),
    "deep": (b'"a":' + b"[" * 99 + b"]" * 99, malformed.TOO_DEEP),
    "comma": (b'"a":1,', malformed.NOT_JSON),
    "two ids": (b'"id":7', malformed.DUPLICATE_KEY),
}


@pytest.mark.parametrize("poison", POISON)
def test_a_detail_with_something_wrong_inside_is_offered_with_it_and_the_others_proceed(shop, client, poison):
    shop.add(1, 2, 3)
    member, code = POISON[poison]
    body = b'{"id":2,"reference":"CS2","webshop":1,' + member + b"}"
    shop.spoil = lambda r: httpx.Response(200, content=body) if r.url.path == "/api/order/2/" else None
    found = list(client().fetch(DAY))
    assert [(order.document["id"], order.problem) for order in found] == [(1, ""), (2, code), (3, "")]
    assert (found[1].where, bool(found[1].text)) == ("the response for order 2", True)


def test_a_list_with_further_members_and_something_wrong_in_a_summary_is_read_with_one_warning_each(shop, client):
    shop.add(1, 2)
    answer = (
        b'{"count":2,"next":null,"previous":null,"total_pages":1,"results":[{"id":1,"total":NaN},'
        b'{"id":2,"state":"confirmed","state":"confirmed"}]}'
    )
    shop.spoil = lambda r: httpx.Response(200, content=answer) if r.url.path == "/api/order/" else None
    warnings: list[str] = []
    found = list(client().fetch(Selection(start=DAY.start, end=DAY.end, warn=warnings.append)))
    assert ids(found) == [1, 2]
    assert sorted(set(warnings)) == [
        "CloudSuite's list contains a value that cannot be read (duplicate_key); it was ignored",
        "CloudSuite's list contains a value that cannot be read (not_a_json_number); it was ignored",
        "CloudSuite's list has undocumented members, which are ignored: total_pages",
    ]
