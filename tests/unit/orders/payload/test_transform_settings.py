"""Nothing that a mapping or an order says is dropped silently: constants, collisions, paths, lists, last checks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from order_relay.errors import ConfigurationError, RecordRejectedError
from order_relay.orders.mapping.converters import day_as_datetime
from order_relay.orders.payload.custom_fields import CustomFields
from order_relay.orders.payload.transformer import Transformer
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.shopatron.payload import HOOKS
from order_relay.vendors.shopatron.transform import ShopatronTransform
from tests.support.payloads import codes, only, sent

Build = Callable[..., Transformer]

# --- two values, one key ---


def test_a_custom_field_of_a_name_that_is_taken_arrives_too(plain: Transformer, order: dict[str, Any]) -> None:
    order["custom_fields"] = {"terms": "COD only", "Dock": "7"}
    custom = sent(plain, order)["customOrderData"]
    assert (custom["terms"], custom["custom.terms"], custom["Dock"]) == ("Net 30", "COD only", "7")
    (note,) = only(plain, order).notes
    assert (note.code, note.path) == ("key_collision", "customOrderData.terms")
    assert "'custom.terms'" in note.message


def test_without_another_value_the_name_stays(plain: Transformer, order: dict[str, Any]) -> None:
    order |= {"terms": None, "custom_fields": {"terms": "COD only"}}
    assert sent(plain, order)["customOrderData"]["terms"] == "COD only"
    assert only(plain, order).notes == []


def test_names_that_differ_in_case_alone_collide(build: Build, order: dict[str, Any]) -> None:
    order["custom_fields"] = {"TERMS": "x", "dock": "1", "Dock": "2", "custom.terms": "y", " dock ": "3"}
    custom = sent(build(), order)["customOrderData"]
    mine = {name: custom[name] for name in custom if "dock" in name.lower() or "terms" in name.lower()}
    assert mine == {
        "terms": "Net 30",
        "custom.terms": "y",
        "custom.TERMS.2": "x",
        " dock ": "3",
        "custom.Dock": "2",
        "custom.dock.2": "1",
    }
    exact = sent(build(custom_keys="exact"), order)["customOrderData"]
    assert {name: exact[name] for name in ("TERMS", "terms", "dock", "Dock")} == {
        "TERMS": "x",
        "terms": "Net 30",
        "dock": "1",
        "Dock": "2",
    }


names = st.text(st.sampled_from("aAbB .2"), min_size=1, max_size=4)


@given(st.dictionaries(names, st.integers()), st.dictionaries(names, st.integers(), max_size=8), st.randoms())
def test_no_member_is_lost_with_any_names(own: dict[str, int], more: dict[str, int], random: Any) -> None:
    mixed = list(more.items())
    random.shuffle(mixed)
    first, second = dict(own), dict(own)
    renamed = list(CustomFields().add(first, more, 12))
    list(CustomFields().add(second, dict(mixed), 12))
    assert first == second
    assert {name: first[name] for name in own} == own
    assert len(first) == len(own) + len(more)
    assert sorted(first.values()) == sorted([*own.values(), *more.values()])
    assert all(first[sent_as] == more[name] for name, sent_as in renamed)


def test_renamed_members_keep_within_the_limit_of_names() -> None:
    own = {"n" * 100: 1}
    list(CustomFields().add(own, {"N" * 100: 2, "N" * 99 + "n": 3}, 100))
    assert sorted(own.values()) == [1, 2, 3]
    assert max(map(len, own)) == 100


def test_free_members_must_be_an_object(build: Build, order: dict[str, Any]) -> None:
    rule = {"target": "customOrderData.*", "path": "terms"}
    assert codes(build(destination={"fields": [rule]}), order) == {("wrong_type", "/customOrderData")}


# --- constants ---


def test_constants_for_whole_objects_are_merged(build: Build, order: dict[str, Any]) -> None:
    payload = sent(
        build(
            constants={
                "customOrderData": {"terms": "fixed", "a.b": "dotted"},
                "customer": {"phone2": "1", "firstName": None},
                "orderPayments": [{"maxAmount": -1, "paymentMethod": {"billingAddress": {"active": True}}}],
            }
        ),
        order,
    )
    custom = payload["customOrderData"]
    assert (custom["terms"], custom["a.b"], custom["sourceID"], custom["Dock"]) == ("fixed", "dotted", "356509", "7")
    assert payload["customer"] == {
        "lastName": "Lovelace",
        "email": "ada@e.example",
        "phone1": "000-111",
        "phone2": "1",
    }
    (payment,) = payload["orderPayments"]
    assert payment["maxAmount"] == -1
    assert payment["paymentMethod"]["paymentType"] == "NO"
    address = payment["paymentMethod"]["billingAddress"]
    assert (address["active"], address["addressLine1"]) == (True, "1 Bill St")


def test_a_whole_object_of_a_rule_is_merged_with_single_members(build: Build, order: dict[str, Any]) -> None:
    source = {"order": [{"target": "gift", "path": "gift"}], "members": ["gift"]}
    fields = [{"target": "orderGift", "path": "gift"}, {"target": "orderGift.message", "path": "terms"}]
    transformer = build(source=source, destination={"fields": fields})
    order["gift"] = {"recipient": "Ada", "message": "lost?"}
    assert sent(transformer, order)["orderGift"] == {"recipient": "Ada", "message": "Net 30"}
    order["gift"] = "Ada"
    assert codes(transformer, order) == {("wrong_type", "/gift")}


REFUSED_CONSTANTS: list[tuple[dict[str, Any], str]] = [
    ({"orderItems": [{}]}, "the items come from the order's lines"),
    ({"orderPayments": [{}, {}]}, "give exactly one entry"),
    ({"orderPayments": []}, "give exactly one entry"),
    ({"customer": {"phone2": "1"}, "customer.phone2": "2"}, "set by two constants"),
    ({"customer": {"fone": "1"}}, r"no member 'customer.fone'; did you mean"),
    ({"customer": "x"}, "schema does not allow this value"),
    ({"customOrderData": {"n": 1}}, "schema does not allow this value"),
    ({"customOrderData": {"n" * 101: "1"}}, "schema does not allow this value"),
    ({"fraudData": [{"fraudType": ""}]}, "schema does not allow this value"),
    ({"orderStatus": "CANCELED"}, r"this value \(enum"),
    ({"orderStatus": "SHIPPED"}, "SHIPPED requires assignedLocation"),
    ({"importedCreationDate": "2024-02-30T00:00:00Z"}, "format date-time"),
    ({"expectedDeliveryDate": "2024-02-03"}, "format date-time"),
    ({"customerIP": "10.0.0.1"}, "must be a public IPv4 address"),
    ({"customerIP": "999.0.0.1"}, "format ipv4"),
    ({"externalOrderID": "same for all"}, "must be destination key"),
    ({"manufacturerID": 1011}, "must be settings.manufacturer id"),
    ({"orderGift": {"recipient": 5}}, "schema does not allow this value"),
]


@pytest.mark.parametrize(("constants", "expected"), REFUSED_CONSTANTS, ids=lambda one: str(one)[:50])
def test_constants_that_cannot_be_merged_are_refused_at_startup(
    build: Build, constants: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        build(constants=constants)


def test_a_list_that_no_rule_fills_is_taken_whole(build: Build, order: dict[str, Any], destination_format: Any) -> None:
    drop = [
        {"target": rule["target"], "drop": True}
        for rule in destination_format.mapping["fields"]
        if rule["target"].startswith("orderPayments")
    ]
    address = {"addressLine1": "1", "city": "c", "countryCode": "US"}
    payments = [{"paymentMethod": {"billingAddress": address, "paymentType": kind}} for kind in ("NO", "PP")]
    transformer = build(constants={"orderPayments": payments}, destination={"fields": drop})
    assert sent(transformer, order)["orderPayments"] == payments


# --- rules hold whatever a value comes from ---

IP = {
    "destination": {"fields": [{"target": "customerIP", "path": "ip"}]},
    "source": {"order": [{"target": "ip", "path": "shopper_ip", "converter": "text"}], "members": ["shopper_ip"]},
}


@pytest.mark.parametrize("value", ["10.0.0.1", "127.0.0.1", "0.0.0.0", "224.0.0.1", "169.254.0.1", "100.64.0.1"])
def test_an_address_from_the_order_must_be_public(build: Build, order: dict[str, Any], value: str) -> None:
    transformer = build(**IP)
    result = only(transformer, order | {"shopper_ip": value})
    assert [(why.code, why.pointer) for why in result.issues] == [("address_not_public", "/shopper_ip")]
    assert value not in result.issues[0].message
    assert sent(transformer, order | {"shopper_ip": "8.8.8.8"})["customerIP"] == "8.8.8.8"


def test_card_data_inside_an_object_is_never_sent(build: Build, order: dict[str, Any]) -> None:
    source = {"order": [{"target": "method", "path": "method"}], "members": ["method"]}
    fields = [{"target": "orderPayments[].paymentMethod", "path": "method"}]
    transformer = build(source=source, destination={"fields": fields})
    assert only(transformer, order | {"method": {"cardNumber": "0000000000000123"}}).issues == []
    cards = {"cardSecurityCode": "123", "cardNumber": "4111111111111111"}
    found = only(transformer, order | {"method": cards}).issues
    assert [why.code for why in found] == ["card_data"] * 2
    assert "4111" not in repr(found)
    with pytest.raises(ConfigurationError, match="card data is never sent"):
        build(constants={"orderPayments": [{"paymentMethod": {"cardNumber": "4111111111111111"}}]})


def test_a_status_from_the_order_needs_what_it_needs(build: Build, order: dict[str, Any]) -> None:
    source = {"order": [{"target": "state", "path": "state"}], "members": ["state"]}
    fields = [{"target": "orderStatus", "path": "state", "default": "READY"}]
    transformer = build(source=source, destination={"fields": fields})
    assert sent(transformer, order)["orderStatus"] == "READY"
    found = only(transformer, order | {"state": "SHIPPED"}).issues
    assert {(why.code, why.pointer) for why in found} == {
        ("missing_field", "/assignedLocation"),
        ("missing_field", "/useInventory"),
    }
    assert {code for code, _ in codes(transformer, order | {"state": "CANCELED"})} == {"not_allowed"}


def test_lookup_fields_cannot_be_changed(build: Build, order: dict[str, Any]) -> None:
    for target, path in (("externalOrderID", "order_number"), ("currency", "terms")):
        rule = {"target": target, "path": path, "extract": "(.{3})"}
        found = only(build(destination={"fields": [rule]}), order | {"terms": "EUR"}).issues
        assert [why.code for why in found] == ["identity_changed"]


# --- gifts, days, several payments ---


def test_gift_members_can_be_mapped(build: Build, order: dict[str, Any]) -> None:
    source = {
        "order": [
            {"target": "gift_to", "path": "gift.to", "converter": "text"},
            {"target": "gift_text", "path": "gift.text", "converter": "text"},
        ],
        "members": ["gift"],
    }
    fields = [
        {"target": f"orderGift.{name}", "path": path}
        for name, path in (("recipient", "gift_to"), ("message", "gift_text"))
    ]
    transformer = build(source=source, destination={"fields": fields})
    order["gift"] = {"to": "Ada", "text": "With love"}
    assert sent(transformer, order)["orderGift"] == {"recipient": "Ada", "message": "With love"}
    del order["gift"]
    assert "orderGift" not in sent(transformer, order)


def test_a_day_becomes_the_moment_at_which_it_begins(build: Build, order: dict[str, Any]) -> None:
    rule = {"target": "expectedDeliveryDate", "path": "requested_ship_date", "converter": "day_as_datetime"}
    payload = sent(build(destination={"fields": [{**rule, "zone": "America/Phoenix"}]}), order)
    assert payload["expectedDeliveryDate"] == "2018-03-20T00:00:00-07:00"
    by_setting = build(destination={"fields": [{**rule, "zone": {"setting": "time_zone"}}]}, time_zone="Asia/Tokyo")
    assert sent(by_setting, order)["expectedDeliveryDate"] == "2018-03-20T00:00:00+09:00"
    for zone, expected in ((None, "needs a zone"), ("Mars/North", "name of a time zone")):
        with pytest.raises(ConfigurationError, match=expected):
            build(destination={"fields": [{**rule, "zone": zone}]})


@pytest.mark.parametrize(
    ("day", "zone", "text"),
    [
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T01:00:00-02:00"),  # midnight did not exist
        ("2021-03-28", "Europe/Amsterdam", "2021-03-28T00:00:00+01:00"),
        ("2021-11-07", "America/Havana", "2021-11-07T00:00:00-04:00"),  # midnight came two times
        ("2024-02-29", "UTC", "2024-02-29T00:00:00+00:00"),
    ],
)
def test_days_begin_where_clocks_change(day: str, zone: str, text: str) -> None:
    assert day_as_datetime(day, ZoneInfo(zone)) == text


@settings(max_examples=300)
@given(
    st.dates(date(1980, 1, 1), date(2037, 12, 31)),
    st.sampled_from(
        [
            "America/Phoenix",
            "America/Sao_Paulo",
            "America/Havana",
            "Asia/Beirut",
            "Africa/Cairo",
            "Europe/Amsterdam",
            "Asia/Kathmandu",
            "Pacific/Auckland",
            "Australia/Lord_Howe",
        ]
    ),
)
def test_days_begin_as_in_pendulum(day: date, zone: str) -> None:
    read = datetime.fromisoformat(day_as_datetime(day.isoformat(), ZoneInfo(zone)))
    assert read.date() == day
    began = pendulum.datetime(day.year, day.month, day.day, tz=zone).in_timezone("UTC")
    earlier = began.subtract(seconds=1).in_timezone(zone)
    # Where midnight comes two times, pendulum takes one of them; ours is the moment before which it was another day.
    assert read.astimezone(UTC) == began or earlier.date() == day
    assert (read.astimezone(UTC) - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date() < day


@pytest.mark.parametrize("value", ["2018-02-30", "20.3.2018", "2018-03-20T00:00:00Z", 5, None, "2011-12-30"])
def test_what_is_no_day_is_refused(value: Any) -> None:
    with pytest.raises(RecordRejectedError):
        day_as_datetime(value, ZoneInfo("Pacific/Apia"))


PAYMENTS = {
    "source": {"order": [{"target": "payments", "path": "payments"}], "members": ["payments"]},
    "destination": {
        "fields": [
            {"target": "orderPayments[].transactionID", "path": ["payments[].reference", "transaction_id"]},
            {"target": "orderPayments[].authAmount", "path": "payments[].amount", "converter": "number"},
            {
                "target": "orderPayments[].paymentMethod.paymentType",
                "path": ["payments[].method", "payment_method"],
                "table": "payment_type",
                "default": {"setting": "payment_type"},
            },
        ]
    },
    "tables": {"payment_type": {"paypal": "PP"}},
}


def test_several_payments_are_sent_as_several(build: Build, order: dict[str, Any]) -> None:
    order["payments"] = [
        {"method": "paypal", "reference": "P-1", "amount": "200.00"},
        {"method": "terms", "reference": "T-2", "amount": 56.5},
    ]
    first, second = found = sent(build(**PAYMENTS), order)["orderPayments"]
    assert [(p["transactionID"], str(p["authAmount"]), p["paymentMethod"]["paymentType"]) for p in found] == [
        ("P-1", "200.00", "PP"),
        ("T-2", "56.5", "NO"),
    ]
    assert "noOperationType" not in first["paymentMethod"]
    assert second["paymentMethod"]["noOperationType"] == "HI"
    assert first["paymentMethod"]["billingAddress"] == second["paymentMethod"]["billingAddress"]


def test_without_a_list_there_is_one_payment(build: Build, order: dict[str, Any]) -> None:
    order["payment"]["transaction_id"] = "T-1"
    nothing: tuple[dict[str, Any], ...] = ({}, {"payments": []}, {"payments": None})
    for none in nothing:
        (payment,) = sent(build(**PAYMENTS), order | none)["orderPayments"]
        assert payment["transactionID"] == "T-1"


def test_what_is_no_list_of_payments_is_refused(build: Build, order: dict[str, Any]) -> None:
    values: tuple[Any, ...] = ("x", {"a": 1}, [1], [{}, None])
    for value in values:
        assert codes(build(**PAYMENTS), order | {"payments": value}) == {("wrong_type", "/payments")}


def test_orders_of_one_batch_keep_their_own_payments(build: Build, order: dict[str, Any]) -> None:
    made = [order | {"payments": [{"reference": f"{n}-{m}"} for m in range(n)]} for n in range(1, 4)]
    results = build(**PAYMENTS).transform([made[0], order | {"total": "1"}, *made[1:]])
    assert [len(result.issues) for result in results] == [0, 1, 0, 0]
    for number, result in zip((1, 2, 3), (results[0], *results[2:]), strict=True):
        assert [f'"transactionID":"{number}-{m}"'.encode() in (result.payload or b"") for m in range(3)] == [
            m < number for m in range(3)
        ]


# --- into the objects and lists that columns hold ---

INNER: list[tuple[dict[str, Any], str, Any]] = [
    ({"target": "channel", "path": "custom_fields.Dock"}, "channel", "7"),
    ({"target": "channel", "path": ["custom_fields.nowhere", "terms"]}, "channel", "Net 30"),
    ({"target": "channel", "path": ["terms", "custom_fields.Dock"], "join": "/"}, "channel", "Net 30/7"),
    ({"target": "channel", "path": "fees[kind=gift].name", "default": "none"}, "channel", "Wrap"),
    ({"target": "channel", "path": "fees[].name", "join": ", "}, "channel", "Wrap, Rush"),
    ({"target": "customOrderData.fees", "path": "fees[].total", "sum": True, "converter": "text"}, "fees", "3.50"),
    ({"target": "channel", "path": "fees", "converter": "text", "informational": True}, "channel", None),
]


@pytest.mark.parametrize(("rule", "member", "value"), INNER)
def test_rules_of_the_destination_read_into_columns(
    build: Build, order: dict[str, Any], rule: dict[str, Any], member: str, value: Any
) -> None:
    source = {"order": [{"target": "fees", "path": "fees"}], "members": ["fees"]}
    transformer = build(source=source, destination={"fields": [rule]})
    order["fees"] = [{"kind": "gift", "name": "Wrap", "total": "1.25"}, {"kind": "x", "name": "Rush", "total": "2.25"}]
    payload = sent(transformer, order)
    assert {**payload["customOrderData"], **payload}.get(member) == value
    notes = [(note.code, note.path) for note in only(transformer, order).notes]
    assert notes == ([("unreadable_value", "channel")] if value is None else [])


def test_a_part_of_a_column_that_cannot_be_read_refuses_the_order(build: Build, order: dict[str, Any]) -> None:
    source = {"order": [{"target": "fees", "path": "fees"}], "members": ["fees"]}
    rule = {"target": "customOrderData.fees", "path": "fees[].total", "sum": True, "converter": "text"}
    transformer = build(source=source, destination={"fields": [rule]})
    assert codes(transformer, order | {"fees": [{"total": "x"}]}) == {("bad_amount", "/fees")}
    assert codes(transformer, order | {"fees": "3.50"}) == {("wrong_type", "/fees")}


def test_items_and_payments_read_into_columns(build: Build, order: dict[str, Any]) -> None:
    fields = [
        {"target": "orderItems[].product.name", "path": ["options.Colour", "item_name"], "join": " "},
        {"target": "orderPayments[].transactionID", "path": "custom_fields.Dock"},
    ]
    order["items"][0]["options"] = {"Colour": "red"}
    payload = sent(build(destination={"fields": fields}), order)
    assert payload["orderItems"][0]["product"]["name"].startswith("red ")
    assert payload["orderPayments"][0]["transactionID"] == "7"


# --- typos ---

TYPOS: list[tuple[dict[str, Any], str]] = [
    (
        {"source": {"order": [{"target": "terms", "path": "payment_terms"}]}},
        r"my.yaml, target 'terms': .* path 'payment_terms'",
    ),
    ({"source": {"order": [{"target": "terms", "path": ["terms", "sales_rep.nmae"]}]}}, "mean 'sales_rep.name'"),
    ({"source": {"order": [{"target": "x", "path": "items.item_number"}]}}, "has no path"),
    ({"source": {"order": [{"target": "x", "path": "items[no=1].upc"}]}}, r"no path 'items\[no=1\].upc'"),
    ({"source": {"order": [{"target": "x", "path": "items[line=1].ubc"}]}}, r"mean 'items\[\].upc'"),
    ({"source": {"order": [{"target": "x", "path": "items["}]}}, r"my.yaml: .*target 'x': 'items\[' is not a path"),
    ({"source": {"gate": [{"path": "items[", "verdicts": {"a": "go"}}]}}, r"my.yaml: .*gate\[0\].* is not a path"),
    ({"source": {"members": ["a["]}}, "is not a path"),
    ({"source": {"lines": {"fields": [{"target": "upc", "path": "ean"}]}}}, r"path 'items\[\].ean'"),
    ({"source": {"lines": {"fields": [{"target": "upc", "path": "ubc"}]}}}, r"mean 'items\[\].upc'"),
    ({"source": {"lines": {"each": "itmes"}}}, "my.yaml: lines.each: .*mean 'items'"),
    ({"source": {"lines": {"each": "items[]"}}}, "lines.each must be the path of the list of lines"),
    ({"source": {"order": [{"target": "terms", "path": ["settings.locale", "terms"]}]}}, "must be the only path"),
    ({"source": {"gate": [{"path": "stat", "verdicts": {"a": "go"}}]}}, r"my.yaml: gate\[0\].path"),
    ({"source": {"members": "surcharge"}}, "must be a list of paths"),
    ({"source": {"orders": []}}, "mapping.source.orders: unknown key; did you mean 'order'"),
    ({"source": {"lines": {"feilds": []}}}, "did you mean 'fields'"),
    ({"source": {"identity": {}}}, "mapping.source.identity: unknown key"),
    ({"destination": {"field": []}}, "did you mean 'fields'"),
    ({"tables": {"countri": {"x": "US"}}}, "tables.countri: no rule uses this code table; did you mean 'country'"),
    (
        {"destination": {"fields": [{"target": "channel", "path": "tems"}]}},
        "unknown column 'tems'; did you mean 'terms'",
    ),
    (
        {"destination": {"fields": [{"target": "channel", "path": "terms", "when": {"target": "chanel", "is": 1}}]}},
        "when names 'chanel'",
    ),
    (
        {"destination": {"fields": [{"target": "chanel", "path": "terms"}]}},
        "no member 'chanel'; did you mean 'channel'",
    ),
    ({"destination": {"fields": [{"target": "chanel", "drop": True}]}}, "no rule to drop"),
    (
        {"destination": {"fields": [{"target": "channel", "path": "terms"}, {"target": "channel", "value": "x"}]}},
        "duplicate rules",
    ),
    (
        {"destination": {"fields": [{"target": "channel", "path": "terms"}]}, "constants": {"channel": "x"}},
        "remove one of them",
    ),
    (
        {"destination": {"fields": [{"target": "channel", "path": "terms.first"}]}},
        "no path 'terms.first', because the column 'terms' holds a single value",
    ),
    (
        {"destination": {"fields": [{"target": "channel", "path": "custom_feilds.x"}]}},
        "unknown column 'custom_feilds.x'",
    ),
    ({"destination": {"fields": [{"target": "orderPayments", "path": "custom_fields"}]}}, "remove the rule"),
    ({"destination": {"fields": [{"target": "orderPayments[].transactionID", "path": "pay[].x"}]}}, "one column"),
    ({"source": {"order": [{"target": "comment", "path": "notes"}]}}, "'comment' is calculated"),
    ({"source": {"order": [{"target": "terms", "path": "terms", "cut": True}]}}, "cut has no effect"),
    (
        {"source": {"order": [{"target": "terms", "path": "terms", "when": {"target": "x", "is": 1}}]}},
        "when has no effect",
    ),
    ({"source": {"order": [{"target": "terms", "path": "terms", "pick": "x"}]}}, "pick has no effect without table"),
    (
        {"source": {"order": [{"target": "x", "path": "settings.localle"}]}},
        "unknown setting 'localle'; did you mean 'locale'",
    ),
]


@pytest.mark.parametrize(("change", "expected"), TYPOS, ids=[expected for _, expected in TYPOS])
def test_what_would_be_ignored_is_wrong_setup(build: Build, change: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        build(**change)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"unique": ["itemSpecifics.externalItemId"]}, r"checks.unique: .*'orderItems\[\].itemSpecifics.externalItemI"),
        ({"no_card_data": ["orderPayment"]}, "checks.no_card_data: .*; did you mean 'orderPayments'"),
        ({"same": {"currencyCode": "currency"}}, "checks.same: .* no member 'currencyCode'"),
        ({"same": {"currency": "curency"}}, "checks.same.currency: unknown column 'curency'; did you mean 'currency'"),
        (
            {"money": {"item_price": "price", "item_quantity": "itemSpecifics.quantity"}},
            r"checks.money.item_price: .*'orderItems\[\].price'",
        ),
    ],
)
def test_a_check_of_a_member_that_does_not_exist_is_wrong_setup(
    source_format: Any, destination_format: Any, change: dict[str, Any], expected: str
) -> None:
    mapping = destination_format.mapping
    changed = {**mapping, "checks": {**mapping["checks"], **change}}
    form = VendorFormat("shopatron", destination_format.schema, changed)
    base = ShopatronTransform.load({"customer_ip": "203.0.114.7", "manufacturer_id": 1, "catalog_id": 0})
    with pytest.raises(ConfigurationError, match=f"mapping of shopatron: {expected}"):
        Transformer(source_format, form, base, HOOKS)


def test_paths_of_the_vendors_own_mapping_name_its_file(source_format: Any, destination_format: Any) -> None:
    base = ShopatronTransform.load({"customer_ip": "203.0.114.7", "manufacturer_id": 1, "catalog_id": 0})
    wrong = (({"items": "items[].sku"}, "identity.items"), ({"items_need": ["prize"]}, "identity.items_need"))
    for section, place in wrong:
        mapping = {**source_format.mapping, "identity": {**source_format.mapping["identity"], **section}}
        with pytest.raises(ConfigurationError, match=f"vendors/supercat/mapping.yaml: {place}: "):
            Transformer(VendorFormat("supercat", source_format.schema, mapping), destination_format, base)


def test_declared_members_and_free_form_ones_stay_possible(build: Build, order: dict[str, Any]) -> None:
    rules = [{"target": "dock", "path": "custom_fields.Dock"}, {"target": "depth", "path": "extra.deep.down"}]
    fields = [{"target": "channel", "path": "dock"}, {"target": "cartID", "path": "depth"}]
    transformer = build(source={"order": rules, "members": ["extra"]}, destination={"fields": fields})
    payload = sent(transformer, order | {"extra": {"deep": {"down": "x"}}})
    assert (payload["channel"], payload["cartID"]) == ("7", "x")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=20), st.text("aé 7", max_size=5).map(str.strip).filter(bool), max_size=6
    )
)
def test_every_custom_field_arrives(plain: Transformer, order: dict[str, Any], fields: dict[str, str]) -> None:
    result = only(plain, order | {"custom_fields": fields})
    if result.issues or result.hold:
        return  # characters that no payload can hold are refused, and marks of removed card data held, not dropped
    custom = sent(plain, order | {"custom_fields": fields})["customOrderData"]
    without = sent(plain, order | {"custom_fields": {}})["customOrderData"]
    assert len(custom) == len(without) + len(fields)
    assert all(custom[name] == value for name, value in without.items())
