"""The schemas that the OMS publishes, as Draft 4, which was current when its API was made (assumed).

Made from the constraints that the stand-in checks (``checks``), so that it refuses what its own schema forbids. The
switch ``schema_changes`` puts other values in chosen places.
"""

from __future__ import annotations

import copy
from typing import Any

from aiohttp import web

from order_relay_sandbox.shopatron.checks import DEFAULTED, REQUIRED
from order_relay_sandbox.shopatron.currencies import CURRENCIES
from order_relay_sandbox.shopatron.gateway import oms_error
from order_relay_sandbox.shopatron.switches import ShopatronSwitches

IMPORT, SEARCH, CUSTOMER = "importOrder.json", "orderSearch.json", "customer.json"
_DRAFT = "http://json-schema.org/draft-04/schema#"
_TEXT: dict[str, Any] = {"type": ["string", "null"]}
_ID: dict[str, Any] = {"type": ["string", "integer", "null"]}
_AMOUNT: dict[str, Any] = {"type": ["number", "null"]}
_CHARGE = {**_AMOUNT, "minimum": 0}
_FLAG: dict[str, Any] = {"type": ["boolean", "null"]}
_TIME: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_OBJECT: dict[str, Any] = {"type": ["object", "null"]}
_LIST: dict[str, Any] = {"type": ["array", "null"]}


def _text(low: int, high: int) -> dict[str, Any]:
    return {"type": "string", "minLength": low, "maxLength": high}


def _object(required: list[str], **members: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": members}


_ADDRESS = _object(
    ["addressLine1", "city", "countryCode"],
    **dict.fromkeys(("firstName", "lastName", "phone", "postalCode", "state"), _TEXT),
    addressLine1=_text(1, 250),
    addressLine2={"type": ["string", "null"], "maxLength": 250},
    addressLine3={"type": ["string", "null"], "maxLength": 250},
    city={"type": "string", "minLength": 1},
    countryCode={"type": "string", "pattern": "^[A-Z]{2}$"},
)
_ITEM = _object(
    ["product", "itemSpecifics"],
    product=_object(
        ["partNumber", "name", "retailPrice"],
        partNumber=_text(1, 50),
        name={"type": "string", "minLength": 1},
        retailPrice={"type": "number", "minimum": 0},
        averageDealerMargin=_AMOUNT,
        **dict.fromkeys(("availability", "UPC", "SKU"), _TEXT),
    ),
    itemSpecifics=_object(
        ["actualPrice", "quantity"],
        actualPrice={"type": "number", "minimum": 0, "exclusiveMinimum": False},
        quantity={"type": "integer", "minimum": 1},
        externalItemID=_TEXT,
        **dict.fromkeys(("shipping", "shippingTax", "itemTaxOverride"), _CHARGE),
        **dict.fromkeys(("options", "customItemData"), _OBJECT),
    ),
)


def _payment(switches: ShopatronSwitches) -> dict[str, Any]:
    method = _object(
        ["billingAddress", "paymentType"],
        billingAddress={"$ref": "#/definitions/address"},
        paymentType={"enum": list(switches.payment_types)},
        noOperationType=_TEXT,
    )
    return _object(["paymentMethod"], paymentMethod=method, transactionID=_TEXT, authorizationID=_TEXT)


def _import_order(switches: ShopatronSwitches) -> dict[str, Any]:
    required = [name for name in REQUIRED if switches.defaulted_fields_required or name not in DEFAULTED]
    document = _object(
        required,
        externalOrderID=_text(1, 100),
        manufacturerID={"type": "integer", "minimum": 1},
        catalogID={"type": "integer", "minimum": 0},
        locale={"type": "string", "default": "en-US"},
        currency={"enum": sorted(CURRENCIES)},
        customer={"$ref": CUSTOMER},
        orderItems={"type": "array", "minItems": switches.min_items, "items": {"$ref": "#/definitions/item"}},
        shippingMethod=_object([], shippingType=_TEXT, shippingClass=_TEXT),
        shippingAddress={"$ref": "#/definitions/address"},
        orderPayments={"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/payment"}},
        customerIP={"type": "string", "format": "ipv4"},
        sendEmail={"type": "boolean", "default": True},
        orderStatus={"enum": ["SHIPPED", "READY", "CANCELLED"]},
        orderID={"type": ["integer", "null"], "minimum": 1},
        importedCreationDate=_TIME,
        expectedDeliveryDate=_TIME,
        cartID={"type": ["string", "null"], "maxLength": 512},
        orderComment={"type": ["string", "null"], "maxLength": 1000},
        landingCode={"type": ["string", "null"], "minLength": 10, "maxLength": 200},
        shippingTax=_CHARGE,
        shippingTaxRate=_CHARGE,
        **dict.fromkeys(("orderGift", "customOrderData"), _OBJECT),
        **dict.fromkeys(("fraudData", "promotions", "discounts"), _LIST),
        **dict.fromkeys(("currencyLocale", "channel", "assignedLocation"), _TEXT),
        **dict.fromkeys(("forceItemTaxOverride", "optInRetailer", "allowSplit", "isTestOrder", "useInventory"), _FLAG),
    )
    definitions = {"address": _ADDRESS, "item": _ITEM, "payment": _payment(switches)}
    if switches.unknown_fields == "reject":
        document["additionalProperties"] = False
    return {"$schema": _DRAFT, **document, "definitions": definitions}


def _order_search(switches: ShopatronSwitches) -> dict[str, Any]:
    names = ["manufacturerID", "orderID", "orderStatus", *switches.date_from_parameters, *switches.date_to_parameters]
    if switches.search_external_id == "supported":
        names.append("externalOrderID")
    paging = {
        "page": {"type": "integer", "minimum": switches.first_page},
        "perPage": {"type": "integer", "minimum": 1, "maximum": 100},
    }
    return {"$schema": _DRAFT, **_object([], **dict.fromkeys(names, _TEXT), **paging)}


def _customer() -> dict[str, Any]:
    names = ("customerID", "firstName", "lastName", "email", "phone1", "phone2")
    return {"$schema": _DRAFT, **_object([], **dict.fromkeys(names, _ID))}


def published_schema(name: str, switches: ShopatronSwitches) -> web.Response:
    """A schema by its file name, with the changes of the switches."""
    if not switches.publishes_schemas:
        return oms_error(5002, "no such schema")
    makers = {IMPORT: lambda: _import_order(switches), SEARCH: lambda: _order_search(switches), CUSTOMER: _customer}
    if name not in makers:
        return oms_error(5002, "no such schema")
    document = copy.deepcopy(makers[name]())
    for place, value in switches.schema_changes.items():
        document_name, _, pointer = place.partition("#/")
        if document_name == name:
            _change(document, pointer.split("/"), value)
    return web.json_response(document)


def _change(document: dict[str, Any], path: list[str], value: Any) -> None:
    """Put a value at a path; ``None`` removes what is there. Raises ``KeyError`` for a path that does not exist."""
    holder: Any = document
    for part in path[:-1]:
        holder = holder[part]
    if value is None:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
