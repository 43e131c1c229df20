"""Units of parcels against units of an order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from order_relay.orders.shipping import OrderedLine, ShippedLine, parcel_key, progress

ORDER = [OrderedLine("1", "MUG", 4), OrderedLine("2", "CUP", 2), OrderedLine("3", "MUG", 1)]


def test_a_line_is_counted_by_its_name_and_else_by_its_item_number():
    found = progress(ORDER, [[ShippedLine(3, line="1")], [ShippedLine(2, item_number="MUG")]])
    assert (found.shipped, found.surplus, found.complete) == (5, 0, False)
    assert progress(ORDER, [[ShippedLine(5, item_number="MUG"), ShippedLine(2, "2")]]).complete


def test_too_many_units_never_count_for_another_item():
    found = progress(ORDER, [[ShippedLine(50, item_number="CUP"), ShippedLine(1, item_number="HAT")]])
    assert (found.shipped, found.surplus, found.complete) == (2, 49, False)


def test_a_parcel_that_names_no_lines_is_the_whole_order():
    assert progress(ORDER, [[]]).complete
    assert not progress(ORDER, []).complete


sent = st.builds(
    ShippedLine, st.integers(1, 9), line=st.sampled_from(["", "1", "2", "3", "9"]),
    item_number=st.sampled_from(["", "MUG", "CUP", "HAT"]),
)  # fmt: skip


@given(st.lists(st.lists(sent, min_size=1, max_size=4), max_size=6), st.randoms())
def test_every_unit_is_counted_once_in_whatever_order_parcels_come(parcels, random):
    found = progress(ORDER, parcels)
    assert found.shipped + found.surplus == sum(line.quantity for lines in parcels for line in lines)
    assert found.complete == (found.shipped == found.ordered)
    random.shuffle(parcels)
    assert progress(ORDER, parcels) == found


def test_a_parcel_is_known_again_by_order_carrier_and_tracking_number():
    key = parcel_key("N-1", "UPS", "1Z9", b"body")
    assert key == parcel_key("N-1", "ups ", " 1Z9", b"another body")
    others = [("N-2", "UPS", "1Z9"), ("N-1", "DHL", "1Z9"), ("N-1", "UPS", "1Z8"), ("N-1", "UPS", "")]
    assert len({key, *(parcel_key(*other, b"body") for other in others)}) == 5
    assert parcel_key("N-1", "UPS", "", b"a") != parcel_key("N-1", "UPS", "", b"b")
