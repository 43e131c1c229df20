"""Shipment notices as they come: hostile, repeated, corrected, contradictory. No parcel is lost or counted twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from order_relay.batches import BatchStore
from order_relay.endpoints import requests
from order_relay.ledger import Ledger, migrate
from order_relay.ledger.backups import back_up, restore
from tests.support.archived_orders import Relay, plain_orders
from tests.support.shiprush_client import AUTH, PATH, Company, parcel, refused
from tests.support.shiprush_schema import checked

ORDERS = plain_orders(4)


def outcome(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return etree.fromstring(answer.content).findtext("Outcome") or ""


async def feed_id(company: Company, number: str) -> str:
    """The OrderID that the feed gives of an order."""
    orders = {
        o.findtext("OrderNumber"): o.findtext("OrderID")
        for page in range(1, 5)
        for o in checked((await company.get(page=str(page))).content).iterfind("Order")
    }
    return orders[number] or ""


def counted(company: Company, number: str) -> list[dict[str, Any]]:
    """The parcels that count for an order."""
    (order,) = company.relay.ledger.queries.find(number)
    return [one for one in order["shipments"] if not one["asks"] and not one["closed"]]


def waiting(company: Company) -> list[dict[str, Any]]:
    ledger: Ledger = company.relay.ledger
    return ledger.shipments.recent(unmatched=True)


@pytest.fixture
def numbers(company: Company) -> list[str]:
    """The numbers of two imported orders."""
    company.relay.imported(*ORDERS[:2])
    return [order["order_number"] for order in ORDERS[:2]]


async def test_parcels_are_counted_until_the_order_is_shipped(company: Company) -> None:
    (document,) = plain_orders(1)
    company.relay.imported(document)
    first, *rest = [(item["item_number"], item["quantity"]) for item in document["items"]]
    word = document["order_number"]

    async def outcomes(body: bytes) -> str:
        return outcome(await company.notice(body))

    assert await outcomes(parcel(word, (first[0], 1))) == "recorded"
    assert await outcomes(parcel(word, (first[0], 1))) == "known"
    assert company.relay.ledger.queries.find(word)[0]["shipped"] == "partly"
    left = [(first[0], first[1] - 1), *rest] if first[1] > 1 else rest
    assert await outcomes(parcel("", *left, tracking="1Z2", order_id=await feed_id(company, word))) == "recorded"
    assert company.relay.ledger.queries.find(word)[0]["shipped"] == "shipped"
    (status,) = checked((await company.get()).content).iterfind("Order/OrderStatus")
    assert status.text == "shipped"


async def test_an_unknown_order_is_kept_and_answered_as_configured(company: Company) -> None:
    for _ in range(2):
        assert outcome(await company.notice(parcel("nobody", ("A", 1)))) == "unmatched", (
            "kept, so it need not come again"
        )
    assert len(company.relay.ledger.shipments.recent(unmatched=True)) == 1
    company.extra["unmatched_status"] = 404
    company.parts._connections.clear()
    refused(await company.notice(parcel("nobody", ("A", 1))), 404)
    assert len(company.relay.ledger.shipments.recent(unmatched=True)) == 1


async def test_notices_that_name_no_order_and_cannot_be_read_are_refused(company: Company) -> None:
    assert "DOCTYPE" in refused(await company.notice(b"<!DOCTYPE a><ShipNotice/>"), 400)
    refused(await company.notice(b"<ShipNotice>"), 400)
    refused(await company.notice(b"", action="export"), 400)
    refused(await company.notice(b" " * ((1 << 20) + 1)), 413)

    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * (1 << 15)

    refused(await company.web.post(PATH, params={"action": "shipnotify"}, content=trickle(), auth=AUTH), 413)
    assert company.relay.ledger.shipments.recent() == []


async def test_a_number_and_an_id_of_different_orders_are_kept_for_an_operator(
    company: Company, numbers: list[str]
) -> None:
    a, b = numbers
    for number, id_of_a in ((b, await feed_id(company, a)), (b, "1"), ("edited by hand", await feed_id(company, a))):
        assert outcome(await company.notice(parcel(number, ("X", 1), order_id=id_of_a, tracking="1Z9"))) == "unmatched"
    assert counted(company, a) == counted(company, b) == []
    assert len(waiting(company)) == 3
    assert all(a in row["asks"] for row in waiting(company))
    assert (
        outcome(await company.notice(parcel(b, ("X", 1), order_id="", tracking="1Z77"), order_number=a)) == "unmatched"
    )
    assert "different orders" in waiting(company)[0]["asks"]
    assert counted(company, a) == counted(company, b) == []


async def test_an_id_decides_where_the_number_agrees_or_is_missing(company: Company, numbers: list[str]) -> None:
    a, _ = numbers
    given = await feed_id(company, a)
    assert outcome(await company.notice(parcel(a, ("X", 1), order_id=given, tracking="1Z71"))) == "recorded"
    assert outcome(await company.notice(parcel("", ("X", 1), order_id=given, tracking="1Z72"))) == "recorded"
    assert outcome(await company.notice(parcel("", ("X", 1), order_id=given.upper(), tracking="1Z73"))) == "recorded"
    assert len(counted(company, a)) == 3


async def test_an_id_of_an_older_program_counts_only_together_with_the_number(
    company: Company, numbers: list[str]
) -> None:
    a, b = numbers
    assert outcome(await company.notice(parcel(a, ("X", 1), order_id="1", tracking="1Z71"))) == "recorded"
    assert outcome(await company.notice(parcel("", ("X", 1), order_id="1", tracking="1Z72"))) == "unmatched"
    assert outcome(await company.notice(parcel(b, ("X", 1), order_id="999", tracking="1Z73"))) == "recorded", (
        "of no order"
    )
    assert (len(counted(company, a)), len(counted(company, b)), len(waiting(company))) == (1, 1, 1)


async def test_a_feed_id_from_before_a_restore_never_matches_another_order(
    company: Company, tmp_path: Path, sqlite_url: str
) -> None:
    company.relay.imported(ORDERS[0])
    early = await feed_id(company, ORDERS[0]["order_number"])
    back_up(sqlite_url, tmp_path / "backup")
    company.relay.imported(ORDERS[1])
    lost = await feed_id(company, ORDERS[1]["order_number"])
    url = f"sqlite:///{tmp_path / 'restored'}"
    restore(url, tmp_path / "backup")
    with closing(Ledger.open(url)) as ledger:
        relay = Relay(ledger, company.relay.store, first_batch=10)
        relay.imported(ORDERS[2])
        again = Company(relay, url)
        with closing(again.parts):
            other = ORDERS[2]["order_number"]
            assert (await feed_id(again, other)).split("-")[0] == lost.split("-")[0], "the same number of the ledger"
            assert outcome(await again.notice(parcel("", ("X", 1), order_id=lost, tracking="1Z71"))) == "unmatched"
            missing = ORDERS[1]["order_number"]
            assert outcome(await again.notice(parcel(missing, ("X", 1), order_id=lost, tracking="1Z72"))) == "unmatched"
            bare = lost.split("-")[0]
            assert outcome(await again.notice(parcel("", ("X", 1), order_id=bare, tracking="1Z73"))) == "unmatched"
            assert counted(again, other) == []
            assert outcome(await again.notice(parcel("", ("X", 1), order_id=early, tracking="1Z74"))) == "recorded"
            assert outcome(await again.notice(parcel(other, ("X", 1), order_id=lost, tracking="1Z75"))) == "recorded"
            assert len(counted(again, other)) == 1
            await again.web.aclose()


async def test_two_ledgers_give_the_same_order_different_ids(
    company: Company, tmp_path: Path, numbers: list[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'second'}"
    migrate(url)
    with closing(Ledger.open(url)) as ledger:
        second = Company(Relay(ledger, BatchStore((tmp_path / "second-store").as_uri())), url)
        with closing(second.parts):
            second.relay.imported(*ORDERS[:2])
            given = await feed_id(second, numbers[0])
            assert given != await feed_id(company, numbers[0])
            assert outcome(await company.notice(parcel("", ("X", 1), order_id=given))) == "unmatched"
            await second.web.aclose()


async def test_one_parcel_in_two_forms_is_counted_once(company: Company, numbers: list[str]) -> None:
    a, _ = numbers
    item = ORDERS[0]["items"][0]["item_number"]
    given = await feed_id(company, a)
    forms = [(a, "1Z 9", given), (a, "1Z9", ""), ("", "1z9 ", given), (a, "\t1Z 9\u200b", "1")]
    outcomes = [outcome(await company.notice(parcel(n, (item, 1), tracking=t, order_id=i))) for n, t, i in forms]
    assert outcomes == ["recorded", "known", "known", "known"]
    query = {"order_number": a, "tracking_number": "1z-9", "carrier": "ups"}
    assert outcome(await company.notice(parcel("", (item, 1), tracking=""), **query)) == "asked"
    assert len(counted(company, a)) == 1


async def test_a_corrected_notice_is_kept_beside_the_first_and_asked(company: Company, numbers: list[str]) -> None:
    a, _ = numbers
    item = ORDERS[0]["items"][0]["item_number"]
    assert outcome(await company.notice(parcel(a, (item, 1), tracking="1Z9"))) == "recorded"
    for _ in range(3):
        assert outcome(await company.notice(parcel(a, (item, 2), tracking="1Z9"))) == "asked"
    assert [one["lines"][0]["quantity"] for one in company.relay.ledger.queries.find(a)[0]["shipments"]] == [1, 2]
    assert [one["lines"][0]["quantity"] for one in counted(company, a)] == [1]
    assert len(waiting(company)) == 1


@pytest.mark.parametrize("tracking", ["N/A", "none", "", "0"])
async def test_parcels_without_a_tracking_number_are_never_taken_for_each_other(
    company: Company, numbers: list[str], tracking: str
) -> None:
    a, _ = numbers
    first, second = (parcel(a, (sku, 1), tracking=tracking) for sku in ("X", "Y"))
    outcomes = [outcome(await company.notice(body)) for body in (first, second, first, second)]
    assert outcomes == ["recorded", "asked", "known", "asked"]
    assert len(company.relay.ledger.shipments.recent()) == 2


async def test_a_parcel_with_an_odd_line_is_recorded_with_the_others(company: Company, numbers: list[str]) -> None:
    a, _ = numbers
    item = ORDERS[0]["items"][0]["item_number"]
    body = parcel(a, (item, 1), ("", 3), (item, 0), ("HAT", 2), tracking="1Z9")
    assert outcome(await company.notice(body)) == "recorded"
    ((one,), (order,)) = counted(company, a), company.relay.ledger.queries.find(a)
    assert [(row["item_number"], row["quantity"], bool(row["odd"])) for row in one["lines"]] == [
        (item, 1, False),
        ("", 3, True),
        (item, 0, True),
        ("HAT", 2, False),
    ]
    assert order["shipped"] == "partly"
    assert outcome(await company.notice(parcel(a, ("", 3), (item, 0), tracking="1Z8"))) == "recorded"
    assert company.relay.ledger.queries.find(a)[0]["shipped"] == "partly", "only odd lines are not the whole order"


async def test_an_unreadable_notice_that_names_its_order_is_kept_once_and_accepted(
    company: Company, numbers: list[str], caplog: Any
) -> None:
    query = {"order_number": numbers[0], "carrier": "UPS", "tracking_number": "1Z9"}
    for body in (b"<ShipNotice><Recipient>Marked Person", b"<!DOCTYPE a><ShipNotice/>", b"<Orders/>"):
        for _ in range(2):
            assert outcome(await company.notice(body, **query)) == "unmatched"
    rows = waiting(company)
    assert {(row["tracking_number"], tuple(row["words"])) for row in rows} == {("1Z9", (numbers[0],))}
    raw = ["<Orders/>", "<!DOCTYPE a><ShipNotice/>", "<ShipNotice><Recipient>Marked Person"]
    assert [row["raw"] for row in rows] == raw
    assert counted(company, numbers[0]) == []
    assert "Marked" not in caplog.text
    (work,) = company.relay.ledger.order_references.named(numbers[0])
    company.relay.ledger.shipments.match(rows[0]["id"], work.id, None)
    company.relay.ledger.shipments.dismiss(rows[1]["id"], "a duplicate")
    assert [row["raw"] for row in company.relay.ledger.shipments.recent()][:2] == ["", ""], (
        "nothing personal stays once decided"
    )


async def test_a_notice_that_is_too_large_leaves_its_trace(company: Company, numbers: list[str]) -> None:
    for _ in range(2):
        answer = await company.notice(b" " * ((1 << 20) + 1), order_number=numbers[0], tracking_number="1Z9")
        assert outcome(answer) == "unmatched", "kept, so it need not come again"
    (row,) = waiting(company)
    assert (row["words"], row["tracking_number"], row["raw"]) == ([numbers[0]], "1Z9", "(empty)")


async def test_names_of_parameters_and_actions_in_any_case_and_forms_are_read(
    company: Company, numbers: list[str]
) -> None:
    a, b = numbers
    query = {"Action": "ShipNotify", "ORDER_NUMBER": a, "Tracking_Number": "1Z9"}
    answer = await company.web.post(f"{PATH}//", params=query, auth=AUTH)
    assert outcome(answer) == "recorded"
    answer = await company.web.post(
        PATH, data={"order_number": b, "tracking_number": "1Z9", "carrier": "UPS"}, auth=AUTH
    )
    assert outcome(answer) == "recorded"
    assert [len(counted(company, number)) for number in numbers] == [1, 1]


@pytest.mark.parametrize(
    "body",
    [
        b"<ShipNotice><OrderNumber><![CDATA[NUMBER]]></OrderNumber><Broken",
        b"<ShipNotice><OrderNumber>NUMBER",
        "<ShipNotice><OrderNumber>NUMBER</OrderNumber><Broken".encode("utf-16"),
        b'{"orderNumber": "NUMBER", "x": 1}',
        b"<ShipNotice><Order><OrderNumber>NUMBER</OrderNumber></Order></ShipNotice>",
        b"<ShipNotices><ShipNotice><OrderNumber>NUMBER</OrderNumber></ShipNotice></ShipNotices>",
    ],
    ids=["cdata", "cut", "utf-16", "json", "nested", "list"],
)
async def test_a_body_that_names_its_order_in_any_form_is_kept(
    company: Company, numbers: list[str], body: bytes
) -> None:
    a, _ = numbers
    wide = "NUMBER".encode("utf-16-le")
    body = body.replace(wide, a.encode("utf-16-le")) if wide in body else body.replace(b"NUMBER", a.encode())
    assert outcome(await company.notice(body)) == "unmatched"
    (row,) = waiting(company)
    assert (row["words"], bool(row["raw"]), counted(company, a)) == ([a], True, [])


async def test_values_that_contradict_each_other_are_kept_for_an_operator(company: Company, numbers: list[str]) -> None:
    a, b = numbers

    async def sent(*pairs: tuple[str, str], body: bytes = b"") -> str:
        return outcome(await company.web.post(PATH, params=httpx.QueryParams(pairs), content=body, auth=AUTH))

    action, by_a, tracking = ("action", "shipnotify"), ("order_number", a), ("tracking_number", "1Z9")
    for pairs in (
        (action, by_a, ("order_number", b), tracking),
        (action, by_a, tracking, ("tracking_number", "1Z8")),
        (action, ("action", "export"), by_a, tracking),
        (("action", "void"), by_a, tracking),
    ):
        assert await sent(*pairs) == "unmatched"
    body = parcel(a, ("X", 1))
    for old, new in (
        (f"{a}<", f"{a}</OrderNumber><OrderNumber>{b}<"),
        ("1Z1<", "1Z1</TrackingNumber><TrackingNumber>1Z2<"),
    ):
        assert await sent(action, body=body.replace(old.encode(), new.encode())) == "unmatched"
    assert (counted(company, a), counted(company, b), len(waiting(company))) == ([], [], 6)
    assert await sent(action, action, by_a, by_a, tracking, ("tracking_number", "1z 9")) == "recorded"
    assert len(counted(company, a)) == 1


async def test_a_notice_by_get_or_with_many_fields_is_recorded(company: Company, numbers: list[str]) -> None:
    a, b = numbers
    query = {"action": "shipnotify", "order_number": a, "tracking_number": "1Z9"}
    assert outcome(await company.web.get(PATH, params=query, auth=AUTH)) == "recorded"
    fields = {**{f"field{n}": "x" for n in range(300)}, "order_number": b, "tracking_number": "1Z9"}
    answer = await company.web.post(f"{PATH}?order_number=", data=fields, auth=AUTH)
    assert outcome(answer) == "recorded"
    assert [len(counted(company, number)) for number in numbers] == [1, 1]


async def test_items_of_an_unknown_form_are_not_the_whole_order(company: Company, numbers: list[str]) -> None:
    a, _ = numbers
    body = parcel(a, ("X", 1)).replace(b"<Item>", b"<LineItem>").replace(b"</Item>", b"</LineItem>")
    assert outcome(await company.notice(body)) == "recorded"
    assert company.relay.ledger.queries.find(a)[0]["shipped"] == "partly"


async def test_a_kept_notice_whose_parcel_counts_already_is_not_counted_again(
    company: Company, numbers: list[str]
) -> None:
    a, _ = numbers
    item = ORDERS[0]["items"][0]["item_number"]
    assert outcome(await company.notice(parcel("typo", (item, 1), tracking="1Z9"))) == "unmatched"
    assert outcome(await company.notice(parcel(a, (item, 1), tracking="1z 9"))) == "recorded"
    (kept,), (work,) = waiting(company), company.relay.ledger.order_references.named(a)
    outcomes = company.relay.ledger.shipments.match(kept["id"], work.id, None)
    assert (outcomes.outcome, len(counted(company, a)), waiting(company)) == ("known", 1, [])


async def test_concurrent_identical_notices_are_one_parcel(
    company: Company, numbers: list[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr(requests, "IDLE_RATIO", 0.0)
    a, _ = numbers
    for number in (a, "nobody"):
        body = parcel(number, ("X", 1), tracking="1Z9")
        outcomes = Counter(
            [outcome(answer) for answer in await asyncio.gather(*(company.notice(body) for _ in range(8)))]
        )
        assert outcomes in ({"recorded": 1, "known": 7}, {"unmatched": 8})
    assert (len(counted(company, a)), len(waiting(company))) == (1, 1)


SHAPES = st.sampled_from(["1Z9AA", "1z9aa", " 1Z 9AA", "1Z9AB", "N/A", "", "none", "1Z-9AA"])
NOTICES = st.lists(
    st.tuples(
        SHAPES,
        st.lists(st.tuples(st.sampled_from(["X", "Y"]), st.integers(0, 2)), min_size=1, max_size=2),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(notices=NOTICES)
async def test_in_any_sequence_no_notice_is_lost_or_counted_again(
    company: Company, notices: list[Any], monkeypatch: Any
) -> None:
    """Every notice is a row, or the same as one; of one tracking number one parcel counts at most."""
    monkeypatch.setattr(requests, "IDLE_RATIO", 0.0)
    if not company.relay.ledger.queries.find(ORDERS[0]["order_number"]):
        company.relay.imported(ORDERS[0])
    with company.relay.ledger.database.engine.begin() as conn:
        for table in ("shipment_line", "shipment"):
            conn.exec_driver_sql(f"DELETE FROM {table}")
    number = ORDERS[0]["order_number"]
    given = await feed_id(company, number)
    rows = 0
    for tracking, lines, by_id in notices:
        body = parcel("" if by_id else number, *lines, tracking=tracking, order_id=given if by_id else "")
        outcomes = outcome(await company.notice(body))
        now = len(company.relay.ledger.shipments.recent())
        assert now == rows + (outcomes in {"recorded", "asked"} and now > rows)
        assert outcomes == "known" or now > rows or outcomes == "asked"
        rows = now
        assert outcome(await company.notice(body)) in {"known", "asked"}
        assert len(company.relay.ledger.shipments.recent()) == rows
    forms = ["".join(one["tracking_number"].split()).upper() for one in counted(company, number)]
    identified = [form for form in forms if form.startswith("1Z")]
    assert len(identified) == len(set(identified))
    assert len(forms) - len(identified) <= 1
