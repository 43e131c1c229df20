from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from order_relay.errors import ConfigurationError
from order_relay.orders.schema.reference_validator import reference_validator
from order_relay.orders.schema.validator import KEYWORD_CODES, MAX_ISSUES, VendorFormat, field_name, pointer

Make = Callable[..., dict[str, Any]]


def form(schema: dict[str, Any]) -> VendorFormat:
    return VendorFormat("test", schema, {})


def found(vendor_format: VendorFormat, document: Any) -> list[tuple[str, str]]:
    return [(issue.code, issue.pointer) for issue in vendor_format.check(document)]


def test_a_good_order_passes_both(source_format: VendorFormat, order: dict[str, Any]) -> None:
    assert source_format.check(order) == []
    assert reference_validator(source_format.schema).is_valid(order)


def test_every_error_with_its_place(source_format: VendorFormat, order: dict[str, Any]) -> None:
    del order["uuid"]
    del order["ship_to"]["city"]
    order |= {"id": "x", "notes": True, "submitted_at": "2018-02-30T10:00:00Z"}
    order["items"][0] |= {"unit_price": "free", "item_number": None}
    assert found(source_format, order) == [
        ("bad_format", "/id"),
        ("wrong_type", "/items/0/item_number"),
        ("bad_format", "/items/0/unit_price"),
        ("wrong_type", "/notes"),
        ("missing_field", "/ship_to/city"),
        ("bad_format", "/submitted_at"),
        ("missing_field", "/uuid"),
    ]


def test_messages_carry_no_value(source_format: VendorFormat, order: dict[str, Any]) -> None:
    order |= {"id": "SECRET", "uuid": "SECRET", "items": "SECRET", "total": "SECRET", "bill_to": {"name": ["SECRET"]}}
    refusals = source_format.check(order)
    assert len(refusals) > 5
    assert "SECRET" not in repr(refusals)


KEYWORDS: list[tuple[dict[str, Any], Any, str]] = [
    ({"required": ["a"]}, {}, "missing_field"),
    ({"type": "string"}, 1, "wrong_type"),
    ({"maxLength": 1}, "ab", "too_long"),
    ({"minLength": 1}, "", "too_short"),
    ({"pattern": "^a$"}, "a\n", "bad_format"),
    ({"format": "date"}, "x", "bad_format"),
    ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, "bad_name"),
    ({"enum": [1]}, 2, "not_allowed"),
    ({"const": 1}, 2, "not_allowed"),
    ({"anyOf": [{"type": "string"}]}, 1, "not_allowed"),
    ({"not": {}}, 1, "not_allowed"),
    ({"oneOf": [{"type": "string"}]}, 1, "not_allowed"),
    ({"minimum": 1}, 0, "too_small"),
    ({"maximum": 1}, 2, "too_large"),
    ({"exclusiveMinimum": 1}, 1, "too_small"),
    ({"exclusiveMaximum": 1}, 1, "too_large"),
    ({"minItems": 1}, [], "too_few"),
    ({"multipleOf": 2}, 3, "not_a_multiple"),
    ({"maxItems": 0}, [1], "too_many"),
    ({"minProperties": 1}, {}, "too_few"),
    ({"maxProperties": 0}, {"a": 1}, "too_many"),
    ({"uniqueItems": True}, [1, 1], "repeated"),
    ({"additionalProperties": False}, {"a": 1}, "unknown_field"),
    ({"unevaluatedProperties": False}, {"a": 1}, "unknown_field"),
    ({"contains": {"type": "string"}}, [1], "missing_element"),
    ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "missing_field"),
]


@pytest.mark.parametrize(
    ("schema", "document", "code"), KEYWORDS, ids=[next(iter(schema)) for schema, _, _ in KEYWORDS]
)
def test_each_keyword_has_a_stable_code(schema: dict[str, Any], document: Any, code: str) -> None:
    small_format = form(schema)
    assert not small_format.accepts(document)
    assert {issue.code for issue in small_format.check(document)} == {code}


def test_all_codes_are_tested() -> None:
    assert {code for _, _, code in KEYWORDS} == set(KEYWORD_CODES.values())


def test_pointers_are_rfc_6901() -> None:
    assert pointer(["a/b", "c~d", 3]) == "/a~1b/c~0d/3"
    assert len(pointer(["k" * 10_000])) < 200
    assert pointer(["\ud800"]) == "/?"


def test_many_errors_are_cut_short() -> None:
    refusals = form({"items": {"type": "string"}}).check([1] * (MAX_ISSUES + 10))
    assert len(refusals) == MAX_ISSUES + 1
    assert refusals[-1].code == "too_many_errors"


deep: Any = []
for _ in range(3000):
    deep = [deep]

TINY = Decimal("1E-999999")
# Integers of more than 4,300 digits are left out: no JSON parser of ours makes them (Python refuses to).
HOSTILE = [
    Decimal("1E+400"),
    Decimal("-1E+999999"),
    TINY,
    10**400,
    -(10**4000),
    float("inf"),
    float("nan"),
    "\ud800",
    "a\x00b",
    "x" * 10_000_000,
    deep,
    {"a": deep},
    {"\udfff": 1},
    True,
    None,
    "٣",
    "5\n",
    b"bytes",
    {1: 2},
    [[]],
]
PLACES = [
    "id",
    "uuid",
    "order_number",
    "submitted_at",
    "notes",
    "items",
    "total",
    "custom_fields",
    "payment",
    "ship_to",
]


@pytest.mark.parametrize("place", PLACES)
def test_hostile_values_never_fail(source_format: VendorFormat, order: dict[str, Any], place: str) -> None:
    for value in HOSTILE:
        refusals = source_format.check(order | {place: value})
        assert refusals or value in (None, TINY) or place in ("custom_fields", "notes", "payment", "order_number", "id")
        json.dumps([why.pointer for why in refusals]).encode()


def test_hostile_lines_and_whole_documents(source_format: VendorFormat, order: dict[str, Any]) -> None:
    for value in HOSTILE:
        order["items"][0]["unit_price"] = value
        assert bool(source_format.check(order)) != (value in (None, TINY))  # the transformation refuses the tiny one
        assert source_format.check(value)


def test_values_no_validator_can_read_are_reported(source_format: VendorFormat, order: dict[str, Any]) -> None:
    order["notes"] = "\ud800"
    order["uuid"] = "\udc00"
    assert ("bad_format", "/uuid") in found(source_format, order)
    assert found(form({"enum": ["a"]}), {"a": ["\ud800"], "b": 10**5000}) == [("not_unicode", "/a/0")]
    assert found(form({"enum": ["a"]}), deep)[0] in [("too_deep", "/0/0/0/0/0"), ("not_allowed", "")]


# --- the two validators held together ---

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-5, 5),
    st.text(max_size=8),
    st.just(""),
    st.just("5\n"),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.decimals(-3, 3, places=1).map(lambda d: d.quantize(Decimal("0.0"))),
    st.sampled_from(
        [
            "2018-03-13T15:42:10Z",
            "2018-03-13T15:42:10+0100",
            "2018-03-13 15:42:10z",
            "2018-02-30T00:00:00Z",
            "2018-03-13T24:00:00Z",
            "2018-03-13T23:59:60Z",
            "2018-03-13",
            "2018-3-13",
            "1.50",
            "-0.01",
            "1e3",
            "US",
            "USD",
            "٣",
            "1.",
            "631F4C43-361B-4385-A1EC-7D214B5B4EBE",
            Decimal("2.0"),
            Decimal("1E+400"),
            2.0,
            1.5,
            "1.2.3.4",
            "01.2.3.4",
            "1.2.3.256",
        ]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    here = [path] if path else []
    members = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return here + [place for name, member in members for place in places(member, (*path, name))]


def changed(document: Any, data: st.DataObject) -> Any:
    """A good document with one to three members replaced, removed or added."""
    made = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(1, 3))):
        *outer, last = data.draw(st.sampled_from(places(made)))
        inside = made
        for part in outer:
            inside = inside[part]
        if isinstance(inside, dict) and data.draw(st.booleans()):
            del inside[last]
        else:
            inside[last] = data.draw(values)
        if not places(made):
            break
    return made


def agree(vendor_format: VendorFormat, document: Any) -> None:
    expected = reference_validator(vendor_format.schema).is_valid(document)
    assert vendor_format.accepts(document) == expected
    assert bool(vendor_format.check(document)) != expected


slow = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=150
)


@slow
@given(st.data())
def test_validators_agree_on_orders(source_format: VendorFormat, order: dict[str, Any], data: st.DataObject) -> None:
    agree(source_format, changed(order, data))


@slow
@given(st.data())
def test_validators_agree_on_payloads(destination_format: VendorFormat, data: st.DataObject) -> None:
    example = Path(__file__).parents[3] / "vendors" / "shopatron" / "fixtures" / "import_order_example.json"
    agree(destination_format, changed(json.loads(example.read_text(), parse_float=Decimal), data))


SMALL = [
    VendorFormat("small", schema, {})
    for schema in (
        {"type": "integer"},
        {"type": "number", "minimum": 0, "maximum": 2},
        {"pattern": "^[0-9]+$"},
        {"format": "date-time"},
        {"format": "date"},
        {"format": "ipv4"},
        {"type": ["string", "null"], "maxLength": 3},
        {"enum": [1, "a", None, 2.0]},
        {"const": 2},
        {"uniqueItems": True},
    )
]


@slow
@given(values)
def test_validators_agree_on_small_schemas(value: Any) -> None:
    for small_format in SMALL:
        agree(small_format, value)


def test_the_gate_is_much_faster_than_the_reference(source_format: VendorFormat, order: dict[str, Any]) -> None:
    def seconds(call: Callable[[Any], Any], times: int) -> float:
        best = 1.0
        for _ in range(5):
            start = time.perf_counter()
            for _ in range(times):
                call(order)
            best = min(best, (time.perf_counter() - start) / times)
        return best

    reference = reference_validator(source_format.schema)
    assert seconds(lambda document: list(reference.iter_errors(document)), 5) / seconds(source_format.check, 50) > 30


def test_messages_name_the_field_the_form_and_an_example(source_format: VendorFormat, order: dict[str, Any]) -> None:
    order |= {"uuid": "x", "currency": "dollars"}
    order["items"][0] |= {"quantity": "many"}
    del order["ship_to"]["city"]
    messages = {issue.pointer: issue.message for issue in source_format.check(order)}
    assert messages["/uuid"] == "uuid must be a UUID (example: 0F8FAD5B-D9CB-469F-A165-70867728950E)"
    assert messages["/currency"] == "currency must be a currency code of three letters (example: USD)"
    assert messages["/ship_to/city"] == "ship_to.city is required but missing"
    assert messages["/items/0/quantity"].startswith("quantity of items no. 1 must be a decimal number (example: ")


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("", "the record"),
        ("/a", "a"),
        ("/a/b", "a.b"),
        ("/a/0", "a no. 1"),
        ("/a/0/b/c", "b.c of a no. 1"),
        ("/a/0/b/1", "b no. 2 of a no. 1"),
        ("/0/a~1b~0", "0.a/b~"),
    ],
)
def test_a_pointer_reads_as_a_name(place: str, name: str) -> None:
    assert field_name(place) == name


# --- files ---


def test_unreadable_files_are_wrong_setup(tmp_path: Path) -> None:
    schema, mapping = tmp_path / "order.schema.json", tmp_path / "mapping.yaml"
    with pytest.raises(ConfigurationError, match=r"order\.schema\.json cannot be read"):
        VendorFormat.load(schema, mapping)
    schema.write_text("{}")
    mapping.write_text("- a list")
    with pytest.raises(ConfigurationError, match=r"mapping\.yaml must hold an object"):
        VendorFormat.load(schema, mapping)
    mapping.write_text("a: [")
    with pytest.raises(ConfigurationError, match=r"mapping\.yaml cannot be read"):
        VendorFormat.load(schema, mapping)


def test_an_invalid_schema_is_wrong_setup() -> None:
    with pytest.raises(ConfigurationError, match="JSON Schema of test"):
        form({"type": "strnig"})


def test_fingerprint_follows_schema_and_mapping() -> None:
    one = VendorFormat("n", {"type": "object"}, {"a": 1})
    assert one.fingerprint == VendorFormat("n", {"type": "object"}, {"a": 1}).fingerprint
    assert one.fingerprint != VendorFormat("n", {"type": "object"}, {"a": 2}).fingerprint
    assert one.fingerprint != VendorFormat("n", {"type": "array"}, {"a": 1}).fingerprint
