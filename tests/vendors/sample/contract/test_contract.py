"""The sample vendors pass the contract suite."""

from __future__ import annotations

import pytest

import order_relay_contract
from order_relay_contract import *  # noqa: F403
from tests.vendors.sample import installed

VENDORS = ["sample", "shipstation"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:  # type: ignore[no-redef]
    """The vendors are found while tests are collected."""
    with installed():
        order_relay_contract.pytest_generate_tests(metafunc)
