"""Delivery messages (DESADV), one for each delivery, each with its own number (page "Delivery (DESADV) - API").

The page calls the message XML and lists dotted paths and an array: XML is assumed, JSON a setting. Its part on the
buyer's party could not be read, so none is sent. ERP order number and line numbers must stand in the order before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

from order_relay.orders.exchange import Acknowledgement
from order_relay.orders.json_text import encode
from order_relay.orders.shipments import Shipment
from order_relay.vendors.cloudsuite.connection import CloudSuiteSettings
from order_relay.vendors.cloudsuite.line_numbers import LINE_ID, LINES, NUMBER
from order_relay.vendors.cloudsuite.telling import ACCEPTED, NOT_THERE, read
from order_relay.vendors.cloudsuite.wire import NotThereError, RefusedError, Wire

PATH = "proxy/des_adv_xml/delivery/"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FOUR_DECIMALS = Decimal("0.0001")


def send(wire: Wire, settings: CloudSuiteSettings, order_id: str, shipment: Shipment) -> Acknowledgement:
    """Send the message of one delivery. The shop takes each number once: a repeated one is refused there.

    Refused here where the order has no ERP number, or a delivered line none. Raises ``OutcomeUnknown`` where no usable
    answer came, and as ``Wire.post``.
    """
    order = read(wire, order_id)
    if order is None:
        return NOT_THERE
    erp_number = order.document.get("erp_order_number")
    numbers = _line_numbers(order.document)
    if erp_number in (None, "") or any(line.line not in numbers for line in shipment.lines):
        return Acknowledgement(False, "ERP order number and line numbers must be set before a delivery is told")
    message = document(shipment, str(erp_number), numbers)
    as_json = settings.desadv_format == "json"
    body, media = (encode(message), "application/json") if as_json else (to_xml(message), "application/xml")
    try:
        wire.post(PATH, {"shop": settings.desadv_shop, "user": settings.desadv_user}, body, media)
    except NotThereError:
        return Acknowledgement(False, "the shop has no address for delivery messages (HTTP 404)")
    except RefusedError as error:
        return Acknowledgement(False, f"delivery message: {error}")
    return ACCEPTED


def document(shipment: Shipment, erp_number: str, numbers: dict[str, Any]) -> dict[str, Any]:
    """The message as the page lists it. Quantities have at most four decimals."""
    items = [
        {
            "ItemNum": numbers[line.line],
            "OrderNum": erp_number,
            "QuantityValue": line.quantity.quantize(_FOUR_DECIMALS),
            "SellerItemID": line.part_number,
        }
        for line in shipment.lines
    ]
    header: dict[str, Any] = {
        "DesadvNumber": shipment.number,
        "DesadvDate": shipment.shipped_on.isoformat(),
        "PlannedDeliveryDate": shipment.expected_on.isoformat(),
        **({"Comment": shipment.comment} if shipment.comment else {}),
        "TransportDetails": {
            "TransportModeCode": shipment.carrier,
            "MeansOfTransport": {"Identification": shipment.tracking},
        },
    }
    detail = {"Packaging": {"LineItems": [{"Item": item} for item in items]}}
    return {"Desadv": {"DesadvHeader": header, "DesadvDetail": detail}}


def to_xml(message: dict[str, Any]) -> bytes:
    """The message as XML: a list is its element repeated. Characters that XML can not carry are left out."""
    ((name, content),) = message.items()
    root = ET.Element(name)
    _fill(root, content)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _fill(parent: ET.Element, content: dict[str, Any]) -> None:
    for name, one in _each(content):
        child = ET.SubElement(parent, name)
        if isinstance(one, dict):
            _fill(child, one)
        else:
            child.text = _NOT_XML.sub("", str(one))


def _each(content: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        for one in value if isinstance(value, list) else [value]:
            yield name, one


def _line_numbers(order: dict[str, Any]) -> dict[str, Any]:
    lines = order.get(LINES)
    found = [line for line in (lines if isinstance(lines, list) else ()) if isinstance(line, dict)]
    return {str(line.get(LINE_ID)): line[NUMBER] for line in found if line.get(NUMBER) is not None}
