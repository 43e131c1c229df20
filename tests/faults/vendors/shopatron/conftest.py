"""These tests set what Shopatron's search is like: they run on the cases with this destination."""

from __future__ import annotations

import pytest

from tests.support.faults.case import Case
from tests.support.faults.cases import CASES


@pytest.fixture(params=[case for case in CASES if case.destination.vendor == "shopatron"], ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    """A source, and Shopatron."""
    chosen: Case = request.param
    return chosen
