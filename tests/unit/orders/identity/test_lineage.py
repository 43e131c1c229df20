"""Which versions may be taken for one order: usable uuids, and what must not differ."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.orders.identity.lineage import (
    IDENTITY_SIGNALS,
    UUID,
    conflicting_columns,
    describe_columns,
    normalize_text,
    usable_lineage,
)

GOOD = "631F4C43-361B-4385-A1EC-7D214B5B4EBE"


def version(**given: str) -> dict[str, str]:
    return {"base_number": "7001-021524-118", "customer_number": "", "customer_po": "", **given}


@pytest.mark.parametrize(
    "spelling",
    [
        GOOD,
        GOOD.lower(),
        f" {GOOD} ",
        f"{{{GOOD}}}",
        GOOD.replace("-", ""),
        f"urn:uuid:{GOOD.lower()}",
    ],
)
def test_one_uuid_in_any_spelling_is_one_lineage(spelling: str) -> None:
    assert usable_lineage(spelling, UUID) == GOOD


@pytest.mark.parametrize(
    "unusable",
    [
        str(uuid.UUID(int=0)),
        str(uuid.UUID(int=2**128 - 1)),
        "11111111-1111-1111-1111-111111111111",
        "",
        "  ",
        "-",
        "null",
        "None",
        "n/a",
        "0",
        "00000000",
        "{00000000-0000-0000-0000-000000000000}",
    ],
)
@pytest.mark.parametrize("form", ["uuid", "text"])
def test_a_placeholder_identifies_nothing(unusable: str, form: str) -> None:
    if form == "text" and unusable.startswith("{"):
        return
    assert usable_lineage(unusable, form) == ""


@pytest.mark.parametrize("malformed", ["631F4C43", GOOD[:-1], f"{GOOD}0", GOOD.replace("6", "G"), "order 7"])
def test_a_malformed_uuid_identifies_nothing_where_uuids_are_given(malformed: str) -> None:
    assert usable_lineage(malformed, UUID) == ""
    assert usable_lineage(malformed) == malformed.upper()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C-1044", " c-1044 "),
        ("1044", "1044.0"),
        ("1044.00", "1044"),
        ("PO  11", "po 11"),
        ("PO\u200b11", "PO 11"),
        ("\uff23-1", "C-1"),
    ],
)
def test_spelling_is_no_contradiction(one: str, other: str) -> None:
    assert conflicting_columns([version(customer_number=one), version(customer_number=other)]) == ()


@pytest.mark.parametrize(
    ("field", "one", "other"),
    [
        ("base_number", "7001-021524-118", "9455-030124-007"),
        ("customer_number", "C-1", "C-2"),
        ("customer_po", "11", "22"),
        ("customer_po", "0011", "11"),
        ("customer_number", "1044.5", "1044"),
    ],
)
def test_what_differs_is_named(field: str, one: str, other: str) -> None:
    assert conflicting_columns([version(**{field: one}), version(**{field: other})]) == (field,)


def test_what_only_one_gives_is_no_contradiction() -> None:
    assert conflicting_columns([version(customer_po="11"), version(), version(customer_number="C-1")]) == ()


def test_operator_texts() -> None:
    assert describe_columns(["customer_number", "customer_po"]) == "customer number and customer PO"
    assert describe_columns(list(IDENTITY_SIGNALS)) == "base order number, customer number and customer PO"
    assert describe_columns(["base_number"]) == "base order number"


message = st.sampled_from(["", "C-1", "c-1 ", "C-2", "1044", "1044.0", "PO 11", "po11"]) | st.text(max_size=4)
versions = st.fixed_dictionaries(dict.fromkeys(IDENTITY_SIGNALS, message))


@given(st.lists(versions, min_size=1, max_size=5), st.randoms())
def test_contradictions_do_not_depend_on_the_order_and_exist_between_two_versions(
    made: list[dict[str, Any]], dice: Any
) -> None:
    found = conflicting_columns(made)
    pairs = {column for one in made for other in made for column in conflicting_columns([one, other])}
    assert pairs == set(found)
    dice.shuffle(made)
    assert conflicting_columns(made) == found


@given(message)
def test_a_plain_spelling_stays(text: str) -> None:
    assert normalize_text(normalize_text(text)) == normalize_text(text)
