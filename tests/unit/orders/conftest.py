"""Orders and formats that several tests of the domain use."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import order_relay.vendors
from order_relay.orders.messages import MappingOverrides
from order_relay.orders.payload.transformer import Transformer
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.shopatron.payload import HOOKS
from order_relay.vendors.shopatron.transform import ShopatronTransform

VENDORS = Path(order_relay.vendors.__file__).parent

ORDER: dict[str, Any] = {
    "id": 356509,
    "uuid": "631F4C43-361B-4385-A1EC-7D214B5B4EBE",
    "order_number": "6385-031318-392",
    "submitted_at": "2018-03-13T15:42:10-07:00",
    "customer_number": "C-1044",
    "customer_po": "PO 8891",
    "currency": "USD",
    "bill_to": {
        "name": "Ada von Lovelace",
        "company": "Engines Ltd",
        "address1": "1 Bill St",
        "address2": "Floor 2",
        "city": "Reno",
        "state": "NV",
        "postal_code": "89501",
        "country": "US",
        "phone": "000-111",
        "email": "ada@e.example",
    },
    "ship_to": {
        "name": "Cher",
        "company": None,
        "address1": "9 Ship Rd",
        "address2": None,
        "city": "Bath",
        "state": None,
        "postal_code": "BA1",
        "country": "United Kingdom",
        "phone": None,
        "email": None,
    },
    "ship_via": "UPS Ground",
    "requested_ship_date": "2018-03-20",
    "terms": "Net 30",
    "sales_rep": {"name": "R. Epp", "email": "rep@brand.example"},
    "notes": "Ring twice",
    "items": [
        {
            "line": 3,
            "item_number": "LAMP-9",
            "description": "Table lamp",
            "quantity": 2,
            "unit_price": "142.50",
            "extended_price": "285.00",
            "upc": "0123",
            "options": {"finish": "brass"},
        },
    ],
    "subtotal": "285.00",
    "discount": "-28.50",
    "freight": "0.00",
    "tax": "0.00",
    "total": "256.50",
    "payment": {"method": "terms", "transaction_id": None, "card_last4": None},
    "custom_fields": {"Dock": "7", "Gift": True, "Tags": ["a", "b"]},
}


@pytest.fixture
def order() -> dict[str, Any]:
    """One good order; the test's own copy."""
    return copy.deepcopy(ORDER)


@pytest.fixture(scope="session")
def source_format() -> VendorFormat:
    return VendorFormat.load(VENDORS / "supercat" / "order.schema.json", VENDORS / "supercat" / "mapping.yaml")


@pytest.fixture(scope="session")
def destination_format() -> VendorFormat:
    folder = VENDORS / "shopatron"
    return VendorFormat.load(folder / "import_order.schema.json", folder / "mapping.yaml")


@pytest.fixture(scope="session")
def build(source_format: VendorFormat, destination_format: VendorFormat) -> Callable[..., Transformer]:
    """A transformer with these settings; ``source``, ``destination``, ``constants`` and ``tables`` are overrides."""

    def make(**changes: Any) -> Transformer:
        overrides = {
            name: changes.pop(name) for name in ("source", "destination", "constants", "tables") if name in changes
        }
        base = {"customer_ip": "203.0.114.7", "manufacturer_id": 1010, "catalog_id": 0}
        chosen = ShopatronTransform.load(
            {**base, **changes, "overrides": MappingOverrides(**overrides)}, file="my.yaml"
        )
        return Transformer(source_format, destination_format, chosen, HOOKS)

    return make


@pytest.fixture(scope="session")
def plain(build: Callable[..., Transformer]) -> Transformer:
    """A transformer with the shipped mappings."""
    return build()


@pytest.fixture
def order_of() -> Callable[..., dict[str, Any]]:
    """An order with these lines (number, quantity, unit, extended) whose totals add up."""

    def make(
        *lines: tuple[Any, Any, Any, Any], discount: str = "0", freight: str = "0", tax: str = "0", **more: Any
    ) -> Any:
        made = copy.deepcopy(ORDER)
        made["items"] = [
            {
                "line": number,
                "item_number": f"ITEM-{number}",
                "description": f"Article {number}",
                "quantity": quantity,
                "unit_price": unit,
                "extended_price": extended,
                "upc": None,
                "options": None,
            }
            for number, quantity, unit, extended in lines
        ]
        subtotal = sum((Decimal(str(extended)) for *_, extended in lines if extended is not None), Decimal(0))
        made |= {"discount": discount, "freight": freight, "tax": tax, "subtotal": str(subtotal)}
        made["total"] = str(subtotal + Decimal(discount) + Decimal(freight) + Decimal(tax))
        return made | more

    return make
