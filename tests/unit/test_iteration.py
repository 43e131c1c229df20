"""Lists of bounded size."""

from __future__ import annotations

from itertools import count, islice

from order_relay.iteration import batched


def test_items_come_in_lists_of_at_most_the_size() -> None:
    assert list(batched(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batched([], 2)) == []


def test_items_are_read_lazily() -> None:
    assert list(islice(batched(count(), 3), 2)) == [[0, 1, 2], [3, 4, 5]]
