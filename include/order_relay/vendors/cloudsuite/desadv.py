"""Delivery messages (DESADV), one for each delivery (docs/vendors/cloudsuite.md, "Delivery messages").

ERP order number and line numbers must be in the order before a message is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

from order_relay.errors import RecordRejectedError
from order_relay.http.reading.acknowledging import ACCEPTED, NOT_FOUND, SHOP_CANCELLED
from order_relay.http.reading.reply import ignore_body
from order_relay.http.reading.transport import NotFoundError, RequestRefusedError
from order_relay.orders.fulfilment.shipment_progress import Shipment, ShippedLine
from order_relay.orders.json_text import encode
from order_relay.orders.messages import Acknowledgement
from order_relay.orders.money.amounts import amount
from order_relay.vendors.cloudsuite.connection import CloudSuiteSettings
from order_relay.vendors.cloudsuite.line_numbers import LINE_ID, LINES, NUMBER
from order_relay.vendors.cloudsuite.write_back import Shop, is_cancelled

PATH = "proxy/des_adv_xml/delivery/"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FOUR_DECIMALS = Decimal("0.0001")

Line = dict[str, Any]


def send_desadv(
    shop: Shop,
    settings: CloudSuiteSettings,
    order_id: str,
    shipment: Shipment,
    *,
    silent: bool = False,
) -> Acknowledgement:
    """Send the message of one parcel. The shop accepts each delivery number once and refuses a repetition.

    A refusal therefore counts as accepted if the message was already sent without a response (``silent``). Refused
    here if the order lacks its ERP number, or a shipped line is unknown or lacks its number. Raises
    ``OutcomeUnknownError`` without a usable response, and the errors of ``Transport.send_once``.
    """
    order = shop.read(order_id)
    if order is None or is_cancelled(order):
        return NOT_FOUND if order is None else SHOP_CANCELLED
    lines = shipped_lines(order.document, shipment.lines)
    if order.document.get("erp_order_number") in (None, "") or any(line.get(NUMBER) is None for line, _ in lines or ()):
        return Acknowledgement(False, "ERP order number and line numbers must be set before a delivery is reported")
    if lines is None:
        return Acknowledgement(False, "the parcel contains a line that is not in this order")
    message = build_document(order.document, shipment, lines, settings.zone)
    as_json = settings.desadv_format == "json"
    body, media = (encode(message), "application/json") if as_json else (to_xml(message), "application/xml")
    try:
        number = settings.desadv_shop or str(order.document.get("webshop"))
        query = {"shop": number, "user": str(settings.desadv_user)}
        headers = {"Content-Type": media}
        shop.transport.send_once("POST", PATH, ignore_body, query=query, headers=headers, body=body, after_read=True)
    except NotFoundError:
        return Acknowledgement(False, "the shop does not accept delivery messages (HTTP 404)")
    except RequestRefusedError as error:
        return Acknowledgement(silent, f"delivery message{', repeated' if silent else ''}: {error}")
    return ACCEPTED


def shipped_lines(order: dict[str, Any], shipped: Sequence[ShippedLine]) -> list[tuple[Line, Decimal]] | None:
    """The order's lines in a parcel with their quantities; all lines if the parcel names none.

    A shipped line is matched by line id or product key. ``None`` if one matches neither.
    """
    lines = [line for line in order.get(LINES) or () if isinstance(line, dict)]
    by_reference = {
        **{_key(line): line for line in reversed(lines)},
        **{str(line.get(LINE_ID)): line for line in lines},
    }
    try:
        if not shipped:
            return [(line, amount(line.get("quantity"))) for line in lines]
        return [(by_reference[part.line or part.item_number], _quantity(part)) for part in shipped]
    except (KeyError, RecordRejectedError):
        return None


def _quantity(part: ShippedLine) -> Decimal:
    return Decimal(part.quantity) if part.in_source_units is None else part.in_source_units


def build_document(
    order: dict[str, Any], shipment: Shipment, lines: Sequence[tuple[Line, Decimal]], zone: tzinfo | None
) -> dict[str, Any]:
    """The message as a document. Quantities have at most four decimals.

    The arrival date is not known: the requested delivery date is sent instead, or the shipping date if that is later.
    """
    shipped_on = (shipment.shipped_at or datetime.now(UTC)).astimezone(zone or UTC).date().isoformat()
    items = [
        {
            "ItemNum": line[NUMBER],
            "OrderNum": order["erp_order_number"],
            "QuantityValue": quantity.quantize(_FOUR_DECIMALS),
            "SellerItemID": _key(line),
        }
        for line, quantity in lines
    ]
    header: dict[str, Any] = {
        "DesadvNumber": shipment.key,
        "DesadvDate": shipped_on,
        "PlannedDeliveryDate": max(shipped_on, str(order.get("requested_delivery_date") or "")),
        "TransportDetails": {
            "TransportModeCode": shipment.carrier,
            "MeansOfTransport": {"Identification": shipment.tracking_number},
        },
    }
    detail = {"Packaging": {"LineItems": [{"Item": item} for item in items]}}
    return {"Desadv": {"DesadvHeader": header, "DesadvDetail": detail}}


def to_xml(message: dict[str, Any]) -> bytes:
    """The message as XML: a list becomes repeated elements. Characters that XML does not allow are removed."""
    ((name, content),) = message.items()
    root = ET.Element(name)
    _fill(root, content)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _fill(parent: ET.Element, content: dict[str, Any]) -> None:
    for name, value in _members_of(content):
        child = ET.SubElement(parent, name)
        if isinstance(value, dict):
            _fill(child, value)
        else:
            child.text = _NOT_XML.sub("", str(value))


def _members_of(content: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        for one in value if isinstance(value, list) else [value]:
            yield name, one


def _key(line: Line) -> str:
    product = line.get("product")
    return str(product.get("key")) if isinstance(product, dict) else ""
