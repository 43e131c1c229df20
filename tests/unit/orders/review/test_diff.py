"""What a person sees of two versions of an order, and what nobody may see there."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from order_relay.orders.mapping.canonical import CanonicalReader
from order_relay.orders.markdown import escape_markdown
from order_relay.orders.payload.transformer import Transformer
from order_relay.orders.review.diff import NO_VISIBLE_CHANGE, FieldChange, diff_versions
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.shopatron.payload import HOOKS
from order_relay.vendors.shopatron.transform import ShopatronTransform

Make = Callable[..., dict[str, Any]]
SETTINGS = {"customer_ip": "203.0.114.7", "manufacturer_id": 1010, "catalog_id": 0}


@pytest.fixture(scope="session")
def reader(source_format: VendorFormat, destination_format: VendorFormat) -> CanonicalReader:
    return Transformer(source_format, destination_format, ShopatronTransform.load(SETTINGS), HOOKS).reader


def test_equal_orders_are_equal(order: dict[str, Any], reader: CanonicalReader) -> None:
    found = diff_versions(order, copy.deepcopy(order), reader)
    assert (found.equal, found.order, found.lines, found.hidden) == (True, (), (), ())
    assert found.as_markdown() == "Both are equal."


def test_lines_are_paired_by_item_and_reported_one_by_one(order_of: Make, reader: CanonicalReader) -> None:
    old = order_of((1, 2, "10.00", "20.00"), (2, 1, "5.00", "5.00"), (3, 1, "7.00", "7.00"))
    new = order_of((3, 1, "7.00", "7.00"), (2, 4, "5.00", "20.00"), (4, 1, "9.00", "9.00"))
    found = diff_versions(old, new, reader)
    assert found.same_lines == 1
    assert {(line.kind, line.item) for line in found.lines} == {
        ("removed", "ITEM-1"),
        ("changed", "ITEM-2"),
        ("added", "ITEM-4"),
    }
    changed = next(line for line in found.lines if line.kind == "changed")
    assert changed.changes == (FieldChange("quantity", "1", "4"), FieldChange("extended", "5.00", "20.00"))
    assert FieldChange("total", "32.00", "36.00") in found.order
    assert "| changed | ITEM-2 | quantity | 1 | 4 |" in found.as_markdown()


def test_one_item_on_two_lines(order_of: Make, reader: CanonicalReader) -> None:
    old = order_of((1, 2, "10.00", "20.00"), (2, 1, "5.00", "5.00"))
    for line in old["items"]:
        line["item_number"] = "SAME"
    new = copy.deepcopy(old)
    new["items"].reverse()
    assert diff_versions(old, new, reader).lines == ()
    new["items"].pop()
    assert [line.kind for line in diff_versions(old, new, reader).lines] == ["removed"]


def test_dates_are_shown(order: dict[str, Any], reader: CanonicalReader) -> None:
    new = order | {"requested_ship_date": "2018-04-01"}
    assert diff_versions(order, new, reader).order == (FieldChange("requested ship date", "2018-03-20", "2018-04-01"),)


def test_of_personal_fields_only_that_they_changed(order: dict[str, Any], reader: CanonicalReader) -> None:
    new = copy.deepcopy(order)
    new["bill_to"] |= {"name": "MARK-name", "email": "mark@e.example"}
    new["ship_to"]["address1"] = "MARK-street"
    new |= {"notes": "MARK-notes", "customer_po": "MARK-po", "custom_fields": {"MARK-key": "MARK-value"}}
    new["items"][0] |= {"description": "MARK-description", "options": {"engraving": "MARK-engraving"}}
    found = diff_versions(order, new, reader)
    assert set(found.hidden) == {
        "bill name",
        "bill email",
        "ship address1",
        "notes",
        "customer po",
        "custom fields",
    }
    assert set(found.lines[0].hidden) == {"description", "options"}
    assert "mark" not in found.as_markdown().lower()
    assert "mark" not in json.dumps(found.as_dict()).lower()


def test_a_difference_outside_the_mapping_is_mentioned(order: dict[str, Any], reader: CanonicalReader) -> None:
    found = diff_versions(order, order | {"unheard_of": "MARK"}, reader)
    assert found.no_visible_change
    assert found.as_markdown().startswith(NO_VISIBLE_CHANGE)


def test_unreadable_entries_are_counted(order: dict[str, Any], reader: CanonicalReader) -> None:
    found = diff_versions(order, order | {"total": "much", "items": "MARK"}, reader)
    assert found.unreadable >= 2
    assert "cannot be read" in found.as_markdown()
    assert "MARK" not in found.as_markdown()


@pytest.mark.parametrize("document", [None, [], "text", 7, {}, {"items": [None, 3, {"quantity": []}]}])
def test_no_document_raises(document: Any, order: dict[str, Any], reader: CanonicalReader) -> None:
    assert diff_versions(document, order, reader).as_markdown()
    assert diff_versions(order, document, reader).as_markdown()


def test_values_cannot_become_markup() -> None:
    assert escape_markdown("![x](javascript:1)|<b>\n`") == "!\\[x\\](javascript\\:1)\\|\\<b\\>?\\`"
