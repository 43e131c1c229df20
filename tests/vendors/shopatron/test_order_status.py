"""How orders and shipments of the OMS are read after the import, and which answers are not used."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic import ValidationError

from order_relay.errors import MalformedResponseError, TransientError
from order_relay.http.sending.search import SearchReply
from order_relay.orders.fulfilment.oms_order import OmsOrder, OmsReading
from order_relay.orders.fulfilment.shipment_progress import ShippedLine
from order_relay.vendors.shopatron.connection import OmsSettings
from order_relay.vendors.shopatron.order_view import OrderView
from order_relay.vendors.shopatron.status.order_status import OmsStatusReader

ITEMS = [
    {"orderItemID": 1, "itemState": "NORMAL", "quantity": 2, "product": {"partNumber": "A"}},
    {"orderItemID": 2, "itemState": "NORMAL", "itemSpecifics": {"quantity": 1}, "product": {"partNumber": "B"}},
]
READER = OmsStatusReader(OrderView(1042))


class Replies:
    """Answers by path; a list answers page by page."""

    def __init__(self, detail: Any, *pages: Any) -> None:
        self.detail, self.pages = detail, pages
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def get(self, path: str, query: Any) -> SearchReply:
        self.asked.append((path, dict(query)))
        found = self.detail if path.startswith("order/") else self.pages[int(query["page"]) - 1]
        return found if isinstance(found, SearchReply) else SearchReply(200, json.dumps(found).encode())


def detail(status: str = "READY", **members: Any) -> dict[str, Any]:
    shown = {"orderID": 7, "externalOrderID": "K7", "manufacturerID": 1042, "orderItems": ITEMS}
    return {**shown, "orderStatus": status, **members}


def parcel(number: int = 70, **members: Any) -> dict[str, Any]:
    shown = {"shipmentID": number, "orderID": 7, "shipmentStatus": "SHIPPED", "trackingNumber": f"1Z{number}"}
    return {**shown, "items": [{"orderItemID": 1, "quantity": 2}], **members}


def page(*rows: Any, total: int | None = None) -> dict[str, Any]:
    return {"totalCount": len(rows) if total is None else total, "collection": list(rows)}


def read(replies: Replies, reader: OmsStatusReader = READER, *, shipments: bool = True) -> OmsOrder:
    return asyncio.run(reader(replies, "7", "K7", shipments=shipments))


@pytest.mark.parametrize(
    ("word", "reading"),
    [
        ("READY", "open"),
        ("backorder", "open"),
        ("SHIPPED", "shipped"),
        ("FULFILLED", "shipped"),
        ("CANCELED", "cancelled"),
        ("CANCELLED", "cancelled"),
        ("CUSTOMER CARE", "unknown"),
    ],
)
def test_status_words(word: str, reading: str) -> None:
    order = read(Replies(detail(word)), shipments=False)
    assert (order.received, order.reading.value) == (word, reading)


def test_the_translated_platform_names_its_status_differently() -> None:
    order = read(Replies({"orderID": "7", "status": "FULFILLED"}), shipments=False)
    assert order.reading is OmsReading.SHIPPED


def test_further_words_come_from_the_connection() -> None:
    reader = OmsStatusReader(OrderView(1042), {"payment error": "rejected"}, {"PACKED": "open"})
    assert read(Replies(detail("PAYMENT ERROR")), reader, shipments=False).reading is OmsReading.REJECTED
    assert not read(Replies(detail(), page(parcel(shipmentStatus="packed"))), reader).incomplete


def test_cancelled_items() -> None:
    items = [{**ITEMS[0], "itemState": "CANCELED"}, ITEMS[1]]
    order = read(Replies(detail(orderItems=items)), shipments=False)
    assert (order.reading, order.cancelled) == (OmsReading.PARTLY_CANCELLED, (ShippedLine(2, item_number="A"),))
    every = [{**item, "itemState": "CANCELED"} for item in ITEMS]
    assert read(Replies(detail(orderItems=every)), shipments=False).reading is OmsReading.CANCELLED


def test_parcels_with_their_lines() -> None:
    both = page(parcel(), parcel(71, items=[{"orderItemID": 2, "quantity": 1}], carrier="UPS"))
    order = read(Replies(detail("SHIPPED"), both))
    first, second = order.shipments
    assert (first.key, first.tracking_number, first.lines) == ("1042:70", "1Z70", (ShippedLine(2, item_number="A"),))
    assert (second.carrier, second.lines) == ("UPS", (ShippedLine(1, item_number="B"),))
    assert order.finished
    assert read(Replies(detail(), page(parcel()))).reading is OmsReading.PARTLY_SHIPPED


def test_a_parcel_without_tracking_number_waits_for_the_whole_order() -> None:
    bare = page(parcel(trackingNumber=None))
    assert read(Replies(detail(), bare)).shipments == ()
    assert len(read(Replies(detail("SHIPPED"), bare)).shipments) == 1


def test_contents_that_are_not_listed_count_only_for_a_single_parcel() -> None:
    assert read(Replies(detail("SHIPPED"), page(parcel(items=[])))).shipments[0].lines == ()
    orders = read(Replies(detail("SHIPPED"), page(parcel(items=[]), parcel(71))))
    assert orders.shipments[0].lines[0].odd == "no items are listed"
    stray = page(parcel(items=[{"orderItemID": 99, "quantity": 1}]))
    assert read(Replies(detail("SHIPPED"), stray)).shipments[0].lines[0].odd == "unknown item"


def test_items_without_numbers_count_only_for_the_single_parcel_of_a_shipped_order() -> None:
    bare = [{"orderItemID": number, "quantity": 1} for number in (1, 2)]
    assert read(Replies(detail("SHIPPED", orderItems=bare), page(parcel()))).shipments[0].lines == ()
    assert read(Replies(detail(orderItems=bare), page(parcel()))).shipments[0].lines[0].odd == "no item number"
    both = page(parcel(), parcel(71, items=[{"orderItemID": 2, "quantity": 1}]))
    for one in read(Replies(detail("SHIPPED", orderItems=bare), both)).shipments:
        assert [line.odd for line in one.lines] == ["no item number"]


def test_an_unknown_shipment_status_is_shown_and_not_guessed() -> None:
    order = read(Replies(detail("SHIPPED"), page(parcel(shipmentStatus="IN TRANSIT"))))
    assert (order.received, order.shipments, order.finished) == ("SHIPPED, shipment IN TRANSIT", (), False)


def test_all_pages_of_shipments_are_read() -> None:
    rows = [parcel(number, items=[{"orderItemID": 1, "quantity": 1}]) for number in range(70, 72)]
    replies = Replies(detail("SHIPPED"), page(rows[0], total=2), page(rows[1], total=2))
    assert len(read(replies).shipments) == 2
    query = {"orderID": "7", "manufacturerID": "1042", "perPage": "100", "page": "1"}
    assert replies.asked[:2] == [("order/7", {}), ("shipment/", query)]


@pytest.mark.parametrize(
    "pages",
    [
        [SearchReply(400)],
        [SearchReply(0)],
        [page(parcel(orderID=8))],
        [page({**parcel(items=[{"orderItemID": 99, "quantity": 1}]), "orderID": None})],
        [page(parcel(), parcel())],
        [page(parcel(), total=2), page(total=2)],
        [page(parcel(), parcel(71), total=1)],
        [{"collection": []}],
        [[]],
    ],
)
def test_an_unusable_list_of_shipments_changes_nothing_but_is_asked_for_again(pages: list[Any]) -> None:
    order = read(Replies(detail("SHIPPED"), *pages))
    assert (order.reading, order.shipments, order.finished) == (OmsReading.SHIPPED, (), False)


@pytest.mark.parametrize("reply", [SearchReply(200), SearchReply(404, b'{"code": 5002}'), page()])
def test_no_shipments(reply: Any) -> None:
    assert read(Replies(detail(), reply)).shipments == ()


def test_rows_that_name_no_order_are_recognized_by_their_items() -> None:
    assert len(read(Replies(detail(), page({**parcel(), "orderID": None}))).shipments) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (detail(orderID=8), "another order"),
        (detail(externalOrderID="K8"), "another order"),
        (detail(manufacturerID=1043), "another order"),
        (detail(orderStatus=""), "no status of an order"),
        ([], "no status of an order"),
        (SearchReply(200, b"<html>"), "no status of an order"),
        (SearchReply(200, b""), "no status of an order"),
        (SearchReply(404), "HTTP 404"),
    ],
)
def test_an_unreadable_answer_is_no_status(answer: Any, said: str) -> None:
    with pytest.raises(MalformedResponseError, match=said):
        read(Replies(answer))


@pytest.mark.parametrize("status", [0, 500, 503])
def test_no_answer(status: int) -> None:
    with pytest.raises(TransientError) as caught:
        read(Replies(SearchReply(status)))
    assert not isinstance(caught.value, MalformedResponseError)


@pytest.mark.parametrize(
    "extra",
    [
        {"order_statuses": {"X": "gone"}},
        {"order_statuses": {"X": "unknown"}},
        {"shipment_statuses": {"X": "partly_shipped"}},
        {"status_members": {"colour": "x"}},
    ],
)
def test_wrong_settings_are_refused(extra: dict[str, Any]) -> None:
    account = {"host": "https://oms.example/api/v2", "login": "k", "password": "s", "manufacturer_id": 1}
    with pytest.raises(ValidationError, match=next(iter(extra))):
        OmsSettings.model_validate({**account, "token_url": "https://oms.example/t", "catalog_id": 0, **extra})
