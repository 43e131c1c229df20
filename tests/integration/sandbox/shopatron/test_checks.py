"""Each constraint of the import page refuses what breaks it, and names the field."""

from __future__ import annotations

from decimal import Decimal

import pytest

from order_relay_sandbox.shopatron.checks import REQUIRED, problems
from order_relay_sandbox.shopatron.switches import ShopatronSwitches


def found(body, **switches):
    return [(p.code, p.field) for p in problems(body, ShopatronSwitches(**switches))]


def test_a_good_body_has_no_problem(good_body):
    assert found(good_body()) == []


@pytest.mark.parametrize("name", REQUIRED)
def test_each_required_field(good_body, name):
    body = good_body()
    del body[name]
    assert found(body) == [(5011, name)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("externalOrderID", ""),
        ("externalOrderID", "x" * 101),
        ("externalOrderID", 7),
        ("manufacturerID", 0),
        ("manufacturerID", True),
        ("manufacturerID", "1042"),
        ("catalogID", -1),
        ("catalogID", Decimal("1.5")),
        ("locale", "english please"),
        ("currency", "usd"),
        ("currency", "XXX"),
        ("customer", []),
        ("orderItems", {}),
        ("orderItems", []),
        ("shippingMethod", "standard"),
        ("shippingAddress", "x"),
        ("orderPayments", {}),
        ("customerIP", "10.0.0.1"),
        ("customerIP", "192.168.1.9"),
        ("customerIP", "127.0.0.1"),
        ("customerIP", "::1"),
        ("customerIP", "224.0.0.1"),
        ("customerIP", "8.8.8"),
        ("sendEmail", "true"),
        ("orderStatus", "CANCELED"),
        ("orderID", 0),
        ("importedCreationDate", "01/05/2026"),
        ("cartID", "x" * 513),
        ("shippingTax", -1),
        ("shippingTaxRate", "0.1"),
        ("forceItemTaxOverride", 1),
        ("orderComment", "x" * 1001),
        ("optInRetailer", "no"),
        ("landingCode", "short"),
        ("landingCode", "x" * 201),
        ("customOrderData", []),
        ("fraudData", {}),
        ("allowSplit", 0),
        ("isTestOrder", "x"),
        ("expectedDeliveryDate", "tomorrow"),
        ("promotions", {}),
        ("discounts", "x"),
        ("channel", 1),
        ("assignedLocation", 55),
        ("useInventory", "x"),
        ("orderGift", "x"),
        ("currencyLocale", 1),
    ],
)
def test_each_constraint_of_the_top_level(good_body, name, value):
    assert found(good_body(**{name: value})) == [(5015, name)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("importedCreationDate", "2026-01-05T10:00:00.123Z"),
        ("importedCreationDate", "2026-01-05T10:00:00+0000"),
        ("orderComment", "x" * 1000),
        ("landingCode", "x" * 10),
        ("orderID", None),
        ("customerIP", "0.0.0.0"),
        ("orderStatus", "CANCELLED"),
        ("catalogID", Decimal("0.0")),
        ("externalOrderID", "x" * 100),
        ("unknown", 1),
    ],
)
def test_what_is_allowed(good_body, name, value):
    assert found(good_body(**{name: value})) == []


@pytest.mark.parametrize(
    ("group", "name", "value", "code"),
    [
        ("product", "partNumber", None, 5011),
        ("product", "name", "", 5015),
        ("product", "retailPrice", "10", 5015),
        ("itemSpecifics", "actualPrice", None, 5011),
        ("itemSpecifics", "quantity", Decimal("1.5"), 5015),
        ("itemSpecifics", "quantity", 0, 5015),
        ("itemSpecifics", "externalItemID", 3, 5015),
        ("itemSpecifics", "options", [], 5015),
        ("itemSpecifics", "itemTaxOverride", "1", 5015),
    ],
)
def test_items(good_body, group, name, value, code):
    body = good_body()
    body["orderItems"][0][group][name] = value
    assert found(body) == [(code, f"orderItems[0].{group}.{name}")]


def test_forced_tax_is_required_on_every_line(good_body):
    body = good_body(forceItemTaxOverride=True)
    assert found(body) == []
    body["orderItems"][0]["itemSpecifics"]["itemTaxOverride"] = None
    assert found(body) == [(5011, "orderItems[0].itemSpecifics.itemTaxOverride")]


def test_payments_need_a_billing_address_and_a_type(good_body):
    body = good_body()
    method = body["orderPayments"][0]["paymentMethod"]
    method["paymentType"] = "IOU"
    method["billingAddress"]["addressLine2"] = "x" * 251
    path = "orderPayments[0].paymentMethod"
    assert found(body) == [(5015, f"{path}.paymentType"), (5015, f"{path}.billingAddress.addressLine2")]
    del method["billingAddress"]
    assert (5011, f"{path}.billingAddress") in found(body)
    assert found(good_body(orderPayments=[])) == [(5011, "orderPayments")]


def test_custom_data_and_fraud(good_body):
    assert found(good_body(customOrderData={"k": "x" * 1001})) == [(5015, "customOrderData.k")]
    assert found(good_body(customOrderData={"k": 1}), custom_data_limits=False) == []
    external = {"fraudType": "EXTERNAL", "fraudScore": 0}
    assert found(good_body(fraudData=[external])) == [(5011, "fraudData[0].fraudState")]
    assert found(good_body(fraudData=[{"fraudType": "KOUNT"}])) == []


def test_switches_of_unknowns(good_body):
    body = good_body(extra=1)
    del body["locale"]
    assert found(body, defaulted_fields_required=False) == []
    assert found(body, defaulted_fields_required=False, unknown_fields="reject") == [(5015, "extra")]
    assert found(good_body(orderItems=[]), min_items=0) == []
    assert found(good_body(customerIP="0.0.0.0"), allow_unspecified_ip=False) == [(5015, "customerIP")]


@pytest.mark.parametrize("body", [[], "x", None, 7, {}])
def test_bodies_that_are_no_orders(body):
    assert found(body)


def test_absurd_numbers_are_refused_and_not_computed(good_body):
    assert found(good_body(manufacturerID=Decimal("1e999999999"))) == [(5015, "manufacturerID")]
