"""Orders that bring a status of their own: shipped, begun or cancelled before they are sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from order_relay.errors import ConfigurationError
from order_relay.orders.payload.transformer import Transformer
from tests.support.payloads import codes, only, sent

Build = Callable[..., Transformer]

RULES = [
    {"target": "fulfilment_status", "path": "state", "table": "order_status", "unknown": "keep"},
    {"target": "fulfilment_location", "path": "warehouse", "converter": "text"},
    {"target": "uses_inventory", "path": "from_stock", "converter": "boolean"},
]
OWN: dict[str, Any] = {
    "source": {"members": ["state", "warehouse", "from_stock"], "order": RULES},
    "tables": {"order_status": {"done": "SHIPPED", "processing": "READY", "cancel": "CANCELLED"}},
}


def members(payload: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(payload.get(name) for name in ("orderStatus", "assignedLocation", "useInventory"))


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, ("READY", None, None)),
        ({"state": "processing"}, ("READY", None, None)),
        ({"state": "cancel"}, ("CANCELLED", None, None)),
        ({"state": "done", "warehouse": "0055", "from_stock": False}, ("SHIPPED", "0055", False)),
        ({"state": "shipped", "warehouse": "7", "from_stock": True}, ("SHIPPED", "7", True)),
    ],
)
def test_an_order_is_sent_with_its_own_status(
    build: Build, order: dict[str, Any], own: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    transformer = build(**OWN)
    assert members(sent(transformer, order | own)) == expected
    assert only(transformer, order | own).sent_as == expected[0]


def test_a_status_that_the_oms_does_not_know_is_refused_and_names_the_known_ones(
    build: Build, order: dict[str, Any]
) -> None:
    transformer = build(**OWN)
    assert codes(transformer, order | {"state": "returned"}) == {("not_allowed", "/state")}
    [issue] = only(transformer, order | {"state": "returned"}).issues
    assert "READY" in issue.message
    assert "returned" not in issue.message


def test_a_shipped_order_without_location_or_inventory_is_refused(build: Build, order: dict[str, Any]) -> None:
    assert codes(build(**OWN), order | {"state": "done", "warehouse": "7"}) == {("missing_field", "/from_stock")}
    completed = build(**OWN, assigned_location="1", use_inventory=False)
    assert members(sent(completed, order | {"state": "done", "warehouse": "7"})) == ("SHIPPED", "7", False)


def test_the_translated_platform_has_its_own_words(build: Build, order: dict[str, Any]) -> None:
    words = {"READY": "READY", "SHIPPED": "FULFILLED", "CANCELLED": "CANCELED"}
    transformer = build(**OWN, status_field="status", status_values=words, assigned_location="1", use_inventory=True)
    result = only(transformer, order | {"state": "done"})
    assert json.loads(result.payload or b"")["status"] == "FULFILLED"
    assert result.sent_as == "SHIPPED"
    assert codes(transformer, order | {"state": "FULFILLED"}) == {("not_allowed", "/state")}


def test_the_status_of_the_settings_is_for_the_others(build: Build, order: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="SHIPPED requires useInventory"):
        build(**{**OWN, "source": {**OWN["source"], "order": RULES[:2]}}, order_status="SHIPPED")
    transformer = build(**OWN, order_status="SHIPPED", assigned_location="1", use_inventory=True)
    assert members(sent(transformer, order)) == ("SHIPPED", "1", True)
    assert members(sent(transformer, order | {"state": "cancel"})) == ("CANCELLED", "1", True)


@pytest.mark.parametrize(
    ("settings", "historic", "mailed"),
    [
        ({}, True, False),
        ({"send_email": True}, False, True),
        ({"send_email": True}, True, False),
        ({"send_email_for_history": True}, True, False),
        ({"send_email": True, "send_email_for_history": True}, True, True),
    ],
)
def test_customers_of_a_history_import_get_no_mail_unless_both_settings_say_so(
    build: Build, order: dict[str, Any], settings: dict[str, Any], *, historic: bool, mailed: bool
) -> None:
    [result] = build(**settings).transform([order], historic=[historic])
    assert json.loads(result.payload or b"")["sendEmail"] is mailed
