"""From a source's documents to payloads: the paragraph on the transformation, sentence by sentence."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from order_relay.errors import ConfigurationError
from order_relay.orders.notes import OrderNote
from order_relay.orders.payload.transformer import Transformer
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.shopatron.transform import ShopatronTransform
from tests.support.payloads import codes, lines, oms_total, only, sent

Make = Callable[..., dict[str, Any]]
Build = Callable[..., Transformer]

BASE = {"customer_ip": "203.0.114.7", "manufacturer_id": 1010, "catalog_id": 0}


# --- the whole payload ---


def test_the_whole_payload(plain: Transformer, order: dict[str, Any]) -> None:
    result = only(plain, order)
    assert (result.index, result.destination_key, result.total_minor, result.currency) == (
        0,
        "6385-031318-392",
        25650,
        "USD",
    )
    assert b'"retailPrice":142.50' in (result.payload or b"")
    assert b'"actualPrice":128.25' in (result.payload or b"")
    address = {
        "lastName": "Cher",
        "addressLine1": "9 Ship Rd",
        "city": "Bath",
        "postalCode": "BA1",
        "countryCode": "GB",
    }
    billing = {
        "firstName": "Ada von",
        "lastName": "Lovelace",
        "addressLine1": "1 Bill St",
        "addressLine2": "Floor 2",
        "city": "Reno",
        "state": "NV",
        "postalCode": "89501",
        "countryCode": "US",
        "phone": "000-111",
    }
    assert sent(plain, order) == {
        "externalOrderID": "6385-031318-392",
        "manufacturerID": 1010,
        "catalogID": 0,
        "orderStatus": "READY",
        "locale": "en-US",
        "currency": "USD",
        "sendEmail": False,
        "customerIP": "203.0.114.7",
        "importedCreationDate": "2018-03-13T22:42:10.000Z",
        "forceItemTaxOverride": True,
        "shippingTax": 0,
        "orderComment": "Ring twice",
        "customer": {"firstName": "Ada von", "lastName": "Lovelace", "email": "ada@e.example", "phone1": "000-111"},
        "shippingMethod": {"shippingType": "standard", "shippingClass": "Standard"},
        "shippingAddress": address,
        "orderPayments": [{"paymentMethod": {"billingAddress": billing, "paymentType": "NO", "noOperationType": "HI"}}],
        "customOrderData": {
            "sourceID": "356509",
            "sourceUUID": "631F4C43-361B-4385-A1EC-7D214B5B4EBE",
            "sourceOrderNumber": "6385-031318-392",
            "deployment": "order-relay",
            "salesRep": "R. Epp",
            "salesRepEmail": "rep@brand.example",
            "customerNumber": "C-1044",
            "customerPO": "PO 8891",
            "terms": "Net 30",
            "shipVia": "UPS Ground",
            "requestedShipDate": "2018-03-20",
            "billToCompany": "Engines Ltd",
            "Dock": "7",
            "Gift": "true",
            "Tags": "a, b",
        },
        "orderItems": [
            {
                "product": {
                    "partNumber": "LAMP-9",
                    "name": "Table lamp",
                    "retailPrice": Decimal("142.50"),
                    "UPC": "0123",
                },
                "itemSpecifics": {
                    "externalItemID": "3",
                    "actualPrice": Decimal("128.25"),
                    "quantity": 2,
                    "shipping": Decimal("0.00"),
                    "itemTaxOverride": Decimal("0.00"),
                    "options": {"finish": "brass"},
                },
            }
        ],
    }


def test_results_are_in_the_order_of_the_input(plain: Transformer, order: dict[str, Any]) -> None:
    documents = [
        order | {"order_number": f"A-{n}", "total": "0.01" if n % 3 == 0 else order["total"]} for n in range(10)
    ]
    results = plain.transform(documents)
    assert [result.index for result in results] == list(range(10))
    assert [result.payload is None for result in results] == [n % 3 == 0 for n in range(10)]
    assert [r.destination_key for r in results if r.payload] == [f"A-{n}" for n in range(10) if n % 3]
    assert plain.transform([]) == []


def test_input_is_left_alone(plain: Transformer, order: dict[str, Any]) -> None:
    before = copy.deepcopy(order)
    plain.transform([order])
    assert order == before


# --- money ---


def test_discount_is_spread_and_uneven_lines_are_split(plain: Transformer, order_of: Make) -> None:
    payload = sent(plain, order_of((3, 3, "10.00", "30.00"), (4, 1, "5.00", "5.00"), discount="-1.00"))
    assert lines(payload) == [("3/1", 2, "9.71"), ("3/2", 1, "9.72"), ("4", 1, "4.86")]
    assert [str(item["product"]["retailPrice"]) for item in payload["orderItems"]] == ["10.00", "10.00", "5.00"]
    assert oms_total(payload) == Decimal("34.00")


def test_freight_and_tax_are_spread_per_line(plain: Transformer, order_of: Make) -> None:
    payload = sent(plain, order_of((1, 2, "10.00", "20.00"), (2, 1, "10.00", "10.00"), freight="1.00", tax="0.02"))
    own = [item["itemSpecifics"] for item in payload["orderItems"]]
    assert [str(item["shipping"]) for item in own] == ["0.67", "0.33"]
    assert [str(item["itemTaxOverride"]) for item in own] == ["0.01", "0.01"]
    assert payload["forceItemTaxOverride"] is True


def test_freight_and_tax_per_unit_split_lines_further(build: Build, order_of: Make) -> None:
    payload = sent(build(spread_unit="per_unit"), order_of((1, 3, "10.00", "30.00"), freight="1.00", tax="0.02"))
    own = [
        (
            i["itemSpecifics"]["externalItemID"],
            i["itemSpecifics"]["quantity"],
            str(i["itemSpecifics"]["shipping"]),
            str(i["itemSpecifics"]["itemTaxOverride"]),
        )
        for i in payload["orderItems"]
    ]
    assert own == [("1/1", 1, "0.33", "0.00"), ("1/2", 1, "0.33", "0.01"), ("1/3", 1, "0.34", "0.01")]
    assert oms_total(payload, per_unit=True) == Decimal("31.02")


def test_what_is_spread_over_free_lines_is_spread_evenly(plain: Transformer, order_of: Make) -> None:
    payload = sent(plain, order_of((1, 4, "0.00", "0.00"), (2, 1, "0.00", "0.00"), freight="0.05"))
    assert [str(item["itemSpecifics"]["shipping"]) for item in payload["orderItems"]] == ["0.03", "0.02"]


def test_a_discount_of_everything_leaves_zero(plain: Transformer, order_of: Make) -> None:
    payload = sent(plain, order_of((1, 3, "0.33", "0.99"), (2, 1, "0.01", "0.01"), discount="-1.00"))
    assert oms_total(payload) == 0


@pytest.mark.parametrize(("currency", "price", "extended"), [("JPY", "333", "999"), ("KWD", "1.001", "3.003")])
def test_other_currencies(plain: Transformer, order_of: Make, currency: str, price: str, extended: str) -> None:
    made = order_of((1, 3, price, extended), currency=currency)
    payload = sent(plain, made)
    assert oms_total(payload) == Decimal(extended)
    assert lines(payload) == [("1", 3, price)]


def test_prices_of_more_decimals_stay_in_the_retail_price(plain: Transformer, order_of: Make) -> None:
    payload = sent(plain, order_of((1, 8, "0.125", "1.00")))
    assert str(payload["orderItems"][0]["product"]["retailPrice"]) == "0.125"
    assert lines(payload) == [("1/1", 4, "0.12"), ("1/2", 4, "0.13")]


cents = st.integers(0, 5_000_00)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(
    st.lists(st.tuples(st.integers(1, 40), cents), min_size=1, max_size=8),
    st.integers(0, 100),
    cents,
    cents,
    st.sampled_from(["per_line", "per_unit"]),
    st.sampled_from([0, 2, 3]),
)
def test_what_is_sent_adds_up_to_the_source(
    build: Build,
    order_of: Make,
    items: list[tuple[int, int]],
    percent: int,
    freight: int,
    tax: int,
    unit: str,
    scale: int,
) -> None:
    def text(minor: int) -> str:
        return f"{Decimal(minor).scaleb(-scale):f}"

    subtotal = sum(extended for _, extended in items)
    made = order_of(
        *((n, quantity, None, text(extended)) for n, (quantity, extended) in enumerate(items, 1)),
        discount=text(-(subtotal * percent // 100)),
        freight=text(freight),
        tax=text(tax),
        currency={0: "JPY", 2: "USD", 3: "BHD"}[scale],
    )
    payload = sent(build(spread_unit=unit), made)
    assert oms_total(payload, per_unit=unit == "per_unit") == Decimal(made["total"])
    assert min(item["itemSpecifics"]["actualPrice"] for item in payload["orderItems"]) >= 0
    assert sum(item["itemSpecifics"]["quantity"] for item in payload["orderItems"]) == sum(q for q, _ in items)
    assert len({item["itemSpecifics"]["externalItemID"] for item in payload["orderItems"]}) == len(
        payload["orderItems"]
    )


# --- names, comments, limits ---


def test_promotions_become_part_of_the_comment(plain: Transformer, order_of: Make) -> None:
    made = order_of((1, 1, "1.00", "1.00"), (2, None, None, None), notes="Ring")
    payload = sent(plain, made)
    assert payload["orderComment"] == "ITEM-2: Article 2\nRing"
    assert len(payload["orderItems"]) == 1


@pytest.mark.parametrize(
    ("name", "company", "first", "last"),
    [
        ("Ada Byron", "X", "Ada", "Byron"),
        ("Cher", "X", None, "Cher"),
        ("", "Acme Lamps Inc", None, "Acme Lamps Inc"),
        (None, None, "Ada von", "Lovelace"),
    ],
)
def test_names(plain: Transformer, order: dict[str, Any], name: Any, company: Any, first: Any, last: Any) -> None:
    order["ship_to"] |= {"name": name, "company": company}
    address = sent(plain, order)["shippingAddress"]
    assert (address.get("firstName"), address.get("lastName")) == (first, last)


def test_an_order_without_any_name_is_refused(plain: Transformer, order: dict[str, Any]) -> None:
    for side in ("bill_to", "ship_to"):
        order[side] |= {"name": None, "company": " "}
    assert codes(plain, order) == {("missing_field", "/bill_to/name")}


@pytest.mark.parametrize("place", ["names", "address_line", "custom_data"])
def test_the_place_of_the_ship_to_name(build: Build, order: dict[str, Any], place: str) -> None:
    order["ship_to"] |= {"name": "Ada Byron", "address2": "Back door"}
    payload = sent(build(ship_to_name=place), order)
    address, custom = payload["shippingAddress"], payload["customOrderData"]
    seen = (address.get("lastName"), [address.get(f"addressLine{n}") for n in (1, 2, 3)], custom.get("shipToName"))
    assert (
        seen
        == {
            "names": ("Byron", ["9 Ship Rd", "Back door", None], None),
            "address_line": (None, ["Ada Byron", "9 Ship Rd", "Back door"], None),
            "custom_data": (None, ["9 Ship Rd", "Back door", None], "Ada Byron"),
        }[place]
    )


def test_long_texts_are_cut_and_noted(plain: Transformer, order: dict[str, Any]) -> None:
    order["notes"] = "x" * 999 + "e\u0301y"
    order["ship_to"]["address1"] = "s" * 300
    order["custom_fields"] = {"Story": "w" * 1200}
    payload = sent(plain, order)
    assert payload["orderComment"] == "x" * 999
    assert len(payload["shippingAddress"]["addressLine1"]) == 250
    assert len(payload["customOrderData"]["Story"]) == 1000
    assert only(plain, order).notes == [
        OrderNote("text_cut", "orderComment", "cut to 1000 characters"),
        OrderNote("text_cut", "shippingAddress.addressLine1", "cut to 250 characters"),
        OrderNote("text_cut", "customOrderData.*", "cut to 1000 characters"),
    ]


def test_keys_are_never_cut(plain: Transformer, order: dict[str, Any]) -> None:
    order["order_number"] = "N" * 101
    order["items"][0] |= {"item_number": "P" * 51, "upc": "U" * 51}
    assert codes(plain, order) == {
        ("too_long", "/order_number"),
        ("too_long", "/items/0/item_number"),
        ("too_long", "/items/0/upc"),
    }
    assert "NNN" not in repr(only(plain, order))


def test_the_key_carries_the_sources_prefix(build: Build, order: dict[str, Any]) -> None:
    assert only(build(key_prefix="shop-"), order).destination_key == "shop-6385-031318-392"
    assert sent(build(key_prefix="shop-"), order)["externalOrderID"] == "shop-6385-031318-392"


def test_own_custom_data_wins_over_the_sources(plain: Transformer, order: dict[str, Any]) -> None:
    order["custom_fields"] = {"sourceID": "forged", "Free": "yes"}
    custom = sent(plain, order)["customOrderData"]
    assert (custom["sourceID"], custom["Free"]) == ("356509", "yes")


# --- settings, overrides ---


def test_ways_of_shipping_by_code_table(build: Build, order: dict[str, Any]) -> None:
    table = {"ship_via": {"ups ground": {"type": "ground", "class": "Ground"}}}
    transformer = build(tables=table, shipping_type="other", shipping_class="Other")
    assert sent(transformer, order)["shippingMethod"] == {"shippingType": "ground", "shippingClass": "Ground"}
    order["ship_via"] = "Pigeon"
    assert sent(transformer, order)["shippingMethod"] == {"shippingType": "other", "shippingClass": "Other"}
    assert only(transformer, order).notes == [
        OrderNote("not_in_code_table", "shippingMethod.shippingType", "is not in its code table; default used")
    ]


def test_default_currency(build: Build, order: dict[str, Any]) -> None:
    order["currency"] = None
    assert sent(build(currency="EUR"), order)["currency"] == "EUR"


def test_other_payment_types_with_their_ids(build: Build, order: dict[str, Any]) -> None:
    rules = {"fields": [{"target": "orderPayments[].authorizationID", "path": "authorization"}]}
    source = {"order": [{"target": "authorization", "path": "payment.authorization_id", "converter": "key"}]}
    transformer = build(tables={"payment_type": {"credit_card": "CC"}}, destination=rules, source=source)
    order["payment"] = {"method": "credit_card", "transaction_id": 12123, "authorization_id": "48484"}
    (payment,) = sent(transformer, order)["orderPayments"]
    assert payment["paymentMethod"]["paymentType"] == "CC"
    assert "noOperationType" not in payment["paymentMethod"]
    assert (payment["transactionID"], payment["authorizationID"]) == ("12123", "48484")


@pytest.mark.parametrize(
    "target", ["orderPayments[].paymentMethod.cardNumber", "orderPayments[].paymentMethod.cardSecurityCode"]
)
def test_card_data_is_never_mapped(build: Build, target: str) -> None:
    with pytest.raises(ConfigurationError, match="card data is never sent"):
        build(destination={"fields": [{"target": target, "path": "transaction_id"}]})
    with pytest.raises(ConfigurationError, match="card data is never sent"):
        build(constants={target: "4111111111111111"})


def test_a_masked_card_number_may_be_a_constant(build: Build, order: dict[str, Any]) -> None:
    transformer = build(constants={"orderPayments[].paymentMethod.cardNumber": "0000000000000123"})
    assert sent(transformer, order)["orderPayments"][0]["paymentMethod"]["cardNumber"] == "0000000000000123"


OPTIONAL: dict[str, Any] = {
    "orderID": 5,
    "importedCreationDate": "2024-01-01T00:00:00Z",
    "cartID": "c",
    "currencyLocale": "de-DE",
    "orderGift": {"recipient": "A", "message": "b"},
    "shippingTax": 0,
    "shippingTaxRate": Decimal("0.1"),
    "forceItemTaxOverride": True,
    "orderComment": "c",
    "optInRetailer": False,
    "landingCode": "0123456789",
    "customOrderData.extra": "v",
    "fraudData": [{"fraudType": "KOUNT", "fraudScore": 0}],
    "allowSplit": True,
    "isTestOrder": True,
    "expectedDeliveryDate": "2024-01-01T00:00:00Z",
    "promotions": [],
    "discounts": [{}],
    "channel": "B2B",
    "assignedLocation": "00000055",
    "useInventory": False,
    "orderItems[].product.availability": "Y",
    "orderItems[].itemSpecifics.customItemData.image_url": "u",
    "orderPayments[].maxAmount": -1,
    "shippingAddress.active": True,
}


@pytest.mark.parametrize("target", OPTIONAL)
def test_every_optional_field_can_be_set_from_config(build: Build, order: dict[str, Any], target: str) -> None:
    found: Any = sent(build(constants={target: OPTIONAL[target]}), order)
    for part in target.split("."):
        found = found[part.removesuffix("[]")]
        found = found[0] if part.endswith("[]") else found
    assert found == OPTIONAL[target]


def test_optional_fields_of_the_page_are_all_tried(destination_format: VendorFormat) -> None:
    optional = set(destination_format.schema["properties"]) - set(destination_format.schema["required"])
    assert optional == {target.split(".")[0] for target in OPTIONAL if "[]" not in target} - {"shippingAddress"}


def test_status_shipped_needs_location_and_inventory(build: Build, order: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="SHIPPED requires assignedLocation"):
        build(order_status="SHIPPED")
    with pytest.raises(ConfigurationError, match="SHIPPED requires useInventory"):
        build(order_status="SHIPPED", assigned_location="0055")
    payload = sent(build(order_status="SHIPPED", assigned_location="0055", use_inventory=False), order)
    assert (payload["orderStatus"], payload["assignedLocation"], payload["useInventory"]) == ("SHIPPED", "0055", False)
    assert sent(build(order_status="CANCELLED"), order)["orderStatus"] == "CANCELLED"
    with pytest.raises(ConfigurationError, match="order_status: must be one of SHIPPED, READY, CANCELLED"):
        build(order_status="CANCELED")


def test_the_translated_platform_spells_the_status_otherwise(build: Build, order: dict[str, Any]) -> None:
    spelling = {"status_field": "status", "status_values": {"SHIPPED": "FULFILLED", "CANCELLED": "CANCELED"}}
    payload = sent(build(order_status="CANCELLED", **spelling), order)
    assert payload["status"] == "CANCELED"
    assert "orderStatus" not in payload
    with pytest.raises(ConfigurationError, match="no entry for order_status"):
        build(**spelling)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"constants": {"noSuchField": 1}}, "no member 'noSuchField'"),
        ({"constants": {"orderItems[].product.colour": 1}}, "no member"),
        (
            {"destination": {"fields": [{"target": "channel", "path": "no_such_column"}]}},
            "unknown column 'no_such_column'",
        ),
        ({"destination": {"fields": [{"target": "channel", "path": "terms", "cut": True}]}}, "cannot be cut"),
        ({"destination": {"fields": [{"target": "a.b[].c", "path": "terms"}]}}, "only the first part"),
        ({"source": {"order": [{"target": "order_number", "drop": True}]}}, "no rule with target 'order_number'"),
    ],
)
def test_what_does_not_fit_is_wrong_setup(build: Build, change: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        build(**change)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"customer_ip": "10.0.0.1"}, "customer_ip: must be a public"),
        ({"customer_ip": "0.0.0.0"}, "customer_ip"),
        ({"customer_ip": "127.0.0.1"}, "customer_ip"),
        ({"customer_ip": "192.168.1.1"}, "customer_ip"),
        ({"customer_ip": "224.0.0.1"}, "customer_ip"),
        ({"customer_ip": "::1"}, "customer_ip: must be an IPv4"),
        ({"manufacturer_id": 0}, "manufacturer_id"),
        ({"catalog_id": -1}, "catalog_id"),
        ({"locale": "english"}, "locale"),
        ({"currency": "usd"}, "currency: must be an ISO 4217"),
        ({"spread_unit": "each"}, "spread_unit"),
        ({"sendEmail": True}, "sendEmail"),
        ({"deployment": ""}, "deployment"),
    ],
)
def test_settings_are_checked_and_named(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigurationError, match=f"file.yaml: {expected}"):
        ShopatronTransform.load({**BASE, **change}, "file.yaml")


def test_missing_settings_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"customer_ip.*manufacturer_id.*catalog_id"):
        ShopatronTransform.load({})


def test_fingerprint_follows_everything_that_shapes_a_payload(build: Build) -> None:
    prints = [
        build().fingerprint,
        build(locale="de-DE").fingerprint,
        build(constants={"channel": "x"}).fingerprint,
        build(tables={"ship_via": {"x": {"type": "a", "class": "b"}}}).fingerprint,
    ]
    assert len(set(prints)) == 4
    assert build().fingerprint == prints[0]


# --- hostile values ---

HOSTILE = [
    Decimal("1E+400"),
    Decimal("1E-999999"),
    10**400,
    10**5000,
    float("inf"),
    float("nan"),
    "\ud800",
    "a\x00b",
    True,
    None,
    [],
    {},
    [[]],
    {"\ud800": "x"},
    {"k" * 200: "v"},
    "x" * 100_000,
    b"x",
    1.5,
    -1,
    "٣",
]


def test_hostile_values_never_fail_or_affect_other_orders(plain: Transformer, order: dict[str, Any]) -> None:
    documents = []
    for value in HOSTILE:
        documents += [order | {name: value} for name in order]
        documents += [order | {"items": [order["items"][0] | {name: value}]} for name in order["items"][0]]
        documents += [order | {"ship_to": order["ship_to"] | {name: value}} for name in order["ship_to"]]
        documents.append(order)
    results = plain.transform(documents)
    good = only(plain, order).payload
    per_value = len(documents) // len(HOSTILE)
    assert [result.payload for result in results[per_value - 1 :: per_value]] == [good] * len(HOSTILE)
    for result in results:
        assert (result.payload is None) == bool(result.issues)
        assert all(why.code and why.message for why in result.issues)


def test_the_submission_time_is_in_utc(plain: Transformer, order: dict[str, Any]) -> None:
    result = plain.transform([{**order, "submitted_at": "2024-02-15T15:42:10-07:00"}])[0]
    assert result.submitted_at == datetime(2024, 2, 15, 22, 42, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "READY"),
        ({"constants": {"orderStatus": "CANCELLED"}}, "CANCELLED"),
        ({"status_field": "status", "status_values": {"READY": "bereit"}}, "READY"),
    ],
)
def test_it_shows_the_order_status_of_the_payload(
    build: Build, order: dict[str, Any], changes: dict[str, Any], status: str
) -> None:
    result = only(build(**changes), order)
    assert result.issues == []
    assert result.sent_as == status
