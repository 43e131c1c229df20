"""Shipment notices: what they tell, and what is refused in them. Credentials and status words besides."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from order_relay.connections import Connection
from order_relay.errors import ConfigurationError, MalformedResponseError
from order_relay.ledger.schema.states import State
from order_relay.orders.fulfilment.shipment_progress import ShippedLine
from order_relay.vendors.shiprush.connection import ShipRushSettings
from order_relay.vendors.shiprush.credentials import is_authorized, split_query
from order_relay.vendors.shiprush.notice import read_notice
from order_relay.vendors.shiprush.statuses import WORDS, status_of

BODY = b"""<?xml version="1.0" encoding="utf-8"?>
<ShipNotice><OrderNumber>WEB-10731</OrderNumber><OrderID>731</OrderID>
<CustomerCode>buyer-77@example.test</CustomerCode><LabelCreateDate>05/01/2026 15:12</LabelCreateDate>
<ShipDate>05/01/2026</ShipDate><Carrier>UPS</Carrier><Service>Ground</Service>
<TrackingNumber>1ZEXAMPLE0001</TrackingNumber><ShippingCost>8.15</ShippingCost><Recipient><Name>R</Name></Recipient>
<Items><Item><LineItemID>1</LineItemID><SKU>MUG-BLUE</SKU><Name>Blue mug</Name><Quantity>4</Quantity></Item></Items>
</ShipNotice>"""


def test_a_whole_notice():
    parsed = read_notice({"order_number": "WEB-1", "carrier": "DHL"}, BODY, "USD")
    assert (parsed.given_id, parsed.words, parsed.carrier, parsed.service, parsed.tracking_number) == (
        "731",
        ("WEB-10731", "WEB-1"),
        "UPS",
        "Ground",
        "1ZEXAMPLE0001",
    )
    assert (parsed.shipped_at, parsed.cost_minor, parsed.currency) == (
        datetime(2026, 5, 1, 15, 12, tzinfo=UTC),
        815,
        "USD",
    )
    assert parsed.lines == (ShippedLine(4, "1", "MUG-BLUE"),)


def test_without_a_body_the_query_will_do():
    parsed = read_notice(
        {"order_number": "WEB-1", "carrier": "UPS", "service": "", "tracking_number": "1Z"}, b" ", "USD"
    )
    assert (parsed.words, parsed.carrier, parsed.tracking_number, parsed.lines) == (("WEB-1",), "UPS", "1Z", ())


def test_the_same_parcel_has_the_same_key_and_others_have_not():
    key = read_notice({}, BODY, "USD").key
    assert read_notice({}, BODY.replace(b"UPS", b"ups").replace(b"8.15", b"9.00"), "USD").key == key
    assert read_notice({}, BODY.replace(b"1ZEXAMPLE0001", b"1z EXAMPLE 0001"), "USD").key == key
    assert read_notice({}, BODY.replace(b">4<", b">3<"), "USD").key != key
    assert read_notice({}, BODY.replace(b"0001<", b"0002<"), "USD").key != key
    without = BODY.replace(b"1ZEXAMPLE0001", b"")
    assert read_notice({}, without, "USD").key == read_notice({}, without, "USD").key
    assert read_notice({}, without, "USD").key != read_notice({}, without.replace(b">4<", b">3<"), "USD").key


def test_an_unreadable_date_or_cost_loses_no_parcel():
    parsed = read_notice({}, BODY.replace(b"05/01/2026", b"soon").replace(b"8.15", b"much"), "USD")
    assert (parsed.shipped_at, parsed.cost_minor) == (None, None)


UNREADABLE = [
    b"<ShipNotice>",
    b"\xff\xfe\x00",
    b"<Orders/>",
    b"not xml",
    b'{"Number": "1"}',
    b'<!DOCTYPE x [<!ENTITY a "b">]><ShipNotice><OrderNumber>&a;</OrderNumber></ShipNotice>',
    b"<ShipNotice><OrderNumber>&nbsp;</OrderNumber></ShipNotice>",
    b'<?xml version="1.0" encoding="no-such"?><ShipNotice/>',
]


@pytest.mark.parametrize(
    "body", [*UNREADABLE, b"<ShipNotice/>", b"<ShipNotice><OrderNumber> </OrderNumber></ShipNotice>"]
)
def test_what_names_no_order_is_refused(body):
    with pytest.raises(MalformedResponseError):
        read_notice({}, body, "USD")


@pytest.mark.parametrize("body", UNREADABLE)
def test_an_unreadable_body_is_kept_where_the_query_names_the_order(body):
    parsed = read_notice({"order_number": "WEB-1", "carrier": "UPS", "tracking_number": "1Z9"}, body, "USD")
    assert (parsed.words, parsed.carrier, parsed.tracking_number, parsed.lines) == (("WEB-1",), "UPS", "1Z9", ())
    assert parsed.raw
    assert parsed.asks
    assert parsed.key == read_notice({"order_number": "WEB-1", "tracking_number": "1Z9"}, body, "USD").key


@pytest.mark.parametrize(
    "body",
    [
        BODY[:-20],
        BODY.replace(b"<Service>", b"<Service>\x00"),
        BODY + b"<again/>",
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">' + BODY[39:],
        b"<ShipNotice><ORDERNUMBER>WEB-10731</ORDERNUMBER",
    ],
)
def test_an_unreadable_body_is_kept_where_it_names_the_order_itself(body):
    parsed = read_notice({}, body, "USD")
    assert parsed.words == ("WEB-10731",)
    assert parsed.raw
    assert "MUG" not in parsed.asks


def test_what_is_kept_of_an_unreadable_body_is_bounded():
    parsed = read_notice({"order_number": "N"}, b"<a>\x00" + b"\xff" * 200_000, "USD")
    assert len(parsed.raw) <= 16_000


@pytest.mark.parametrize(
    ("quantity", "units"),
    [
        ("0", 0),
        ("", 0),
        ("4.5", 0),
        ("-1", 0),
        ("four", 0),
        ("100000", 0),
        ("9" * 50, 0),
        ("\u0664", 0),
        ("4,0", 0),
        ("4.0", 4),
        (" 4 ", 4),
        ("99999", 99_999),
    ],
)
def test_a_line_with_an_odd_quantity_is_kept_beside_the_others(quantity, units):
    body = BODY.replace(b"</Items>", f"<Item><SKU>CUP</SKU><Quantity>{quantity}</Quantity></Item></Items>".encode())
    first, second = read_notice({}, body, "USD").lines
    assert first == ShippedLine(4, "1", "MUG-BLUE")
    assert (second.item_number, second.quantity, bool(second.odd)) == ("CUP", units, not units)


def test_a_line_that_names_nothing_is_kept_with_its_units():
    (line,) = read_notice({}, BODY.replace(b">1</LineItemID><SKU>MUG-BLUE<", b"></LineItemID><SKU><"), "USD").lines
    assert line.quantity == 4
    assert line.odd


def test_lines_are_found_wherever_they_are_and_are_never_too_many():
    moved = BODY.replace(b"<Items>", b"").replace(b"</Items>", b"")
    assert read_notice({}, moved, "USD").lines == (ShippedLine(4, "1", "MUG-BLUE"),)
    many = BODY.replace(b"</Items>", b"<Item><SKU>A</SKU><Quantity>1</Quantity></Item>" * 2_000 + b"</Items>")
    lines = read_notice({}, many, "USD").lines
    assert len(lines) == 501
    assert "1501 further" in lines[-1].odd


def test_neither_a_namespace_nor_capitals_hide_a_notice():
    parsed = read_notice({}, BODY.replace(b"<ShipNotice>", b'<ShipNotice xmlns="urn:x">'), "USD")
    assert (parsed.words, parsed.tracking_number, len(parsed.lines)) == (("WEB-10731",), "1ZEXAMPLE0001", 1)
    low = read_notice({}, BODY.lower(), "USD")
    assert (low.words, low.lines) == (("web-10731",), (ShippedLine(4, "1", "mug-blue"),))


@pytest.mark.parametrize("day", ["01/01/0001", "12/31/9999", "05/01/1899"])
def test_an_impossible_ship_date_is_left_out(day):
    assert read_notice({}, BODY.replace(b"05/01/2026", day.encode()), "USD").shipped_at is None


def test_an_order_id_of_another_form_is_a_number():
    parsed = read_notice({}, BODY.replace(b">731<", b">so-000731<"), "USD")
    assert (parsed.given_id, parsed.words) == ("", ("WEB-10731", "so-000731"))


def test_a_bomb_of_entities_is_never_expanded():
    bomb = (
        b"<!DOCTYPE a [<!ENTITY a 'aaaaaaaaaa'>"
        + b"".join(b"<!ENTITY a%d '%s'>" % (n, b"&a;" * 10) for n in range(9))
        + b"]><ShipNotice>&a8;</ShipNotice>"
    )
    with pytest.raises(MalformedResponseError, match="DOCTYPE"):
        read_notice({}, bomb, "USD")


def feed(**changes):
    fields = {"conn_id": "shiprush_feed", "login": "feeduser", "password": "pässword:x"} | changes
    return ShipRushSettings.from_connection(Connection(**fields))


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


PAIR = b"SS-UserName=feeduser&SS-Password=p%C3%A4ssword%3Ax"


@pytest.mark.parametrize(
    ("header", "query", "expected"),
    [
        (basic("feeduser:pässword:x"), b"", True),
        (None, PAIR, True),
        (basic("feeduser:pässword:x"), PAIR, True),
        (basic("feeduser:pässword:x").replace("Basic", "bAsIc"), b"", True),
        (None, PAIR.lower(), True),
        (None, b"", False),
        (basic("feeduser:wrong"), b"", False),
        (basic("feeduser:wrong"), PAIR, False),
        (basic("feeduser:pässword:x"), PAIR + b"1", False),
        (basic(":"), b"", False),
        ("Basic !!", b"", False),
        ("Bearer x", b"", False),
        (None, b"SS-UserName=feeduser", False),
        (None, PAIR + b"&SS-Password=2", False),
        ("", PAIR, False),
        ("Basic " + "/w==", b"", False),
        (None, b"SS-UserName=%ff&SS-Password=%ff", False),
    ],
)
def test_credentials(header, query, expected):
    left, found = split_query(b"action=export&" + query)
    assert b"word" not in left.lower()
    assert b"feeduser" not in left
    assert is_authorized(feed(), header, found) is expected


@pytest.mark.parametrize(
    "changes",
    [
        {"login": "a:b"},
        {"login": ""},
        {"password": ""},
        {"extra": {"entered": "held"}},
        {"extra": {"page_size": 0}},
        {"extra": {"unmatched_status": 302}},
        {"extra": {"words": {"lost": "x"}}},
        {"extra": {"words": {"shipped": ""}}},
        {"extra": {"words": {"shipped": "a\x00b"}}},
    ],
)
def test_a_wrong_setting_is_named(changes):
    with pytest.raises(ConfigurationError, match="shiprush_feed"):
        feed(**changes)


def test_settings_of_a_store():
    parsed = feed(extra={"pipelines": "a, b", "words": '{"ready_to_ship": "new"}', "unmatched_status": 200})
    assert (
        parsed.pipelines,
        parsed.words["ready_to_ship"],
        parsed.words["cancelled"],
        parsed.unmatched_status,
    ) == (
        {"a", "b"},
        "new",
        "cancelled",
        200,
    )


@pytest.mark.parametrize("word", ["annulled", "canceled", "", "x" * 60, "paid"])
def test_a_status_that_shiprush_does_not_read_as_cancelled_is_refused(word):
    with pytest.raises(ConfigurationError, match="words") as result:
        feed(extra={"words": {"cancelled": word}})
    if word == "annulled":
        assert all(allowed in str(result.value) for allowed in ("cancelled", "deleted", "voided", "refunded"))


@pytest.mark.parametrize("word", ["cancelled", "deleted", "Voided", " refunded "])
def test_only_the_four_values_mean_cancelled(word):
    assert feed(extra={"words": {"cancelled": word}}).words["cancelled"] == word.strip().lower()
    for status in WORDS.keys() - {"cancelled"}:
        with pytest.raises(ConfigurationError, match=status):
            feed(extra={"words": {status: word}})


@pytest.mark.parametrize(
    ("state", "more", "word"),
    [
        ("imported", {}, "paid"),
        ("imported", {"shipped": "partly"}, "paid"),
        ("imported", {"shipped": "shipped"}, "shipped"),
        ("imported", {"cancelled": True}, "cancelled"),
        ("imported", {"sent_as": "SHIPPED"}, "shipped"),
        ("imported", {"sent_as": "CANCELLED"}, "cancelled"),
        ("ready", {"sent_as": "SHIPPED"}, "shipped"),
        ("in_doubt", {"sent_as": "CANCELLED"}, "cancelled"),
        ("held", {"sent_as": "SHIPPED"}, "on-hold"),
        ("superseded", {}, "cancelled"),
        ("discarded", {}, "cancelled"),
        ("held", {}, "on-hold"),
        ("ready", {}, "paid"),
        ("imported", {"shipped": "shipped", "cancelled": True}, "shipped"),
        ("imported", {"oms": "open"}, "paid"),
        ("imported", {"oms": "partly_shipped"}, "paid"),
        ("imported", {"oms": "shipped"}, "shipped"),
        ("imported", {"oms": "rejected"}, "on-hold"),
        ("imported", {"oms": "partly_cancelled"}, "on-hold"),
    ],
)
def test_status_values(state, more, word):
    assert WORDS[status_of(state, **more)] == word


def test_every_state_has_a_label():
    assert {status_of(state) for state in State} <= WORDS.keys()
