"""The core knows no destination: names of Shopatron's fields and settings are in its folder only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import order_relay
from order_relay.orders.payload.transform_settings import TransformSettings
from order_relay.vendors.shopatron.connection import OmsSettings
from order_relay.vendors.shopatron.payload import HOOKS
from order_relay.vendors.shopatron.transform import ShopatronTransform

PRODUCT = Path(order_relay.__path__[0])
SCHEMA = PRODUCT / "vendors" / "shopatron" / "import_order.schema.json"
CORE = ("orders", "pipeline", "wiring", "ledger")

OTHER_MEANINGS = {"order_status"}
"""Setting names with another meaning in the core: ``order_status`` is also a column of reported statuses."""


def schema_members(node: Any) -> Iterator[str]:
    """Names of members of two words or more, such as ``itemTaxOverride``; single words are too common."""
    if isinstance(node, dict):
        for name in node.get("properties", {}):
            if re.search(r"[a-z][A-Z]", name):
                yield name
        for value in node.values():
            yield from schema_members(value)
    elif isinstance(node, list):
        for value in node:
            yield from schema_members(value)


MEMBERS = set(schema_members(json.loads(SCHEMA.read_text(encoding="utf-8"))))
SETTINGS = {*ShopatronTransform.model_fields} - {*TransformSettings.model_fields} - OTHER_MEANINGS
NAMES = {*MEMBERS, *SETTINGS, *OmsSettings.facts, *HOOKS.derived, "sent_status"}


@pytest.mark.parametrize("package", CORE)
def test_no_name_of_the_oms_is_in_the_core(package: str) -> None:
    assert {"itemTaxOverride", "customer_ip", "bill_first", "manufacturer_id"} <= NAMES
    pattern = re.compile(rf"\b({'|'.join(sorted(NAMES))})\b|(?i:manufacturer|shopatron)")
    found = {
        f"{path.relative_to(PRODUCT)}:{number}": line.strip()
        for path in (PRODUCT / package).rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    }
    assert found == {}
