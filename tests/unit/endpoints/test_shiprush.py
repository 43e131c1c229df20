"""The served feed and notices, called in this process: answers, credentials, windows, and whatever else may be sent."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from order_relay.endpoints import requests
from order_relay.errors import ConfigurationError, RecordRejectedError, ValidationIssue
from order_relay.http.auth.failed_logins import FIRST_LOCK_S, FREE_FAILURES
from order_relay.ledger.fulfilment.feed_index import FeedIndex, FeedPage
from order_relay.ledger.store import database
from order_relay.orders.mapping.canonical import CanonicalReader
from order_relay.pipeline.archive import ArchivedOrder, OrderArchive
from order_relay.vendors.shiprush import feed
from order_relay.vendors.shiprush.dates import read_date
from tests.support.archived_orders import PIPELINE, Relay, plain_orders
from tests.support.shiprush_client import AUTH, PATH, WINDOW, Company, numbers, refused
from tests.support.shiprush_schema import checked


async def test_pages_hold_every_order_once(company: Company) -> None:
    orders = plain_orders(7)
    company.relay.imported(*orders)
    company.relay.receive(plain_orders(1, seed=9)[0])
    pages = [await company.get(page=str(n)) for n in (1, 2, 3, 4)]
    assert [len(numbers(page)) for page in pages] == [3, 3, 1, 0]
    assert {etree.fromstring(page.content).get("pages") for page in pages} == {"3"}
    assert sorted(n for page in pages for n in numbers(page)) == sorted(o["order_number"] for o in orders)
    assert pages[0].headers["content-type"].startswith("application/xml")
    assert pages[0].headers["cache-control"] == "no-store"


async def test_an_order_shows_its_archived_data(company: Company) -> None:
    (document,) = plain_orders(1)
    (number,) = company.relay.imported(document)
    order = checked((await company.get()).content).find("Order")
    assert (order.findtext("OrderID") or "").split("-")[0] == str(number)
    assert order.findtext("OrderTotal") == document["total"]
    assert order.findtext("Customer/ShipTo/Address1") == document["ship_to"]["address1"]
    result = [(i.findtext("SKU"), i.findtext("Quantity")) for i in order.iterfind("Items/Item")]
    assert result[: len(document["items"])] == [(i["item_number"], str(i["quantity"])) for i in document["items"]]


async def test_nothing_to_send(company: Company) -> None:
    answer = await company.get()
    assert (numbers(answer), etree.fromstring(answer.content).get("pages")) == ([], "0")


def spoil(relay: Relay, batch: str) -> None:
    """Remove the orders of a batch from the archive."""
    for path in Path(relay.store.url.removeprefix("file://")).rglob(f"{batch}/*.jsonl.gz"):
        path.unlink()


async def test_an_order_that_cannot_be_rendered_or_read_is_omitted_and_reported_once(
    company: Company, caplog: Any
) -> None:
    orders = plain_orders(3)
    orders[1]["ship_to"]["country"] = orders[1]["bill_to"]["country"] = "Nowhere Marked"
    company.relay.imported(*orders[:2])
    company.relay.imported(orders[2])
    spoil(company.relay, "b2")
    for _ in range(3):
        assert numbers(await company.get()) == [orders[0]["order_number"]]
    result = [r.getMessage() for r in caplog.records if "omits" in r.getMessage()]
    assert len(result) == 2
    (late,) = company.relay.ledger.health.overdue(PIPELINE, {"left_out": 0.0})
    assert (late.number, set(late.orders)) == (2, {order["order_number"] for order in orders[1:]})
    (gap,) = company.relay.ledger.queries.find(orders[1]["order_number"])[0]["left_out"]
    assert (gap["problem"], gap["mended_at"]) == ("missing_field at /ShipTo/Country", None)
    assert company.relay.ledger.queries.find(orders[0]["order_number"])[0]["left_out"] == []
    assert "Marked" not in caplog.text


async def test_an_order_that_can_be_read_again_comes_with_a_later_window(company: Company, monkeypatch: Any) -> None:
    company.relay.imported(*(orders := plain_orders(2)))
    with monkeypatch.context() as away:
        away.setattr(feed, "order_element", refusing)
        assert numbers(await company.get()) == []
    at = read_date("01/01/2090 00:00")
    monkeypatch.setattr(database, "read_clock", lambda _conn: at)
    assert numbers(await company.get(end_date="01/01/2020 00:00")) == [], (
        "the window in which they were modified is over"
    )
    found = numbers(await company.get(start_date="12/31/2089 00:00", end_date="01/02/2090 00:00"))
    assert sorted(found) == sorted(order["order_number"] for order in orders)
    assert company.relay.ledger.health.overdue(PIPELINE, {"left_out": 0.0}) == []
    assert company.relay.ledger.feed_errors.omitted_orders() == []


POISON = {
    "weight": {"weight_unit": "kg", "weight": "1,2 kg"},
    "blank weight": {"weight_unit": "kg", "weight": ""},
    "not a number": {"weight_unit": "kg", "weight": "NaN"},
    "list": {"weight_unit": "kg", "weight": [1]},
    "endless": {"weight_unit": "kg", "weight": Decimal("1E+99999")},
    "option": {"weight_unit": "kg", "option_weights": 4},
    "quantity": {"quantity": object()},
    "price": {"unit_price": "12 EUR"},
    "options": {"options": ["a"]},
    "position": {"line": None, "position": None},
}


@pytest.mark.parametrize("values", POISON.values(), ids=POISON.keys())
async def test_the_others_are_served_despite_any_content_of_one_order(
    company: Company, monkeypatch: Any, values: dict[str, Any], caplog: Any
) -> None:
    orders = plain_orders(3)
    ids = company.relay.imported(*orders)
    read = OrderArchive.read

    def poisoned(archive: OrderArchive, works: Any) -> dict[int, ArchivedOrder]:
        found = read(archive, works)
        if ids[1] in found:
            lines = [{**line, **values} for line in found[ids[1]].lines]
            found[ids[1]] = replace(found[ids[1]], lines=lines)
        return found

    monkeypatch.setattr(OrderArchive, "read", poisoned)
    for _ in range(2):
        assert sorted(numbers(await company.get())) == sorted(orders[n]["order_number"] for n in (0, 2))
    (late,) = company.relay.ledger.health.overdue(PIPELINE, {"left_out": 0.0})
    assert late.orders == (orders[1]["order_number"],)
    (gap,) = company.relay.ledger.queries.find(orders[1]["order_number"])[0]["left_out"]
    assert gap["problem"]
    assert sum("omits" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("broken", ["rendering", "writing", "reading"])
async def test_the_others_are_served_despite_any_exception_of_one_order(
    company: Company, monkeypatch: Any, broken: str, caplog: Any
) -> None:
    orders = plain_orders(3)
    ids = company.relay.imported(*orders)
    render, read = feed.order_element, CanonicalReader.read

    def rendered(head: Any, *rest: Any) -> Any:
        ours = head.order_id.split("-")[0] == str(ids[1])
        if ours and broken == "rendering":
            raise RuntimeError("Marked Person")
        element = render(head, *rest)
        if ours:
            element.set("written", object())  # type: ignore[arg-type]
        return element

    def reading(reader: CanonicalReader, documents: Any) -> Any:
        if any(document["order_number"] == orders[1]["order_number"] for document in documents):
            raise ZeroDivisionError("Marked Person")
        return read(reader, documents)

    if broken == "reading":
        monkeypatch.setattr(CanonicalReader, "read", reading)
    else:
        monkeypatch.setattr(feed, "order_element", rendered)
    assert sorted(numbers(await company.get())) == sorted(orders[n]["order_number"] for n in (0, 2))
    (gap,) = company.relay.ledger.queries.find(orders[1]["order_number"])[0]["left_out"]
    assert "Error (details redacted)" in gap["problem"]
    assert "Marked" not in caplog.text


@pytest.mark.parametrize("path", ["/shiprush/orders/", "/shiprush/orders//", "/shiprush//orders", "//shiprush/orders/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_slashes_and_credentials_in_the_query_are_served(company: Company, path: str, method: str) -> None:
    company.relay.imported(*plain_orders(1))
    query = {**WINDOW, "ss-username": AUTH[0], "SS-PASSWORD": AUTH[1], "Action": "Export"}
    del query["action"]
    answer = await company.web.request(method, httpx.URL(f"http://relay.example{path}", params=query))
    assert answer.status_code == 200, answer.text
    assert len(answer.content) == 0 if method == "HEAD" else len(numbers(answer)) == 1


@pytest.mark.parametrize(
    ("query", "orders"),
    [
        ({"end_date": "12/31/9999 23:59:59"}, 1),
        ({"end_date": "12/31/9999"}, 1),
        ({"start_date": "01/01/0001 00:00", "end_date": "12/31/9999 11:59 PM"}, 1),
        ({"start_date": "12/31/9999 23:59", "end_date": "12/31/9999 23:59:59.999999"}, 0),
        ({"start_date": "1/1/1 00:00"}, None),
        ({"end_date": "12/31/10000 00:00"}, None),
        ({"end_date": "12/31/9999 24:00"}, None),
        ({"start_date": "99/99/9999 99:99"}, None),
        ({"start_date": "00/00/0000 00:00"}, None),
        ({"end_date": "9" * 5_000}, None),
    ],
)
async def test_extreme_dates_are_served_and_impossible_ones_refused(
    company: Company, query: dict[str, str], orders: int | None
) -> None:
    company.relay.imported(*plain_orders(1))
    answer = await company.get(**query)
    if orders is None:
        refused(answer, 400)
    else:
        assert len(numbers(answer)) == orders


@pytest.mark.parametrize(("sent_as", "word"), [("CANCELLED", "cancelled"), ("SHIPPED", "shipped"), ("READY", "paid")])
async def test_the_status_is_the_one_that_was_sent(company: Company, sent_as: str, word: str) -> None:
    company.relay.imported(*plain_orders(1), sent_as=sent_as)
    assert [e.text for e in checked((await company.get()).content).iterfind("Order/OrderStatus")] == [word]


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({}, ["cancelled", "paid", "cancelled"]),
        ({"shop_cancellations": "offer"}, ["paid", "paid", "cancelled"]),
        ({"words": '{"cancelled": "voided"}'}, ["voided", "paid", "voided"]),
    ],
)
async def test_an_order_that_the_shop_cancelled_is_not_offered_until_an_operator_decides(
    company: Company, extra: dict[str, str], words: list[str]
) -> None:
    company.extra.update(extra)
    company.relay.imported(*plain_orders(3))
    ledger = company.relay.ledger
    source_ids = [str(order["id"]) for order in plain_orders(3)]
    ledger.cancellations.record(company.relay.ctx, source_ids)
    tasks = {row["source_id"]: {row["id"]: row["revision"]} for row in ledger.cancellations.unsettled()}
    for source_id, choice in ((source_ids[1], "keep"), (source_ids[2], "cancelled")):
        ledger.cancellations.decide(tasks[source_id], choice, "by phone", "ann")
    assert [e.text for e in checked((await company.get()).content).iterfind("Order/OrderStatus")] == words


async def test_the_total_is_the_one_that_was_sent(company: Company, monkeypatch: Any) -> None:
    company.relay.imported(*(orders := plain_orders(1)))
    read = OrderArchive.read

    def without_total(archive: OrderArchive, works: Any) -> dict[int, ArchivedOrder]:
        return {
            number: replace(found, order={**found.order, "total": None, "scale": None})
            for number, found in read(archive, works).items()
        }

    monkeypatch.setattr(OrderArchive, "read", without_total)
    assert checked((await company.get()).content).findtext("Order/OrderTotal") == orders[0]["total"]


def refusing(*_: Any) -> None:
    raise RecordRejectedError([ValidationIssue("no_price", "/Item/UnitPrice", "")])


async def test_only_the_pipelines_of_the_store(company: Company) -> None:
    company.relay.imported(*plain_orders(1))
    company.extra["pipelines"] = "another"
    assert numbers(await company.get()) == []


async def test_a_store_that_takes_orders_from_ready_on(company: Company) -> None:
    orders = plain_orders(2)
    company.extra["entered"] = "ready"
    ids = company.relay.make_ready(company.relay.receive(*orders))
    root = checked((await company.get()).content)
    assert [e.text for e in root.iterfind("Order/OrderStatus")] == ["paid", "paid"]
    newer = {**orders[0], "id": orders[0]["id"] + 10**6, "order_number": f"{orders[0]['order_number']}-1"}
    (winner,) = company.relay.make_ready(company.relay.receive(newer))
    result = checked((await company.get()).content).iterfind("Order")
    statuses = {(order.findtext("OrderID") or "").split("-")[0]: order.findtext("OrderStatus") for order in result}
    assert statuses == {str(ids[0]): "cancelled", str(ids[1]): "paid", str(winner): "paid"}


@pytest.mark.parametrize("auth", [None, ("feeduser", "wrong"), ("", ""), ("feeduser", ""), ("x", AUTH[1])])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_wrong_credentials_are_refused(company: Company, auth: Any, method: str) -> None:
    answer = await company.web.request(method, PATH, params=WINDOW, auth=auth)
    refused(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Basic")


async def test_the_pair_in_the_query_lets_in_and_both_must_be_right(company: Company) -> None:
    pair = {"SS-UserName": AUTH[0], "SS-Password": AUTH[1]}
    assert numbers(await company.get(None, **pair)) == []
    assert numbers(await company.get(AUTH, **pair)) == []
    refused(await company.get(AUTH, **{**pair, "SS-Password": "wrong"}), 401)
    refused(await company.get(None, **{"SS-UserName": AUTH[0]}), 401)


async def test_an_address_with_many_wrong_passwords_is_locked_out_and_logged(
    company: Company, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(FREE_FAILURES["address"]):
        refused(await company.get(None), 401)  # without credentials: nothing is guessed
    assert numbers(await company.get(AUTH)) == []
    statuses = [(await company.get((AUTH[0], f"guess {n}"))).status_code for n in range(FREE_FAILURES["address"] + 5)]
    assert statuses == [401] * FREE_FAILURES["address"] + [429] * 5
    locked = await company.get(AUTH)
    refused(locked, 429)
    assert 0 < int(locked.headers["retry-after"]) <= FIRST_LOCK_S
    ours = [record.getMessage() for record in caplog.records if "failed login from" in record.getMessage()]
    assert len(ours) == FREE_FAILURES["address"]
    assert "guess" not in "".join(ours)


async def test_wrong_credentials_do_not_wait_for_work(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    started, finish = threading.Event(), threading.Event()

    def slow(*_: Any) -> bytes:
        started.set()
        finish.wait(60)
        return b""

    monkeypatch.setattr("order_relay.vendors.shiprush.endpoint.FeedService.export", slow)
    async with asyncio.TaskGroup() as group:
        working = group.create_task(company.get(AUTH))
        await asyncio.to_thread(started.wait, 20)
        refused(await company.get((AUTH[0], "wrong")), 401)
        assert not working.done()
        finish.set()


@pytest.mark.parametrize(("name", "value"), [("login", ""), ("password", ""), ("defined", False)])
async def test_without_configured_credentials_it_stays_closed(company: Company, name: str, value: Any) -> None:
    setattr(company, name, value)
    for auth in (None, ("", ""), AUTH, (AUTH[0], "")):
        refused(await company.get(auth), 401)


@pytest.mark.parametrize(
    ("query", "statuses"),
    [
        ({"action": "delete"}, "action"),
        ({"action": ""}, "action"),
        ({"start_date": "soon"}, "start_date"),
        ({"end_date": ""}, "end_date"),
        ({"end_date": "02/30/2026 00:00"}, "end_date"),
        ({"page": "0"}, "page"),
        ({"page": "x"}, "page"),
        ({"page": "9" * 30}, "page"),
        ({"start_date": "01/02/2099 00:00"}, "later"),
    ],
)
async def test_an_unreadable_request_is_400(company: Company, query: dict[str, str], statuses: str) -> None:
    assert statuses in refused(await company.get(**query), 400)


async def test_other_methods_and_paths(company: Company) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = await company.web.request(method, PATH, auth=AUTH)
        refused(answer, 405)
        assert answer.headers["allow"] == "GET, HEAD, POST"
    refused(await company.web.get("/shiprush/elsewhere", auth=AUTH), 404)
    for path in ("/shiprush/docs", "/shiprush/openapi.json"):
        refused(await company.web.get(path), 404)


async def test_an_unreachable_ledger_is_reported_without_details(company: Company, caplog: Any) -> None:
    def away() -> str:
        raise ConfigurationError("postgresql://user:hidden@db/x is wrong")

    company.parts._ledger_url = away
    answer = await company.get()
    assert "hidden" not in refused(answer, 503)
    assert answer.headers["retry-after"] == "60"


async def test_a_defect_of_ours_shows_nothing(company: Company, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise KeyError("Marked Person")

    monkeypatch.setattr(FeedIndex, "modified_between", broken)
    assert "Marked" not in refused(await company.get(), 500) + caplog.text
    assert "KeyError" in caplog.text


@pytest.fixture
def stocked(company: Company) -> Company:
    company.relay.imported(*plain_orders(4))
    return company


statuses = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "export",
            "shipnotify",
            "01/01/2026 00:00",
            "12/31/2099 23:59",
            "1",
            "-1",
            "\x00",
            "SS-Password",
            "%",
            "９",
            "99999999999999999999",
        ]
    ),
)
queries = st.dictionaries(
    st.one_of(
        st.sampled_from(
            [
                "action",
                "start_date",
                "end_date",
                "page",
                "order_number",
                "carrier",
                "service",
                "tracking_number",
                "SS-UserName",
                "SS-Password",
            ]
        ),
        st.text(max_size=8),
    ),
    statuses,
    max_size=8,
)
elements = st.sampled_from(
    [
        "ShipNotice",
        "OrderNumber",
        "OrderID",
        "Carrier",
        "TrackingNumber",
        "ShipDate",
        "Items",
        "Item",
        "SKU",
        "Quantity",
        "LineItemID",
        "ShippingCost",
    ]
)
xml = st.recursive(
    st.builds(lambda name, text: f"<{name}>{quote(text)}</{name}>", elements, statuses),
    lambda inner: st.builds(
        lambda name, parts: f"<{name}>{''.join(parts)}</{name}>", elements, st.lists(inner, max_size=6)
    ),
    max_leaves=14,
)
bodies = st.one_of(st.binary(max_size=300), xml.map(lambda text: f"<ShipNotice>{text}</ShipNotice>".encode()))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "GET", "POST", "PUT", "HEAD"]),
    query=queries,
    body=bodies,
    known=st.booleans(),
    header=st.booleans(),
)
async def test_any_request_is_answered(
    stocked: Company, caplog: Any, method: str, query: dict[str, str], body: bytes, known: bool, header: bool
) -> None:
    """No 5xx, no stack trace, no credential in a log line, and nothing without credentials but refusals."""
    caplog.set_level(logging.DEBUG)
    if known:
        query = {**WINDOW, **query, "SS-UserName": AUTH[0], "SS-Password": AUTH[1]}
        if method == "POST":
            query["action"] = "shipnotify"
    raw = "&".join(
        f"{quote_plus(name, errors='replace')}={quote_plus(text, errors='replace')}" for name, text in query.items()
    )
    answer = await stocked.web.request(
        method,
        httpx.URL(f"http://relay.example{PATH}?").copy_with(query=raw.encode()),
        content=body,
        auth=AUTH if header else None,
    )
    assert answer.status_code < 500, answer.text
    assert "Traceback" not in answer.text
    assert AUTH[1] not in answer.text
    if answer.content:
        etree.fromstring(answer.content)
    if not (known or header):
        assert answer.status_code in {401, 405, 429}
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith(("httpx", "httpcore"))]
    assert not any(AUTH[0] in result or AUTH[1] in result or quote_plus(AUTH[1]) in result for result in ours)
    caplog.clear()


async def test_requests_are_serialized_and_too_many_are_throttled(company: Company, monkeypatch: Any) -> None:
    monkeypatch.setattr(requests, "MAX_WAITING", 3)
    working: list[int] = []

    def slow(*_: Any, **__: Any) -> Any:
        working.append(1)
        assert len(working) == 1
        time.sleep(0.02)
        working.pop()
        return FeedPage(0, ())

    monkeypatch.setattr(FeedIndex, "modified_between", slow)
    answers = await asyncio.gather(*(company.get() for _ in range(12)))
    counted = Counter(answer.status_code for answer in answers)
    assert counted[200] >= 3
    assert counted[429] == 12 - counted[200] > 0
    assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 429)
