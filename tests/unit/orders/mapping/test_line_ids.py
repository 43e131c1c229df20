"""Line numbers and item ids: what is generated never equals what the source gave."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from order_relay.orders.mapping.line_ids import ItemIds, assign_line_ids
from order_relay.orders.payload.transformer import Transformer
from tests.support.payloads import codes, lines, only, sent

Make = Callable[..., dict[str, Any]]

ODD = st.sampled_from(["1", "2", "3", "1/1", "1/2", "2/1", "surcharge", "A", "a", "01"])
GIVEN = st.none() | ODD | st.integers(0, 9)


def test_a_missing_number_is_the_place_unless_that_is_taken() -> None:
    assert assign_line_ids([None, None, None], [0, 0, 0], [0, 1, 2]) == ["1", "2", "3"]
    assert assign_line_ids(["2", None], [0, 0], [0, 1]) == ["2", "3"]
    assert assign_line_ids([None, "1", None, "4"], [0, 0, 0, 0], [0, 1, 2, 3]) == ["5", "1", "3", "4"]
    assert assign_line_ids(["2", None, "2", None], [0, 0, 1, 1], [0, 1, 0, 1]) == ["2", "3", "2", "3"]


def test_split_ids_skip_those_of_other_lines() -> None:
    ids = ItemIds(["1", "1/1", "1/3"])
    assert ids.ids_for_line("1/1", 1) == ["1/1"]
    assert ids.ids_for_line("1", 3) == ["1/2", "1/4", "1/5"]
    assert ids.id_for_charge("1/2") == "1/2/2"


def test_numbers_two_and_null(plain: Transformer, order_of: Make) -> None:
    payload = sent(plain, order_of((2, 1, "1.00", "1.00"), (None, 1, "2.00", "2.00")))
    assert lines(payload) == [("2", 1, "1.00"), ("3", 1, "2.00")]


def test_a_split_line_beside_a_line_of_the_split_name(plain: Transformer, order_of: Make) -> None:
    payload = sent(plain, order_of(("1", 3, None, "1.00"), ("1/1", 1, "5.00", "5.00")))
    assert lines(payload) == [("1/2", 2, "0.33"), ("1/3", 1, "0.34"), ("1/1", 1, "5.00")]


def test_a_number_that_two_lines_were_given_is_refused(plain: Transformer, order_of: Make) -> None:
    made = order_of((1, 1, "1.00", "1.00"), (1, 1, "1.00", "1.00"))
    assert codes(plain, made) == {("repeated_line", "/items/1/line")}


ROWS = st.lists(st.tuples(GIVEN, st.integers(0, 4), st.integers(0, 500)), min_size=1, max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(ROWS, st.sampled_from(["per_line", "per_unit"]), st.integers(0, 300), st.integers(0, 300))
def test_item_ids_are_unique_and_stable(
    build: Callable[..., Transformer],
    order_of: Make,
    rows: list[tuple[Any, int, int]],
    unit: str,
    freight: int,
    fee: int,
) -> None:
    rows = [(number, quantity, cents if quantity else 0) for number, quantity, cents in rows]
    made = order_of(
        *((number, quantity, None, f"{cents / 100:.2f}") for number, quantity, cents in rows),
        freight=f"{freight / 100:.2f}",
        surcharge=f"{fee / 100:.2f}",
    )
    made["total"] = f"{(sum(cents for *_, cents in rows) + freight + fee) / 100:.2f}"
    transformer = build(spread_unit=unit, charges={"surcharge": {"send": "item"}})
    result, again = transformer.transform([made, made])
    numbers = [str(number) for number, quantity, _ in rows if quantity and number is not None]
    wanted = set()
    if len(set(numbers)) < len(numbers):
        wanted.add("repeated_line")
    if not any(quantity for _, quantity, _ in rows):
        wanted.add("only_cancelled_lines")
    assert {why.code for why in result.issues} == wanted
    assert result.payload == again.payload
    if result.payload:
        ids = [item["itemSpecifics"]["externalItemID"] for item in json.loads(result.payload)["orderItems"]]
        assert len(set(ids)) == len(ids)


def test_a_rule_that_gives_two_items_one_id_is_refused(build: Callable[..., Transformer], order_of: Make) -> None:
    rule = {"target": "orderItems[].itemSpecifics.externalItemID", "path": "item_number"}
    made = order_of((1, 3, None, "1.00"))
    result = only(build(destination={"fields": [rule]}), made)
    assert [why.code for why in result.issues] == ["repeated_item_id"]
