"""Rows of code tables that operators make: versions, stale pages, and the rows that a run uses."""

from __future__ import annotations

from typing import Any

import pytest

from order_relay.errors import ConcurrentUpdateError, ConfigurationError
from order_relay.ledger import Ledger
from order_relay.ledger.operators.code_tables import RowKey
from order_relay.orders.messages import RunContext

PIPELINE = "shop_to_oms"
CTX = RunContext(PIPELINE, "", "ann")
GROUND = RowKey("ship_via", "UPS Ground")


def rows(ledger: Ledger, run: str = "", pipeline: str = PIPELINE) -> dict[str, Any]:
    return {row.key: row.value for row in ledger.code_tables.rows(pipeline, run)}


def test_a_change_is_a_new_version_with_who_why_and_the_value_before(ledger: Ledger) -> None:
    first = ledger.code_tables.put(CTX, GROUND, {"type": "standard"}, "new service")
    second = ledger.code_tables.put(CTX, RowKey("ship_via", "ups   GROUND"), "G", "renamed", shown=first.version)
    assert ledger.code_tables.put(CTX, RowKey("ship_via", "ups GROUND"), "G", "again") == second, "no new version"
    gone = ledger.code_tables.remove(CTX, GROUND, "in the file now", shown=second.version)
    assert rows(ledger) == {}
    history = ledger.code_tables.history(PIPELINE, "ship_via")
    assert [row.version for row in history] == [gone.version, second.version, first.version]
    assert [(row.key, row.value, row.previous, row.removed, row.who, row.why) for row in reversed(history)] == [
        ("UPS Ground", {"type": "standard"}, None, False, "ann", "new service"),
        ("ups GROUND", "G", {"type": "standard"}, False, "ann", "renamed"),
        ("ups GROUND", None, "G", True, "ann", "in the file now"),
    ]
    actions = ledger.activity.general("table")
    assert [(one.why, one.pipeline, one.details["key"], one.details["removed"]) for one in actions] == [
        ("in the file now", PIPELINE, "ups GROUND", True),
        ("renamed", PIPELINE, "ups GROUND", False),
        ("new service", PIPELINE, "UPS Ground", False),
    ]


def test_a_change_on_a_stale_page_is_refused_with_the_present_value(ledger: Ledger) -> None:
    first = ledger.code_tables.put(CTX, GROUND, "A", "x", shown=0)
    with pytest.raises(ConcurrentUpdateError, match='it is now "A", made by ann'):
        ledger.code_tables.put(CTX, GROUND, "B", "x", shown=0)
    ledger.code_tables.remove(CTX, GROUND, "x", shown=first.version)
    with pytest.raises(ConcurrentUpdateError, match="it was removed"):
        ledger.code_tables.remove(CTX, GROUND, "x", shown=first.version)
    ledger.code_tables.put(CTX, GROUND, "B", "x", shown=0)
    assert rows(ledger) == {"UPS Ground": "B"}


@pytest.mark.parametrize("key", ["", " \t", "a\x00b", "x" * 201, "\u202eabc"])
def test_keys_that_no_code_equals_are_refused(ledger: Ledger, key: str) -> None:
    with pytest.raises(ConfigurationError, match="a key must be a text of at most 200 bytes"):
        ledger.code_tables.put(CTX, RowKey("ship_via", key), "A", "x")


def test_only_rows_made_here_can_be_removed_and_values_are_bounded(ledger: Ledger) -> None:
    with pytest.raises(ConfigurationError, match="rows of a file are changed in the file"):
        ledger.code_tables.remove(CTX, GROUND, "x")
    with pytest.raises(ConfigurationError, match="longer than 4000"):
        ledger.code_tables.put(CTX, GROUND, "x" * 4_001, "x")
    assert ledger.code_tables.version(PIPELINE) == 0


def test_a_run_uses_the_rows_of_the_moment_it_began(ledger: Ledger) -> None:
    ledger.code_tables.put(CTX, GROUND, "A", "x")
    ledger.code_tables.put(RunContext("other_to_oms", "", "ann"), GROUND, "O", "x")
    ledger.runs.begin(RunContext(PIPELINE, "run-1"), "run")
    ledger.code_tables.put(CTX, GROUND, "B", "x")
    ledger.code_tables.put(CTX, RowKey("ship_via", "DHL"), "D", "x")
    assert rows(ledger, "run-1") == {"UPS Ground": "A"}
    assert rows(ledger) == rows(ledger, "has not begun") == {"UPS Ground": "B", "DHL": "D"}
    ledger.runs.begin(RunContext(PIPELINE, "run-2"), "run")
    ledger.code_tables.remove(CTX, GROUND, "x")
    assert rows(ledger, "run-2") == {"UPS Ground": "B", "DHL": "D"}
    ledger.runs.begin(RunContext(PIPELINE, "run-2"), "run")
    assert rows(ledger, "run-2") == {"DHL": "D"}, "a run that begins again uses the rows of then"
    assert rows(ledger, pipeline="other_to_oms") == {"UPS Ground": "O"}
