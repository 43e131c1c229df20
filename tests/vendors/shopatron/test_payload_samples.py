"""Payloads are byte for byte those that earlier versions sent: recorded results of generated orders of both sources.

A changed payload means that orders in doubt can no longer be compared with what was sent. If it must change, say so in
the changelog, raise ``TRANSFORM_VERSION``, and record the samples again.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import order_relay.vendors
from order_relay.orders.messages import MappingOverrides
from order_relay.orders.payload.transformer import Transformer, TransformResult
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.shopatron import vendor as shopatron
from order_relay.vendors.shopatron.payload import HOOKS
from order_relay.vendors.shopatron.transform import ShopatronTransform

SAMPLES = json.loads((Path(__file__).parent / "fixtures" / "payload_samples.json").read_text(encoding="utf-8"))

DISCOUNTS = {"discounts": [{"code": "S", "amount": "5.00"}]}
SURCHARGE = {"order": [{"target": "charges.surcharge", "path": "surcharge", "converter": "money"}]}

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "per_unit": {"spread_unit": "per_unit"},
    "address_line": {"ship_to_name": "address_line", "key_prefix": "A-", "locale": "nl-NL", "send_email": True},
    "custom_data": {
        "ship_to_name": "custom_data",
        "custom_keys": "exact",
        "shipping_type": "x",
        "shipping_class": "Y",
        "deployment": "d",
    },
    "shipped": {"order_status": "SHIPPED", "assigned_location": "7", "use_inventory": True, "payment_type": "CC"},
    "spelled": {"status_field": "status", "status_values": {"READY": "PENDING", "SHIPPED": "FULFILLED"}},
    "charge_item": {"charges": {"surcharge": {"send": "item", "part_number": "FEE", "name": "Fee"}}},
    "charge_tax": {"charges": {"surcharge": {"send": "tax"}}},
    "constants": {"constants": {"shippingTax": 1}},
    "listed": {"discounts_listed": "informative", "constants": DISCOUNTS},
    "counted": {"constants": DISCOUNTS},
}


def transformer(source: str, changes: dict[str, Any]) -> Transformer:
    folder = Path(order_relay.vendors.__file__).parent / source
    form = VendorFormat.load(folder / "order.schema.json", folder / "mapping.yaml")
    values = {"customer_ip": "203.0.114.7", "manufacturer_id": 1010, "catalog_id": 3, **changes}
    over: dict[str, Any] = {"constants": values.pop("constants", {})}
    if source == "cloudsuite":
        values |= {"time_zone": "Europe/Amsterdam", "currency": "EUR"}
        if "charges" in values:
            over["source"] = {**SURCHARGE, "members": ["surcharge"]}
    settings = ShopatronTransform.load({**values, "overrides": MappingOverrides(**over)})
    return Transformer(form, shopatron.VENDOR.format(), settings, HOOKS)


def digest(result: TransformResult) -> str:
    known = [
        result.payload.decode() if result.payload else "",
        result.destination_key,
        result.total_minor,
        result.currency,
        str(result.submitted_at),
        result.sent_as,
        [[note.code, note.path] for note in result.notes],
        [[issue.code, issue.pointer] for issue in result.issues],
        result.hold,
    ]
    return hashlib.sha256(json.dumps(known, ensure_ascii=False).encode()).hexdigest()[:16]


@pytest.mark.parametrize("source", SAMPLES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_payloads_are_those_of_earlier_versions(source: str, variant: str) -> None:
    results = transformer(source, VARIANTS[variant]).transform(SAMPLES[source]["orders"])
    changed = [
        (result.payload, result.issues)
        for result, recorded in zip(results, SAMPLES[source]["results"][variant], strict=True)
        if digest(result) != recorded
    ]
    assert changed == []
