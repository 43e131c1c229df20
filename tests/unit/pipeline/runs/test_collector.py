"""The garbage collector of a process that runs a pipeline."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from order_relay.pipeline.runs.collector import THRESHOLD, collect_rarely


@pytest.fixture(autouse=True)
def threshold() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_cycles_are_looked_for_rarely() -> None:
    gc.set_threshold(700, 10, 10)
    collect_rarely()
    collect_rarely()
    assert gc.get_threshold() == (THRESHOLD, 10, 10)


@pytest.mark.parametrize("rarer", [(0, 10, 10), (50_000, 5, 5)])
def test_a_process_that_collects_even_less_often_is_left_as_it_is(rarer: tuple[int, int, int]) -> None:
    gc.set_threshold(*rarer)
    collect_rarely()
    assert gc.get_threshold() == rarer
