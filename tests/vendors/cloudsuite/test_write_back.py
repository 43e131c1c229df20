"""What CloudSuite is told: small steps, each repeatable, none of which sets an order back or loses a part of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from xml.etree import ElementTree as ET

import httpx
import pytest

from order_relay.errors import ConfigurationError, OutcomeUnknownError, ThrottledError, TransientError
from order_relay.orders.fulfilment.shipment_progress import Shipment, ShippedLine
from order_relay.orders.messages import Acknowledgement

YES = Acknowledgement(True)
NUMBERS = {"11": 10, "12": 20}


def at(path, *answers):
    """Answers requests that change this path, in turn, in the shop's place."""
    left = list(answers)
    return lambda r: left.pop(0) if left and r.method != "GET" and r.url.path.startswith(path) else None


def test_confirmed_orders_are_taken_over_and_others_are_left_as_they_are(shop, client):
    shop.add(1, 2)
    for number, state in enumerate(("processing", "done", "cancel", "draft", "\x1bodd"), 3):
        shop.add(number, state=state)
    answers = client().acknowledge(["1", "2", "3", "4", "5", "6", "7", "9", "1"])
    assert [answers[n].accepted for n in "123456"] == [True, True, True, True, False, False]
    assert answers["5"].cancelled
    assert answers["5"].message == "the shop has cancelled the order; nothing was written"
    assert answers["7"].message == "its state is odd; it was not changed"
    assert answers["9"] == Acknowledgement(False, "the shop answered HTTP 404: the order does not exist (any more)")
    assert shop.bodies("PATCH") == [{"state": "processing"}] * 2
    assert shop.orders[5]["state"] == "cancel"
    assert client().acknowledge([]) == {}


def test_one_lost_answer_does_not_stop_the_others(shop, client):
    shop.add(1, 2, 3)
    shop.spoil = at("/api/order/2/", httpx.Response(502))
    assert client().acknowledge(["1", "2", "3"]) == {"1": YES, "3": YES}
    assert client().acknowledge(["2"]) == {"2": YES}


def test_a_refusal_quotes_the_shop(shop, client):
    shop.add(1)
    shop.spoil = at("/api/order/1/", httpx.Response(400, json={"detail": "not\nnow"}))
    assert client().acknowledge(["1"]) == {"1": Acknowledgement(False, "HTTP 400; its message: not now")}


def test_what_comes_back_is_believed_rather_than_the_status(shop, client):
    shop.add(1, 2)
    shop.spoil = at("/api/order/1/", httpx.Response(200, json={"id": 1, "state": "confirmed"}))
    assert client().acknowledge(["1"])["1"].message == "accepted, but state has another value afterwards"


@pytest.mark.parametrize("answer", [httpx.Response(204), httpx.Response(200, json={"status": "ok"})])
def test_an_answer_that_shows_nothing_proves_nothing(shop, client, answer):
    shop.add(1)
    shop.spoil = at("/api/order/1/", answer)
    assert client().acknowledge(["1"])["1"].message == "accepted, but state has another value afterwards"
    shop.spoil = lambda r: shop.orders[1].update(json.loads(r.content)) or answer if r.method == "PATCH" else None
    assert client().acknowledge(["1"]) == {"1": YES}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(500), OutcomeUnknownError),
        (httpx.Response(200, content=b"<html>"), OutcomeUnknownError),
        (httpx.Response(429, headers={"Retry-After": "999"}), ThrottledError),
        (httpx.Response(405), ConfigurationError),
        (httpx.Response(403, headers={"Retry-After": "999"}), ThrottledError),
    ],
)
def test_errors_of_a_write_by_what_must_happen_next(shop, client, answer, error):
    shop.add(1)
    shop.spoil = at("/api/order/1/", answer)
    with pytest.raises(error):
        client().acknowledge(["1"])


@pytest.mark.parametrize("method", ["GET", "PATCH"])
@pytest.mark.parametrize("status", [403, 405, 302])
def test_one_order_that_the_shop_locks_does_not_stop_the_others(shop, client, method, status):
    """A 405 or a redirect of a write is about the address, so it ends all of them."""
    shop.add(1, 2, 3)
    locked = "/api/order/2/"
    shop.spoil = lambda r: httpx.Response(status) if (r.method, r.url.path) == (method, locked) else None
    if method == "PATCH" and status != 403:
        with pytest.raises(ConfigurationError):
            client().acknowledge(["1", "2", "3"])
        return
    answers = client().acknowledge(["1", "2", "3"])
    assert (answers["1"], answers["3"]) == (YES, YES)
    if method == "GET":
        assert "2" not in answers, "nobody can say"
    else:
        assert not answers["2"].accepted
        assert not answers["2"].passing
        assert "HTTP 403" in answers["2"].message


def test_out_of_reach_is_not_unknown(shop, client):
    def down(_):
        raise httpx.ConnectError("no route")

    shop.spoil = down
    with pytest.raises(TransientError, match="cannot connect to CloudSuite"):
        client().acknowledge(["1"])


def test_the_erp_number_is_written_once_and_never_replaced(shop, client):
    shop.add(1)
    one = client()
    assert one.set_erp_number("1", "OMS-5") == one.set_erp_number("1", "OMS-5") == YES
    assert shop.bodies("PATCH") == [{"erp_order_number": "OMS-5"}]
    assert "another ERP order number" in one.set_erp_number("1", "OMS-6").message
    assert shop.orders[1]["erp_order_number"] == "OMS-5"


def test_lines_are_numbered_by_sending_back_all_of_the_order(shop, client):
    shop.add(1, state="processing", note={"deep": [1]}, paid_amount=59.5)
    before = json.loads(json.dumps(shop.orders[1]))
    one = client()
    assert one.number_lines("1", NUMBERS) == one.number_lines("1", NUMBERS) == YES
    (put,) = shop.bodies("PUT")
    lines = [line | {"erp_line_number": NUMBERS[str(line["id"])]} for line in before["order_lines"]]
    assert put == before | {"order_lines": lines, "shipment_address": 801, "invoice_address": 802}
    assert put["order_lines"][0]["quantity"] == Decimal("1.5")
    assert shop.orders[1]["state"] == "processing"


def test_an_order_that_is_not_taken_over_is_not_sent_back(shop, client):
    for state in ("confirmed", "draft", None):
        shop.add(1, state=state)
        assert "lines are numbered only after take-over" in client().number_lines("1", NUMBERS).message
    shop.add(1, state="processing", order_lines=[{"id": 11}])
    assert "no longer" in client().number_lines("1", NUMBERS).message
    half = b'{"state":"done","order_lines":[{"id":11},{"id":12}],"x":"\\ud800"}'
    shop.spoil = lambda _: httpx.Response(200, content=half)
    assert "cannot be sent back" in client().number_lines("1", NUMBERS).message
    assert shop.bodies("PUT") == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"state": "confirmed"}, "state"),
        ({"paid_amount": None}, "paid_amount"),
        ({"order_lines": [{"id": 11, "quantity": 1.5, "erp_line_number": 10}]}, "order_lines"),
        (
            {"order_lines": [{"id": n, "quantity": n - 10, "erp_line_number": NUMBERS[str(n)]} for n in (11, 12)]},
            r"order_lines\[0\].quantity, order_lines\[1\].quantity",
        ),
    ],
)
def test_a_shop_that_loses_something_is_not_asked_again(shop, client, change, named):
    shop.add(1, state="processing", paid_amount=59.90)

    def lose(request):
        if request.method == "PUT":
            shop.orders[1] |= change
            return httpx.Response(200, json=shop.orders[1])
        return None

    shop.spoil = lose
    with pytest.raises(ConfigurationError, match=f"order 1: {named}. Check .* and set line_numbers") as caught:
        client().number_lines("1", NUMBERS)
    assert "59.9" not in str(caught.value)


@pytest.mark.parametrize("state", ["cancel", "cancelled", "canceled"])
def test_nothing_is_written_into_an_order_that_the_shop_has_cancelled(shop, client, state):
    parcel = Shipment("command", "P1", ("1-CS1",))
    shop.add(1, state=state, erp_order_number=None)
    one = client()
    answers = [
        one.acknowledge(["1"])["1"],
        one.set_erp_number("1", "OMS-5"),
        one.number_lines("1", NUMBERS),
        one.mark_shipped("1", parcel),
        client(shipped_by="done").mark_shipped("1", parcel),
        client(**DESADV).mark_shipped("1", parcel),
        one.mark_offline_sent("1"),
        client(line_numbers="patch").number_lines("1", NUMBERS),
    ]
    assert [(answer.accepted, answer.cancelled) for answer in answers] == [(False, True)] * 8
    assert shop.sent == []


def test_a_cancellation_between_reading_and_writing_is_noticed(shop, client):
    shop.add(1, state="processing")

    def cancelled_meanwhile(request):
        if request.method == "PATCH":
            shop.orders[1]["state"] = "cancel"

    shop.spoil = cancelled_meanwhile
    assert client().mark_shipped("1", Shipment("command", "P1", ("1-CS1",))).cancelled


def test_the_cancelled_orders_are_one_list_without_details(shop, client):
    shop.add(1, 2)
    shop.add(3, state="cancel")
    assert list(client().cancelled(datetime(2026, 3, 4, tzinfo=UTC))) == ["3"]
    assert shop.count("GET", "/api/order/3/") == 0


def test_other_ways_of_numbering_lines(shop, client):
    shop.add(1, state="processing")
    assert client(line_numbers="off").number_lines("1", NUMBERS).accepted
    assert shop.sent == []
    assert client(line_numbers="patch").number_lines("1", NUMBERS) == YES
    assert [list(body) for body in shop.bodies("PATCH")] == [["order_lines"]]


def test_shipped_is_reported_as_the_connection_configures(shop, client):
    shop.add(1, 2, state="processing")
    parcel = Shipment("command", "P1", ("1-CS1",))
    assert client().mark_shipped("1", parcel) == YES
    assert client(shipped_by="done").mark_shipped("2", parcel) == YES
    assert client(shipped_by="done").mark_shipped("2", parcel) == YES
    assert client(shipped_by="off").mark_shipped("2", parcel).accepted
    assert shop.bodies("PATCH") == [{"shipment_state": "sent"}, {"state": "done"}]
    shop.add(3)
    assert "not processing" in client(shipped_by="done").mark_shipped("3", parcel).message


DESADV = {"shipped_by": "desadv", "desadv_shop": 4, "desadv_user": 9}
PARCEL = Shipment(
    "command",
    "P1",
    ("1-CS1",),
    carrier="PostNL",
    tracking_number="3S<&\x00>",
    lines=(ShippedLine(2, line="12"),),
    shipped_at=datetime(2026, 3, 4, 23, 30, tzinfo=UTC),
)


def deliverable(shop):
    lines = [
        {"id": int(line), "quantity": 2.25, "product": {"key": f"K{line}"}, "erp_line_number": number}
        for line, number in NUMBERS.items()
    ]
    shop.add(1, state="processing", erp_order_number="OMS-5", order_lines=lines, requested_delivery_date="2026-03-09")
    seen = []
    shop.spoil = lambda r: seen.append(r) or httpx.Response(200, text="ok") if r.method == "POST" else None
    return seen


def test_a_delivery_message_as_xml(shop, client):
    (seen,) = [deliverable(shop)]
    assert client(**DESADV, time_zone="Europe/Amsterdam").mark_shipped("1", PARCEL) == YES
    (request,) = seen
    assert str(request.url) == "https://shop.example/proxy/des_adv_xml/delivery/?shop=4&user=9"
    root = ET.fromstring(request.content)
    bodies = {element.tag: element.text for element in root.iter() if element.text}
    assert bodies == {
        "DesadvNumber": "P1",
        "DesadvDate": "2026-03-05",
        "PlannedDeliveryDate": "2026-03-09",
        "TransportModeCode": "PostNL",
        "Identification": "3S<&>",
        "ItemNum": "20",
        "OrderNum": "OMS-5",
        "QuantityValue": "2.0000",
        "SellerItemID": "K12",
    }
    assert root.findtext("./DesadvDetail/Packaging/LineItems/Item/ItemNum") == "20"


def test_a_delivery_message_as_json_with_everything_where_the_parcel_names_nothing(shop, client):
    seen = deliverable(shop)
    parcel = Shipment("command", "P2", ("1-CS1",), shipped_at=PARCEL.shipped_at)
    assert client(**DESADV, desadv_format="json").mark_shipped("1", parcel) == YES
    items = json.loads(seen[0].content)["Desadv"]["DesadvDetail"]["Packaging"]["LineItems"]
    assert [item["Item"]["QuantityValue"] for item in items] == [2.25, 2.25]


def test_no_delivery_is_reported_early_or_for_foreign_items(shop, client):
    seen = deliverable(shop)
    one = client(**DESADV)
    foreign = Shipment("command", "P3", ("1",), lines=(ShippedLine(1, item_number="Z"),))
    assert "a line that is not in this order" in one.mark_shipped("1", foreign).message
    shop.orders[1]["order_lines"][1]["erp_line_number"] = None
    assert "must be set before" in one.mark_shipped("1", PARCEL).message
    shop.orders[1] |= {"erp_order_number": None}
    assert "must be set before" in one.mark_shipped("1", Shipment("command", "P4", ("1",))).message
    assert seen == []


def test_a_delivery_is_posted_once_for_any_answer(shop, client):
    deliverable(shop)
    for answer, error in ((httpx.Response(500), OutcomeUnknownError), (httpx.Response(429), ThrottledError)):
        posts: list[httpx.Request] = []
        shop.spoil = lambda r, a=answer, p=posts: (p.append(r) or a) if r.method == "POST" else None
        with pytest.raises(error):
            client(**DESADV).mark_shipped("1", PARCEL)
        assert len(posts) == 1
    shop.spoil = at("/proxy/", httpx.Response(409, json={"detail": "number is taken"}))
    assert "number is taken" in client(**DESADV).mark_shipped("1", PARCEL).message


def test_a_delivery_refused_when_sent_again_after_no_answer_was_taken_before(shop, client):
    deliverable(shop)
    for silent in (True, False):
        shop.spoil = at("/proxy/", httpx.Response(409, json={"detail": "number is taken"}))
        bodies = client(**DESADV).mark_shipped("1", PARCEL, silent=silent)
        assert bodies.accepted is silent
        assert "number is taken" in bodies.message
    shop.orders[1] |= {"erp_order_number": None}
    assert not client(**DESADV).mark_shipped("1", PARCEL, silent=True).accepted, "nothing was sent"


def test_offline_orders_are_marked_only_if_the_connection_enables_it(shop, client):
    shop.add(1, 2)
    shop.add(3, shipment_state="sent")
    day = datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)
    assert list(client().unmarked_offline_orders(*day)) == []
    assert shop.calls == []
    one = client(offline_sent=True)
    assert list(one.unmarked_offline_orders(*day)) == ["1", "2"]
    assert one.mark_offline_sent("1") == YES
    assert list(one.unmarked_offline_orders(*day)) == ["2"]
