"""Amounts are exact to the last decimal of the currency: what the destination adds up is what the source charged."""

from __future__ import annotations

import random
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from order_relay.orders.payload.transform_settings import TransformSettings
from order_relay.orders.payload.transformer import Transformer
from order_relay.vendors import load_vendor
from order_relay_sandbox import stand_ins
from order_relay_sandbox.audit import Audit
from order_relay_sandbox.kit import PlainDestination
from tests.support.payloads import sent
from tests.vendors.sample import installed
from tests.vendors.sample.orders import odd_order

RANDOM = st.randoms(use_true_random=False)


@cache
def transformer(destination: str) -> Transformer:
    with installed():
        forms = load_vendor("sample").format("source"), load_vendor(destination).format("destination")
    return Transformer(*forms, TransformSettings.load({}))


@cache
def stand_in(name: str) -> PlainDestination[Any]:
    with installed():
        declared = stand_ins()[name]
    assert issubclass(declared, PlainDestination)
    return declared(declared.switches_model(), Audit(), 0)


@pytest.mark.parametrize("destination", ["sample", "shipstation"])
@given(rng=RANDOM)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_destination_adds_up_what_the_source_charged(destination: str, rng: random.Random) -> None:
    order = odd_order(rng)
    payload = sent(transformer(destination), order)
    assert list(stand_in(destination).problems(payload)) == []
    assert stand_in(destination).total_of(payload) == Decimal(order["total"])


@given(rng=RANDOM)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_shipstation_gets_one_discount_and_the_taxes_and_charges_of_the_whole_order(rng: random.Random) -> None:
    order = odd_order(rng)
    payload = sent(transformer("shipstation"), order)
    lines, charges = order["line_items"], [*order["shipping_lines"], *order["fee_lines"]]
    off = sum((Decimal(line["subtotal"]) - Decimal(line["total"]) for line in lines), Decimal(0))
    adjustments = [item["unitPrice"] for item in payload["items"] if item["adjustment"]]
    assert adjustments == ([-off] if off else [])
    assert payload["shippingAmount"] == sum((Decimal(charge["total"]) for charge in charges), Decimal(0))
    assert payload["taxAmount"] == sum((Decimal(one["total_tax"]) for one in (*lines, *charges)), Decimal(0))
    assert all(item["options"] == [{"name": "Colour", "value": "blue"}] for item in payload["items"][: len(lines)])
