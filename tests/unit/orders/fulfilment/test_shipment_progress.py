"""Units of parcels against units of an order."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from order_relay.orders.fulfilment.shipment_progress import (
    SAME_SHIPMENT,
    OrderedLine,
    Shipment,
    ShippedLine,
    compute_progress,
    normalize_tracking_number,
    shipment_conflict,
    shipment_key,
)

ORDER = [OrderedLine("1", "MUG", 4), OrderedLine("2", "CUP", 2), OrderedLine("3", "MUG", 1)]


def test_a_line_is_counted_by_its_name_and_else_by_its_item_number():
    found = compute_progress(ORDER, [[ShippedLine(3, line="1")], [ShippedLine(2, item_number="MUG")]])
    assert (found.shipped, found.surplus, found.complete) == (5, 0, False)
    assert compute_progress(ORDER, [[ShippedLine(5, item_number="MUG"), ShippedLine(2, "2")]]).complete


def test_too_many_units_never_count_for_another_item():
    found = compute_progress(ORDER, [[ShippedLine(50, item_number="CUP"), ShippedLine(1, item_number="HAT")]])
    assert (found.shipped, found.surplus, found.complete) == (2, 49, False)


def test_a_parcel_that_names_no_lines_is_the_whole_order():
    assert compute_progress(ORDER, [[]]).complete
    assert not compute_progress(ORDER, []).complete


sent = st.builds(
    ShippedLine,
    st.integers(1, 9),
    line=st.sampled_from(["", "1", "2", "3", "9"]),
    item_number=st.sampled_from(["", "MUG", "CUP", "HAT"]),
)


@given(st.lists(st.lists(sent, min_size=1, max_size=4), max_size=6), st.randoms())
def test_every_unit_is_counted_once_in_any_sequence_of_parcels(parcels, random):
    found = compute_progress(ORDER, parcels)
    assert found.shipped + found.surplus == sum(line.quantity for lines in parcels for line in lines)
    assert found.complete == (found.shipped == found.ordered)
    random.shuffle(parcels)
    assert compute_progress(ORDER, parcels) == found


def test_a_line_that_could_not_be_read_is_surplus_only():
    found = compute_progress(ORDER, [[ShippedLine(3, "1", odd="?"), ShippedLine(1, "2"), ShippedLine(0, "3", odd="?")]])
    assert (found.shipped, found.surplus, found.complete) == (1, 3, False)
    assert compute_progress(ORDER, [[ShippedLine(0, odd="?")]]).shipped == 0, "it does not stand for the whole order"


def test_a_notice_is_known_again_by_order_tracking_number_and_lines():
    lines = [ShippedLine(1, "1")]
    key = shipment_key("N-1", "1Z9", lines, b"body")
    assert key == shipment_key("N-1", " 1z 9", lines, b"another body")
    others = [("N-2", "1Z9", lines), ("N-1", "1Z8", lines), ("N-1", "1Z9", [ShippedLine(2, "1")]), ("N-1", "", lines)]
    assert len({key, *(shipment_key(*other, b"body") for other in others)}) == 5
    assert shipment_key("N-1", "n/a", lines, b"a") != shipment_key("N-1", "n/a", lines, b"b")


def shipment(tracking, lines=(), **fields):
    return Shipment("x", "k", ("N-1",), tracking_number=tracking, lines=tuple(lines), **fields)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("1Z 999 aa1", "1Z999AA1"),
        (" 1z\u00a0999\tAA1\u200b", "1Z999AA1"),
        ("１Ｚ９", "1Z9"),
        ("9400-1000", "9400-1000"),
        *(
            (text, "")
            for text in (
                "",
                " ",
                "N/A",
                "n.a.",
                "None",
                "NULL",
                "0",
                "000",
                "0-0",
                "TBD",
                "-",
                "unknown",
                "x",
                "Other",
                "no tracking",
                "1",
                "999",
                "6.12206E+11",
                "6,1E11",
                "\u200b",
            )
        ),
    ],
)
def test_what_identifies_a_parcel(text, form):
    assert normalize_tracking_number(text) == form


numbers = st.from_regex(r"[0-9]{4}[A-Z0-9]{2,12}1", fullmatch=True).filter(lambda text: len(set(text)) > 1)
blanks = st.text(alphabet=" \t\u00a0\u200b\u2009", max_size=2)


@given(numbers, st.data())
def test_neither_capitals_nor_blanks_make_another_parcel(number, data):
    other = "".join(data.draw(blanks) + data.draw(st.sampled_from([c, c.lower()])) for c in number) + data.draw(blanks)
    assert normalize_tracking_number(other) == normalize_tracking_number(number) != ""
    lines = [ShippedLine(1, "1", "MUG")]
    assert shipment_conflict(shipment(other, lines), number, lines, ORDER) == SAME_SHIPMENT


@given(numbers, numbers)
def test_different_tracking_numbers_are_different_parcels(one, other):
    lines = [ShippedLine(1, "1", "MUG")]
    assert (shipment_conflict(shipment(one, lines), other, lines, ORDER) == SAME_SHIPMENT) == (one == other)


@example([ShippedLine(4, "", "MUG")], [ShippedLine(1, "", "MUG"), ShippedLine(3, "3")], "1Z9")
@given(st.lists(sent, min_size=1, max_size=4), st.lists(sent, min_size=1, max_size=4), st.sampled_from(["1Z9", "N/A"]))
def test_what_is_dropped_as_known_had_the_same_units(first, second, tracking):
    doubt = shipment_conflict(shipment(tracking, first), tracking, second, ORDER)
    if doubt == SAME_SHIPMENT:
        assert tracking == "1Z9"
        assert compute_progress(ORDER, [first]) == compute_progress(ORDER, [second])
        assert sum(line.quantity for line in first) == sum(line.quantity for line in second)
    else:
        assert doubt


def test_decisions_only_an_operator_can_make():
    one, whole = [ShippedLine(1, "1", "MUG")], [ShippedLine(4, "1"), ShippedLine(2, "2"), ShippedLine(1, "3")]
    assert shipment_conflict(shipment("1Z9", whole), "1Z9", [], ORDER) == SAME_SHIPMENT, "no lines are the whole order"
    assert shipment_conflict(shipment("1Z9", whole), "1Z9", [], None) not in {SAME_SHIPMENT, ""}, (
        "unless nobody knows what that was"
    )
    assert shipment_conflict(shipment("1Z-9", one), "1Z9", one, ORDER) not in {SAME_SHIPMENT, ""}
    assert shipment_conflict(shipment("1Z9", one), "N/A", one, ORDER) not in {SAME_SHIPMENT, ""}
    assert shipment_conflict(shipment("1Z9", one), "N/A", whole, ORDER) == ""
    assert shipment_conflict(shipment("N/A", one), "", one, ORDER) not in {SAME_SHIPMENT, ""}
    assert shipment_conflict(shipment("N/A", one, sure=True), "", one, ORDER) == ""
    assert shipment_conflict(shipment("1Z9", [ShippedLine(1, "1")]), "1Z9", [ShippedLine(1, "3")], ORDER) not in {
        SAME_SHIPMENT,
        "",
    }
