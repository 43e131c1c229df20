"""What a transformer makes of one order, for tests of mapping and payload."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from order_relay.orders.payload.transformer import Transformer, TransformResult


def only(transformer: Transformer, document: dict[str, Any]) -> TransformResult:
    """The result for one document."""
    (result,) = transformer.transform([document])
    return result


def sent(transformer: Transformer, document: dict[str, Any]) -> dict[str, Any]:
    """The payload of an order that is not refused."""
    result = only(transformer, document)
    assert result.issues == []
    assert result.payload is not None
    return json.loads(result.payload, parse_float=Decimal)  # type: ignore[no-any-return]


def codes(transformer: Transformer, document: dict[str, Any]) -> set[tuple[str, str]]:
    """Codes and places of an order that is refused."""
    result = only(transformer, document)
    assert result.payload is None
    return {(why.code, why.pointer) for why in result.issues}


def oms_total(payload: dict[str, Any], *, per_unit: bool = False) -> Decimal:
    """What the OMS works out, the literal way."""
    total = Decimal(payload["shippingTax"])
    for item in payload["orderItems"]:
        own = item["itemSpecifics"]
        times = own["quantity"] if per_unit else 1
        total += own["quantity"] * own["actualPrice"] + times * (own["shipping"] + own["itemTaxOverride"])
    return total


def lines(payload: dict[str, Any]) -> list[tuple[str, int, str]]:
    """Id, quantity and price of each item."""
    found = [item["itemSpecifics"] for item in payload["orderItems"]]
    return [(own["externalItemID"], own["quantity"], str(own["actualPrice"])) for own in found]
