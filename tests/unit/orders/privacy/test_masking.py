"""What remains of a document when its personal data is masked."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from order_relay.orders.json_text import encode
from order_relay.orders.privacy.masking import MASK, mask_document, mask_json
from tests.support.archived_orders import plain_orders
from tests.support.canaries import EVERYTHING, found, marked, spoiled


@pytest.mark.parametrize("change", [marked, spoiled, lambda order: spoiled(marked(order))])
def test_no_personal_value_remains(change: Any) -> None:
    order = change(plain_orders(1)[0])
    assert found(encode(order), EVERYTHING)
    assert found(mask_json(encode(order).decode()).encode(), EVERYTHING) == set()


def test_items_quantities_and_amounts_remain() -> None:
    document = {
        "externalOrderID": "6385-031318-392",
        "orderItems": [{"partNumber": "AQ-12", "name": "Lamp for Ann", "quantity": 2, "retailPrice": Decimal("9.90")}],
        "sendEmail": False,
        "orderComment": None,
    }
    assert mask_document(document) == {**document, "orderItems": [{**document["orderItems"][0], "name": MASK}]}  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("firstName", "Ann"),
        ("phone1", 8059473318),
        ("customerID", 17),
        ("purchaseOrderNumber", "PO-17"),
        ("poNumber", "17"),
        ("quantity", "Ann Example"),
        ("total", "+1 805 947 3318"),
        ("sku", "ann@example.com"),
        ("sku", "A1" * 30),
        ("orderNumber", "Example"),
        ("cardNumber", "4556737586899855"),
        ("anything", ["Ann"]),
    ],
)
def test_a_value_is_masked_by_name_or_by_form(name: str, value: Any) -> None:
    expected = [MASK] if isinstance(value, list) else MASK
    assert mask_document({name: value}) == {name: expected}


def test_names_of_members_that_may_be_texts_are_masked() -> None:
    assert mask_document({"Ann Example": 1}) == {MASK: MASK}


@pytest.mark.parametrize("text", ["", "not JSON", "[" * 5_000 + "]" * 5_000, '"Ann"'])
def test_other_texts_are_masked_whole(text: str) -> None:
    assert mask_json(text).strip('"') == MASK


def test_the_result_is_json() -> None:
    assert json.loads(mask_json('{"a":{"quantity":1.50}}')) == {"a": {"quantity": 1.5}}
