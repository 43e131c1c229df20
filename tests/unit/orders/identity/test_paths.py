from __future__ import annotations

from decimal import Decimal

from order_relay.orders.identity.paths import first_value, iterate_values, remove_paths, text_of


def test_values_go_through_lists_and_other_shapes() -> None:
    document = {"lines": [{"product": {"key": "A"}}, 7, {"product": None}, {"product": {"key": "B"}}]}
    assert list(iterate_values(document, "lines[].product.key")) == ["A", "B"]
    assert first_value(document, "lines[].product.key") == "A"
    assert first_value([document], "lines") is None


def test_without_copies_only_what_it_changes() -> None:
    document = {"id": 1, "touched": "now", "lines": [{"sku": "A", "erp": 1}, "odd"], "address": {"city": "Ede"}}
    found = remove_paths(document, ["touched", "lines[].erp", "address.zip", "nowhere.at[].all"])
    assert found == {"id": 1, "lines": [{"sku": "A"}, "odd"], "address": {"city": "Ede"}}
    assert document["lines"] == [{"sku": "A", "erp": 1}, "odd"], "the document itself stays"
    assert found["address"] is document["address"]


def test_numbers_are_the_text_of_their_value() -> None:
    assert [text_of(value) for value in (7, Decimal("7.0"), "7", True, 7.5, None, "a\x00b")] == [
        "7",
        "7",
        "7",
        "",
        "",
        "",
        "",
    ]
