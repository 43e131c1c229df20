from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.errors import ConfigurationError
from order_relay.orders.identity.source_identity import (
    IDENTITY_COLUMNS,
    IdentityPaths,
    identify,
    separate_lineage,
    source_lineage,
)

PATHS = IdentityPaths(
    source_id="ref.id",
    order_number=("ref.no",),
    lineage="ref.group",
    version="ref.id",
    items="rows[].sku",
    customer_po="po",
    items_need=("price", "sum"),
    suffix_pattern=r"(?P<base>[^-]+-[^-]+-[^-]+)-(?P<suffix>[0-9]{1,9})",
)


def order(**ref: Any) -> dict[str, Any]:
    return {
        "ref": {"id": 41, "no": "7001-021524-118", "group": "0b6e7c1a", **ref},
        "po": "PO 7",
        "rows": [{"sku": "B", "price": "1.00"}, {"sku": "A", "sum": "2.00"}, {"sku": "A", "price": 1}],
    }


def test_gives_every_column_and_no_other() -> None:
    assert tuple(identify(order(), PATHS)) == IDENTITY_COLUMNS


def test_reads_what_the_paths_name() -> None:
    got = identify(order(no="7001-021524-118-12"), PATHS)
    assert got["source_id"] == "41"
    assert got["lineage"] == "0B6E7C1A"
    assert got["version"] == 41
    assert (got["base_number"], got["suffix"]) == ("7001-021524-118", 12)
    assert got["items"] == ("A", "B")
    assert got["customer_po"] == "PO 7"
    assert got["problem"] == ""


@pytest.mark.parametrize("number", ["XYZ-123", "7001-021524-118", "A-B-C-D", "1-2-3-4-5", "1-2-3-", ""])
def test_other_shapes_have_no_suffix(number: str) -> None:
    got = identify(order(no=number), PATHS)
    assert (got["base_number"], got["suffix"]) == (number, None)


@pytest.mark.parametrize("same", ["41", Decimal("41.0"), 41])
def test_an_id_is_the_same_as_number_and_as_digits(same: Any) -> None:
    assert identify(order(id=same), PATHS)["source_id"] == "41"


def test_the_order_number_is_never_touched() -> None:
    assert identify(order(no="7001 -  a"), PATHS)["order_number"] == "7001 -  a"


@pytest.mark.parametrize("odd", [" 7001", "7001 ", "70\u200b01", "70\u00a001", "\ufeff7001", "70\u00ad01", "\u2066701"])
def test_a_number_with_outer_spaces_or_invisible_characters_is_refused_not_cleaned(odd: str) -> None:
    got = identify(order(no=odd), PATHS)
    assert (got["order_number"], got["problem"]) == ("", "order_number_unusable")
    assert identify(order(id=odd), PATHS)["problem"] == "identity_unusable"


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "",
        "  ",
        True,
        [],
        {},
        "abc",
        -4,
        Decimal("4.5"),
        2**63,
        "4\x00",
        "9" * 201,
        Decimal("1E+400"),
        Decimal("NaN"),
        "\ud800",
    ],
)
def test_unusable_ids_fall_back_to_the_content_hash(bad: Any) -> None:
    got = identify(order(id=bad), PATHS)
    assert got["source_id"] == got["lineage"] == f"sha256:{got['content_hash']}"
    assert got["problem"] in ("identity_unusable", "unreadable_value")


@pytest.mark.parametrize("document", [None, 3, "text", [], {}, {"ref": []}, {"ref": {"id": [1]}}])
def test_any_document_gets_an_identity(document: Any) -> None:
    assert identify(document, PATHS)["source_id"].startswith("sha256:")


def test_an_order_number_that_cannot_be_stored_has_its_own_code() -> None:
    got = identify(order(no="7\x001"), PATHS)
    assert (got["source_id"], got["order_number"], got["problem"]) == ("41", "", "order_number_unusable")


def test_a_missing_order_number_is_left_to_the_schema() -> None:
    got = identify(order(no=None), PATHS)
    assert (got["source_id"], got["order_number"], got["problem"]) == ("41", "", "")


def test_a_problem_found_while_reading_stays() -> None:
    assert identify({}, PATHS, "lone_surrogate")["problem"] == "lone_surrogate"


def test_without_uuid_the_source_id_is_the_lineage() -> None:
    assert identify(order(group=None), PATHS)["lineage"] == "41"


def test_lines_without_a_price_are_no_items() -> None:
    document = order() | {"rows": [{"sku": "PROMO", "price": None}, {"sku": "A", "price": 0}, {"price": 1}, 7]}
    assert identify(document, PATHS)["items"] == ("A",)


def test_separate_lineages() -> None:
    own = separate_lineage("U", "9")
    assert own != "U"
    assert source_lineage(own) == source_lineage("U") == "U"
    assert separate_lineage(own, "9") == own


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"order_number": "no"}, "m.identity.source_id"),
        ({"source_id": "id", "order_number": "no", "uuid": "u"}, "'uuid'"),
        ({"source_id": "id", "order_number": 4}, "order_number"),
        ({"source_id": "id", "order_number": "no", "suffix_pattern": "("}, "suffix_pattern"),
        ({"source_id": "id", "order_number": "no", "suffix_pattern": "(?P<base>.*)"}, "suffix_pattern"),
        ({"source_id": "id", "order_number": "no", "items_need": "price"}, "items_need"),
    ],
)
def test_a_wrong_section_names_the_key(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        IdentityPaths.from_mapping(section, "m.identity")


def test_a_section_is_read() -> None:
    section = {"source_id": "id", "order_number": "no", "items": "i[].n", "items_need": ["p"]}
    assert IdentityPaths.from_mapping(section).items_need == ("p",)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False, places=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


references = st.fixed_dictionaries({"id": json_values, "no": json_values, "group": json_values})


@given(st.fixed_dictionaries({"ref": references, "rows": json_values, "po": json_values}))
def test_any_input_is_identified_and_fits_a_database(document: dict[str, Any]) -> None:
    got = identify(document, PATHS)
    assert got["source_id"]
    assert got["lineage"]
    assert 0 <= got["version"] < 2**63
    for name in ("source_id", "lineage", "order_number", "customer_po"):
        assert len(got[name]) <= 200
        assert "\x00" not in got[name]
        got[name].encode()


def test_the_content_is_hashed_once_by_the_given_function() -> None:
    assert identify(order(), PATHS, fingerprint=lambda _: "of the mapping")["content_hash"] == "of the mapping"


def test_an_order_without_an_identity_has_the_hash_of_all_members() -> None:
    document = order(id=None)
    got = identify(document, PATHS, fingerprint=lambda _: "of the mapping")
    assert got["content_hash"] == identify(document, PATHS)["content_hash"]
    assert got["source_id"] == f"sha256:{got['content_hash']}"


def test_content_that_cannot_be_hashed_is_a_problem() -> None:
    def fail(_: Any) -> str:
        raise ValueError

    got = identify(order(), PATHS, fingerprint=fail)
    assert (got["source_id"], got["problem"]) == ("41", "unreadable_value")
