"""The `report` command on a real ledger and batch store."""

from __future__ import annotations

import pytest

from order_relay.batches.store import BatchStore
from order_relay.batches.writer import BatchWriter
from order_relay.ledger import Ledger
from order_relay.orders.messages import RunContext
from tests.support.command_line import PIPELINE, as_json, call


def test_report_counts_and_balances(ledger: Ledger) -> None:
    facts = as_json("report", "--pipeline", PIPELINE)
    assert facts["received"] == 3
    assert {s: n for s, n in facts["states"].items() if n} == {"imported": 1, "quarantined": 1, "in_doubt": 1}
    assert facts["acknowledged"] == 1
    assert facts["balanced"] is True
    assert facts["batches_compared"] == 1


@pytest.mark.parametrize("option", [("--source", "supercat"), ("--run", "run-1"), ()])
def test_report_can_be_narrowed(ledger: Ledger, option: tuple[str, ...]) -> None:
    assert as_json("report", *option)["received"] == 3


def test_report_of_a_run_that_brought_nothing_is_empty(ledger: Ledger) -> None:
    ledger.runs.begin(RunContext(PIPELINE, "run-9"), "run", 1)
    facts = as_json("report", "--run", "run-9")
    assert (facts["received"], facts["batches_compared"]) == (0, 0)


def test_report_finds_what_the_ledger_lost(ledger: Ledger, store: BatchStore) -> None:
    store.remove(f"{PIPELINE}/batches/b1/manifest.json")
    BatchWriter(store, PIPELINE, "b1").close(["1", "2", "3", "4"])
    facts = as_json("report", "--pipeline", PIPELINE, code=1)
    assert facts["balanced"] is False
    assert "1 listed or archived orders" in facts["breaches"][0]


def test_report_as_text(ledger: Ledger) -> None:
    out = call("report").stdout
    assert "Accounting check passed" in out
    assert "in_doubt" in out
