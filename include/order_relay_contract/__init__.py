"""Tests that every vendor passes, from its stand-in alone (docs/adding-a-vendor.md).

A test module of one line runs them on all vendors that are found by their folders::

    from order_relay_contract import *

``VENDORS = ["myshop"]`` in that module restricts them. Tests of a rule that a vendor's ``quality.yaml`` answers with
``exempt`` are skipped with the reason given there; ``exempt`` of the rule ``contract_suite`` does so for single tests.
"""

from __future__ import annotations

import pytest

_TESTS = ("acknowledging", "quality", "reading", "runs", "sending", "statuses", "windows")
_SUPPORT = ("account", "destination_account", "pipeline_account")

pytest.register_assert_rewrite(
    *(f"{__name__}.{part}" for part in _TESTS), *(f"{__name__}.support.{part}" for part in _SUPPORT)
)

from order_relay_contract.acknowledging import TestAcknowledgingOrders  # noqa: E402
from order_relay_contract.fixtures import (  # noqa: E402
    destination,
    pipeline,
    pytest_generate_tests,
    sandboxes,
    source,
    status_source,
)
from order_relay_contract.quality import TestQuality  # noqa: E402
from order_relay_contract.reading import TestReadingOrders  # noqa: E402
from order_relay_contract.runs import TestRuns  # noqa: E402
from order_relay_contract.sending import TestSearchingOrders, TestSendingOrders  # noqa: E402
from order_relay_contract.statuses import TestReadingStatuses  # noqa: E402
from order_relay_contract.windows import TestWindowsAndPages  # noqa: E402

__all__ = [
    "TestAcknowledgingOrders",
    "TestQuality",
    "TestReadingOrders",
    "TestReadingStatuses",
    "TestRuns",
    "TestSearchingOrders",
    "TestSendingOrders",
    "TestWindowsAndPages",
    "destination",
    "pipeline",
    "pytest_generate_tests",
    "sandboxes",
    "source",
    "status_source",
]
