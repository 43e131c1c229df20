"""Every vendor folder's data: schema, mapping, README. A new vendor's folder is found and tested without a new line."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import order_relay.vendors
from order_relay.orders.mapping.converters import CONVERTERS
from order_relay.orders.schema.reference_validator import reference_validator
from order_relay.orders.schema.schema_paths import subschema_at
from order_relay.orders.schema.validator import VendorFormat

ROOT = Path(order_relay.vendors.__file__).parent
FOLDERS = sorted(path.parent for path in ROOT.glob("*/mapping.yaml"))
SCHEMAS = sorted(ROOT.glob("*/*.schema.json"))
EXAMPLE = Path(__file__).parent / "shopatron" / "fixtures" / "import_order_example.json"


def name(path: Path) -> str:
    return path.name if path.is_dir() else f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("path", SCHEMAS, ids=name)
def test_schema_is_valid_draft_2020_12(path: Path) -> None:
    schema = json.loads(path.read_text())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_folder_has_schema_mapping_and_readme(folder: Path) -> None:
    schemas = list(folder.glob("*.schema.json"))
    assert schemas
    assert (folder / "README.md").read_text().startswith("# ")
    for schema in schemas:
        assert VendorFormat.load(schema, folder / "mapping.yaml").check(None)


def rules(mapping: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from mapping.get("order", ())
    yield from (mapping.get("lines") or {}).get("fields", ())
    yield from mapping.get("fields", ())


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_mapping_names_known_converters_and_tables(folder: Path) -> None:
    mapping = yaml.safe_load((folder / "mapping.yaml").read_text())
    for rule in rules(mapping):
        assert rule.get("converter", "text") in CONVERTERS, rule
        assert rule.get("table") is None or rule["table"] in mapping["tables"], rule


@pytest.mark.parametrize("folder", [f for f in FOLDERS if "order:" in (f / "mapping.yaml").read_text()], ids=name)
def test_every_source_path_exists_in_the_schema(folder: Path) -> None:
    mapping = yaml.safe_load((folder / "mapping.yaml").read_text())
    if "order" not in mapping:
        pytest.skip("not a source")
    schema = json.loads((folder / "order.schema.json").read_text())
    each = mapping["lines"]["each"]
    for rule in mapping["order"]:
        assert_paths(schema, rule, "")
    for rule in mapping["lines"]["fields"]:
        assert_paths(schema, rule, f"{each}[].")


def assert_paths(schema: dict[str, Any], rule: dict[str, Any], prefix: str) -> None:
    paths = rule.get("path", [])
    for path in [paths] if isinstance(paths, str) else paths:
        if not path.startswith("settings."):
            assert subschema_at(schema, prefix + path) is not None, path


@pytest.mark.parametrize("path", [p for p in SCHEMAS if "import" in p.name], ids=name)
def test_every_destination_target_exists_in_the_schema(path: Path) -> None:
    mapping = yaml.safe_load((path.parent / "mapping.yaml").read_text())
    schema = json.loads(path.read_text())
    for rule in mapping["fields"]:
        place = subschema_at(schema, rule["target"].removesuffix(".*"))
        assert place is not None, rule["target"]
        if rule.get("cut") and not rule["target"].endswith(".*"):
            assert "maxLength" in place, rule["target"]


# --- the import schema against the vendor's own request example (same shape, own values) ---

REQUIRED = [
    "externalOrderID",
    "manufacturerID",
    "catalogID",
    "locale",
    "currency",
    "customer",
    "orderItems",
    "shippingMethod",
    "shippingAddress",
    "orderPayments",
    "customerIP",
    "sendEmail",
    "orderStatus",
]


@pytest.fixture(scope="module")
def imports() -> VendorFormat:
    folder = ROOT / "shopatron"
    return VendorFormat.load(folder / "import_order.schema.json", folder / "mapping.yaml")


@pytest.fixture
def example() -> Any:
    return json.loads(EXAMPLE.read_text(), parse_float=Decimal)


def test_the_vendors_example_passes(imports: VendorFormat, example: Any) -> None:
    assert imports.check(example) == []
    assert reference_validator(imports.schema).is_valid(example)


PAGE = """
    externalOrderID manufacturerID catalogID locale currency customer orderItems[] shippingMethod shippingAddress
    orderPayments[] customerIP sendEmail orderStatus
    orderID importedCreationDate cartID currencyLocale orderGift shippingTax shippingTaxRate forceItemTaxOverride
    orderComment optInRetailer landingCode customOrderData fraudData[] allowSplit isTestOrder expectedDeliveryDate
    promotions discounts channel assignedLocation useInventory
    customer.customerID customer.firstName customer.lastName customer.email customer.password customer.phone1
    customer.phone2 customer.accountCreated
    orderItems[].product.partNumber orderItems[].product.productID orderItems[].product.availability
    orderItems[].product.name orderItems[].product.retailPrice orderItems[].product.averageDealerMargin
    orderItems[].product.UPC orderItems[].product.SKU
    orderItems[].itemSpecifics.externalItemID orderItems[].itemSpecifics.actualPrice
    orderItems[].itemSpecifics.quantity orderItems[].itemSpecifics.shipping orderItems[].itemSpecifics.shippingTax
    orderItems[].itemSpecifics.itemTaxOverride orderItems[].itemSpecifics.customItemData.image_url
    orderItems[].itemSpecifics.options.color orderItems[].itemSpecifics.customData
    shippingMethod.shippingType shippingMethod.shippingClass
    shippingAddress.addressID shippingAddress.customerID shippingAddress.addressLine1 shippingAddress.addressLine2
    shippingAddress.addressLine3 shippingAddress.phone shippingAddress.city shippingAddress.postalCode
    shippingAddress.state shippingAddress.countryCode shippingAddress.latitude shippingAddress.longitude
    shippingAddress.fraudLock shippingAddress.active
    orderPayments[].orderPaymentID orderPayments[].paymentMethod.billingAddress.addressID
    orderPayments[].paymentMethod.billingAddress.customerID orderPayments[].paymentMethod.billingAddress.addressLine1
    orderPayments[].paymentMethod.billingAddress.addressLine2 orderPayments[].paymentMethod.billingAddress.addressLine3
    orderPayments[].paymentMethod.billingAddress.phone orderPayments[].paymentMethod.billingAddress.city
    orderPayments[].paymentMethod.billingAddress.postalCode orderPayments[].paymentMethod.billingAddress.state
    orderPayments[].paymentMethod.billingAddress.countryCode orderPayments[].paymentMethod.billingAddress.latitude
    orderPayments[].paymentMethod.billingAddress.longitude orderPayments[].paymentMethod.billingAddress.fraudLock
    orderPayments[].paymentMethod.billingAddress.active
    orderPayments[].paymentMethod.paymentType orderPayments[].paymentMethod.noOperationType
    orderPayments[].paymentMethod.cardNumber orderPayments[].paymentMethodID orderPayments[].maxAmount
    orderPayments[].transactionID orderPayments[].authorizationID orderPayments[].paymentType
    orderPayments[].authAmount
    fraudData[].fraudType fraudData[].fraudScore fraudData[].fraudTransactionID fraudData[].fraudState
    orderGift.recipient orderGift.message
"""
"""Every member that the vendor's page names in its tables or shows in its example."""


def test_the_schema_knows_every_member_of_the_page(imports: VendorFormat) -> None:
    assert [member for member in PAGE.split() if subschema_at(imports.schema, member) is None] == []


def members(node: Any, before: str = "") -> Iterator[str]:
    for name, value in node.items():
        if isinstance(value, list):
            yield f"{before}{name}[]"
            yield from members(value[0], f"{before}{name}[].")
        else:
            yield before + name
            if isinstance(value, dict) and name not in ("options", "customItemData", "customOrderData"):
                yield from members(value, f"{before}{name}.")


def test_the_vendors_example_has_no_other_member(example: Any) -> None:
    known = {member.removesuffix(".image_url").removesuffix(".color") for member in PAGE.split()}
    parents = {path for member in known for path in (member.rpartition(".")[0],) if path}
    grand = {path.rpartition(".")[0] for path in parents}
    assert set(members(example)) <= known | parents | grand


def test_all_required_fields_are_in_the_schema(imports: VendorFormat) -> None:
    assert sorted(imports.schema["required"]) == sorted(REQUIRED)


@pytest.mark.parametrize("field", REQUIRED)
def test_each_required_field_removed_fails_and_is_named(imports: VendorFormat, example: Any, field: str) -> None:
    del example[field]
    refusals = imports.check(example)
    assert [(r.code, r.pointer) for r in refusals] == [("missing_field", f"/{field}")]
    assert field in refusals[0].message


def at(document: Any, path: str) -> tuple[Any, Any]:
    *outer, last = [int(part) if part.isdigit() else part for part in path.split("/")[1:]]
    for part in outer:
        document = document[part]
    return document, last


@pytest.mark.parametrize(
    "path",
    [
        "/orderItems/0/product",
        "/orderItems/0/itemSpecifics",
        "/orderItems/0/product/partNumber",
        "/orderItems/0/product/name",
        "/orderItems/0/product/retailPrice",
        "/orderItems/0/itemSpecifics/quantity",
        "/orderItems/0/itemSpecifics/actualPrice",
        "/orderItems/0/itemSpecifics/itemTaxOverride",
        "/orderPayments/0/paymentMethod",
        "/orderPayments/0/paymentMethod/billingAddress",
        "/orderPayments/0/paymentMethod/paymentType",
        "/orderPayments/0/paymentMethod/billingAddress/addressLine1",
    ],
)
def test_required_fields_of_an_order(imports: VendorFormat, example: Any, path: str) -> None:
    inside, last = at(example, path)
    del inside[last]
    assert ("missing_field", path) in {(r.code, r.pointer) for r in imports.check(example)}


WRONG = [
    ("/externalOrderID", "", "too_short"),
    ("/externalOrderID", "x" * 101, "too_long"),
    ("/externalOrderID", 7, "wrong_type"),
    ("/manufacturerID", 0, "too_small"),
    ("/manufacturerID", "1", "wrong_type"),
    ("/manufacturerID", Decimal("1.5"), "wrong_type"),
    ("/catalogID", -1, "too_small"),
    ("/currency", "usd", "not_allowed"),
    ("/currency", None, "not_allowed"),
    ("/locale", "english", "bad_format"),
    ("/customer", [], "wrong_type"),
    ("/orderItems", {}, "wrong_type"),
    ("/orderItems", [], "too_few"),
    ("/orderPayments", [], "too_few"),
    ("/shippingMethod", "standard", "wrong_type"),
    ("/shippingAddress", None, "wrong_type"),
    ("/customerIP", "256.1.1.1", "bad_format"),
    ("/customerIP", "::1", "bad_format"),
    ("/sendEmail", "false", "wrong_type"),
    ("/orderStatus", "CANCELED", "not_allowed"),
    ("/orderID", 0, "too_small"),
    ("/importedCreationDate", "2024-02-30T00:00:00Z", "bad_format"),
    ("/importedCreationDate", "yesterday", "bad_format"),
    ("/expectedDeliveryDate", "2024-02-03", "bad_format"),
    ("/cartID", "c" * 513, "too_long"),
    ("/shippingTax", -1, "too_small"),
    ("/shippingTaxRate", Decimal("-0.01"), "too_small"),
    ("/forceItemTaxOverride", 1, "wrong_type"),
    ("/orderComment", "x" * 1001, "too_long"),
    ("/optInRetailer", "yes", "wrong_type"),
    ("/landingCode", "x" * 9, "too_short"),
    ("/landingCode", "x" * 201, "too_long"),
    ("/customOrderData/k", "", "too_short"),
    ("/customOrderData/k", "x" * 1001, "too_long"),
    ("/customOrderData/k", 3, "wrong_type"),
    ("/allowSplit", "no", "wrong_type"),
    ("/isTestOrder", 0, "wrong_type"),
    ("/promotions", {}, "wrong_type"),
    ("/discounts", {}, "wrong_type"),
    ("/channel", 1, "wrong_type"),
    ("/assignedLocation", 55, "wrong_type"),
    ("/useInventory", "false", "wrong_type"),
    ("/orderGift", [], "wrong_type"),
    ("/fraudData/0/fraudTransactionID", "x" * 201, "too_long"),
    ("/fraudData/0/fraudScore", "9", "wrong_type"),
    ("/shippingAddress/addressLine2", "x" * 251, "too_long"),
    ("/orderPayments/0/paymentMethod/billingAddress/addressLine3", "x" * 251, "too_long"),
    ("/orderItems/0/itemSpecifics/quantity", Decimal("1.5"), "wrong_type"),
    ("/orderItems/0/itemSpecifics/itemTaxOverride", None, "wrong_type"),
    ("/orderItems/0/product/partNumber", "x" * 51, "too_long"),
]


@pytest.mark.parametrize(("path", "value", "code"), WRONG, ids=[f"{p}={str(v)[:12]}" for p, v, _ in WRONG])
def test_every_documented_constraint(imports: VendorFormat, example: Any, path: str, value: Any, code: str) -> None:
    inside, last = at(example, path)
    inside[last] = value
    assert (code, path) in {(r.code, r.pointer) for r in imports.check(example)}


def test_custom_data_names_have_limits(imports: VendorFormat, example: Any) -> None:
    example["customOrderData"]["n" * 101] = "v"
    assert {(r.code, r.pointer) for r in imports.check(example)} == {("bad_name", "/customOrderData")}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/externalOrderID", "x" * 100),
        ("/cartID", "c" * 512),
        ("/landingCode", "x" * 10),
        ("/landingCode", "x" * 200),
        ("/orderComment", "x" * 1000),
        ("/importedCreationDate", "2024-02-03T04:05:06.789Z"),
        ("/orderStatus", "READY"),
        ("/importedCreationDate", "2024-02-03T04:05:06+0000"),
        ("/importedCreationDate", None),
        ("/orderStatus", "CANCELLED"),
        ("/customOrderData", None),
        ("/fraudData", None),
        ("/orderGift", None),
        ("/shippingTax", None),
        ("/channel", None),
        ("/orderItems/0/itemSpecifics/quantity", Decimal("2.0")),
        ("/locale", "fr"),
        ("/currency", "JPY"),
        ("/orderPayments/0/paymentMethod/paymentType", "TK"),
    ],
)
def test_what_the_constraints_allow(imports: VendorFormat, example: Any, path: str, value: Any) -> None:
    inside, last = at(example, path)
    inside[last] = value
    assert imports.check(example) == []


def test_without_forced_tax_the_override_may_be_absent(imports: VendorFormat, example: Any) -> None:
    for forced in (False, None):
        changed = copy.deepcopy(example)
        changed["forceItemTaxOverride"] = forced
        del changed["orderItems"][0]["itemSpecifics"]["itemTaxOverride"]
        assert imports.check(changed) == []
