"""Published schemas of any draft, in one form, and their comparison with ours."""

from __future__ import annotations

from typing import Any

import pytest

from order_relay.errors import MalformedResponseError
from order_relay.orders.schema.published_schema import MAX_DEPTH, expand_schema, referenced_documents
from order_relay.orders.schema.schema_comparison import Direction, SchemaDifference, compare_schemas, list_members
from order_relay.orders.schema.validator import VendorFormat

STRICTER, LOOSER, OTHER = Direction


def expanded(document: Any, **others: Any) -> dict[str, Any]:
    return expand_schema({"a.json": document, **{f"{name}.json": one for name, one in others.items()}}, "a.json")


@pytest.mark.parametrize(
    ("document", "valid", "invalid"),
    [
        ({"properties": {"a": {"type": "string", "required": True}}}, {"a": ""}, {}),  # Draft 3
        ({"properties": {"a": {"divisibleBy": 2}}}, {"a": 4}, {"a": 3}),
        ({"properties": {"a": {"minimum": 0, "exclusiveMinimum": True}}}, {"a": 1}, {"a": 0}),  # Draft 4
        ({"properties": {"a": {"exclusiveMaximum": 5}}}, {"a": 4}, {"a": 5}),
        ({"properties": {"a": {"type": "any"}}, "required": ["a"]}, {"a": None}, {}),
        ({"extends": {"required": ["a"]}}, {"a": 1}, {}),
        ({"allOf": [{"required": ["a"]}, {"properties": {"a": {"type": "string"}}}]}, {"a": ""}, {"a": 1}),
        ({"definitions": {"x": {"type": "string"}}, "properties": {"a": {"$ref": "#/definitions/x"}}}, {}, {"a": 1}),
        ({"properties": {"a": {"$ref": "b.json#/defs/c~1d"}}}, {"a": 1}, {"a": ""}),
        ({"properties": {"a": {"$ref": "https://oms.example/api/v2/schema/b.json"}}}, {"a": {}}, {"a": 1}),
        ({"properties": {"a": False}}, {}, {"a": 1}),
    ],
)
def test_every_draft_validates_alike(document: Any, valid: Any, invalid: Any) -> None:
    other = {"type": "object", "defs": {"c/d": {"type": "integer"}}}
    form = VendorFormat("published", expanded(document, b=other), {})
    assert form.accepts(valid)
    assert not form.accepts(invalid)


def test_references_name_their_documents() -> None:
    document = {"a": [{"$ref": "b.json#/x"}, {"$ref": "#/y"}], "c": {"$ref": "http://h/schema/d.json"}, "$ref": "../e"}
    assert referenced_documents(document) == {"b.json", "d.json"}


def test_a_schema_that_contains_itself_ends() -> None:
    found = expanded({"properties": {"a": {"$ref": "#"}}})
    assert len(list_members(found)) == MAX_DEPTH // 2 + 1


@pytest.mark.parametrize(
    "document",
    [
        [],
        "text",
        None,
        {"properties": {"a": {"$ref": "#/p"}, "b": {"$ref": "#/p"}}, "p": {"allOf": [{"$ref": "#"}] * 9}},
    ],
)
def test_what_is_not_a_schema_or_grows_without_end_is_refused(document: Any) -> None:
    with pytest.raises(MalformedResponseError, match=r"a\.json"):
        expanded(document)


@pytest.mark.parametrize(
    "node", [{"minLength": "x"}, {"type": 5}, {"type": ["any"]}, {"enum": 4}, {"required": 7}, {"properties": []}, 12]
)
def test_keywords_that_make_no_sense_are_left_out(node: Any) -> None:
    schema = expanded({"properties": {"a": node}})
    assert VendorFormat("published", schema, {}).accepts({"a": ""})
    assert compare_schemas(schema, schema) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "rule", "direction"),
    [
        ({"maxLength": 100}, {"maxLength": 50}, "maxLength", STRICTER),
        ({"maxLength": 100}, {"maxLength": 200}, "maxLength", LOOSER),
        ({"maxLength": 100}, {}, "maxLength", LOOSER),
        ({}, {"minLength": 1}, "minLength", STRICTER),
        ({"enum": ["A", "B"]}, {"enum": ["A"]}, "enum", STRICTER),
        ({"enum": ["A"]}, {"enum": ["A", "B"]}, "enum", LOOSER),
        ({"enum": ["A", "B"]}, {"enum": ["B", "C"]}, "enum", STRICTER),
        ({"type": "number"}, {"type": "integer"}, "type", STRICTER),
        ({"type": ["string", "null"]}, {"type": "string"}, "not_null", STRICTER),
        ({"pattern": "a"}, {"pattern": "b"}, "pattern", OTHER),
        ({}, {"pattern": "b"}, "pattern", STRICTER),
    ],
)
def test_the_direction_of_a_difference(ours: Any, theirs: Any, rule: str, direction: Direction) -> None:
    (found,) = compare_schemas(
        expanded({"properties": {"a": {"items": ours}}}), expanded({"properties": {"a": {"items": theirs}}})
    )
    assert (found.member, found.rule, found.direction) == ("a[]", rule, direction)


def test_members_that_one_side_does_not_know() -> None:
    ours = expanded({"properties": {"a": {}, "b": {"properties": {"c": {}}}}})
    theirs = expanded({"properties": {"a": {}, "d": {"properties": {"e": {}}}, "f": {}}, "required": ["f"]})
    assert compare_schemas(ours, theirs) == [
        SchemaDifference("b", "member", "known", None, OTHER),
        SchemaDifference("d", "member", None, "optional", OTHER),
        SchemaDifference("f", "member", None, "required", STRICTER),
    ]
    closed = expanded({"properties": {"a": {}}, "additionalProperties": False})
    assert SchemaDifference("b", "member", "known", "refused", STRICTER) in compare_schemas(ours, closed)
