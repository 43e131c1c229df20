"""The run report: its counts, its texts for operators, and the accounting check."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from order_relay.batches.store import BatchStore
from order_relay.batches.writer import BatchWriter
from order_relay.errors import ConfigurationError
from order_relay.ledger.schema.records import OverdueOrders
from order_relay.ledger.write_back.operator_tasks import WriteBackCount
from order_relay.orders.messages import RunContext
from order_relay.pipeline.report.model import StageTime
from order_relay.pipeline.report.report import RenderedReport, write_report
from order_relay.pipeline.runs.failures import recorded_cause

CTX = RunContext("demo", "manual__1")


class FakeLedger:
    """A ledger with the given counts."""

    accounting = write_back_tasks = oms_status_counts = property(lambda self: self)

    oms: Mapping[str, int] = MappingProxyType({})

    tasks: tuple[OverdueOrders, ...] = ()

    steps: tuple[WriteBackCount, ...] = ()

    def open_counts(self, _pipeline):
        return self.oms

    def pending(self, _pipeline):
        return self.tasks

    def unfinished(self, _pipelines):
        return self.steps

    def __init__(self, *, breaches: list[str] | None = None, missing: set[str] | None = None) -> None:
        self.whole: dict[str, Any] = {
            "received": 12,
            "states": {"imported": 7, "held": 2, "quarantined": 2, "in_doubt": 1, "ready": 0},
            "reasons": {("held", "too_few_common_items"): 2, ("quarantined", "total_differs"): 2, ("imported", ""): 7},
            "acknowledged": 6,
        }
        self.run: dict[str, Any] = {
            "received": 3,
            "states": {"imported": 3},
            "reasons": {},
            "acknowledged": 2,
            "notes": {"text_cut": 4},
        }
        self.breaches = breaches or []
        self.missing = missing or set()
        self.asked: list[list[str]] = []
        self.remarks: list[tuple[str, str, str]] = []

    def counts(self, pipeline: str | None, run: str | None = None) -> dict[str, Any]:
        return self.whole if run is None else self.run

    def imported_with_remarks(self, pipeline: str, run: str, limit: int) -> list[tuple[str, str, str]]:
        return list(self.remarks)

    def invariant_violations(self, pipeline: str | None, run: str | None = None) -> list[str]:
        return list(self.breaches)

    def batches(self, pipeline: str, since: object = None) -> list[dict[str, Any]]:
        return [{"batch_id": "b1", "run": "manual__1"}, {"batch_id": "b2", "run": "manual__2"}]

    def unknown_source_ids(self, pipeline: str, ids: list[str]) -> set[str]:
        self.asked.append(ids)
        return self.missing & set(ids)


@pytest.fixture
def store(tmp_path: Path) -> BatchStore:
    store = BatchStore(tmp_path.as_uri())
    for batch in ("b1", "b2"):
        writer = BatchWriter(store, "demo", batch)
        writer.add(b'{"id": 1}')
        writer.close([f"{batch}-1", f"{batch}-2"])
    return store


def write(ledger: FakeLedger, store: BatchStore, **options: Any) -> RenderedReport:
    return write_report(CTX, ledger, store, **options)  # type: ignore[arg-type]


def test_the_markdown_is_in_the_runs_folder(store: BatchStore) -> None:
    result = write(FakeLedger(), store)
    assert result.name == "demo/runs/manual__1/report.md"
    assert store.read_text(result.name) == result.markdown


def test_it_counts_the_run_beside_the_whole_ledger(store: BatchStore) -> None:
    markdown = write(FakeLedger(), store).markdown
    assert "| imported | 3 | 7 |" in markdown
    assert "| acknowledged | 2 | 6 |" in markdown
    assert "| **received** | 3 | 12 |" in markdown


def test_it_lists_pending_work_and_next_steps(store: BatchStore) -> None:
    result = write(FakeLedger(), store)
    assert (
        "**held: 2.** An operator must decide. Compare the versions with `order-relay held NUMBER`" in result.markdown
    )
    assert "  - Versions share too few items (`too_few_common_items`): 2" in result.markdown
    assert "each has exactly one state.** 5 orders need an operator." in result.markdown
    assert result.text.endswith("5 orders need an operator.")


def test_what_write_back_leaves_to_operators_is_a_section_with_the_commands(store: BatchStore) -> None:
    ledger = FakeLedger()
    since = datetime(2026, 5, 1, tzinfo=UTC)
    ledger.tasks = (
        OverdueOrders("cancelled", 2, since, ("1-CS1", "1-CS2")),
        OverdueOrders("untold", 3, since, ("1-CS3",)),
    )
    text = write(ledger, store).text
    assert "2 orders were cancelled in the shop after the import. Cancel the order in the OMS" in text
    assert "`order-relay cancelled` lists all" in text
    assert (
        "3 orders were refused by the source in write-back. See the shop's answer with `order-relay feedback --failed`"
        in text
    )
    assert "Open tasks with the source" not in write(FakeLedger(), store).markdown


def test_orders_that_the_oms_has_not_finished_are_counted_by_status(store: BatchStore) -> None:
    ledger = FakeLedger()
    ledger.oms = {"partly_shipped": 2, "": 1}
    result = write(ledger, store)
    assert "## Not finished at the OMS\n\n- no answer yet: 1\n- partly shipped: 2" in result.markdown
    assert "at the OMS partly shipped: 2" in result.text
    assert "Not finished at the OMS" not in write(FakeLedger(), store).markdown


def test_a_quiet_ledger_waits_for_nothing(store: BatchStore) -> None:
    ledger = FakeLedger()
    ledger.whole = {"received": 1, "states": {"imported": 1}, "reasons": {}, "acknowledged": 1}
    result = write(ledger, store)
    assert "## Open orders\n\nNone." in result.markdown
    assert result.text.endswith("No order needs an operator.")


def test_the_runs_own_batch_is_compared(store: BatchStore) -> None:
    ledger = FakeLedger()
    result = write(ledger, store, batch_id="b1")
    assert ledger.asked == [["b1-1", "b1-2"]]
    assert result.breaches == []
    assert "1 archived batch compared" in result.markdown


def test_all_batches_are_compared_when_full(store: BatchStore) -> None:
    ledger = FakeLedger()
    write(ledger, store, batch_id="b1", full=True)
    assert ledger.asked == [["b1-1", "b1-2"], ["b2-1", "b2-2"]]


def test_an_identity_missing_from_the_ledger_fails_the_check_unnamed(store: BatchStore) -> None:
    result = write(FakeLedger(missing={"b1-2"}), store, batch_id="b1")
    assert result.breaches == ["batch b1: 1 listed or archived orders are missing from the ledger"]
    assert result.facts["balanced"] == "no"
    assert "b1-2" not in result.markdown + result.text


def test_an_unreadable_batch_fails_the_accounting_check(store: BatchStore) -> None:
    store.write_text("demo/batches/b1/identities.txt.gz", "damaged")
    result = write(FakeLedger(), store, batch_id="b1")
    assert len(result.breaches) == 1
    assert "checksum" in result.breaches[0]


def test_accounting_failures_are_shown_in_every_format(store: BatchStore) -> None:
    result = write(FakeLedger(breaches=["2 submissions differ from their last event"]), store)
    assert "**Accounting check FAILED: 1 problem.**" in result.markdown
    assert "- 2 submissions differ from their last event" in result.markdown
    assert "ACCOUNTING: 2 submissions differ from their last event" in result.text
    assert result.facts["breaches"] == 1


def test_times_give_the_throughput(store: BatchStore) -> None:
    stages = [StageTime("extract", 1.0, 3), StageTime("load", 0.5, 3)]
    result = write(FakeLedger(), store, stages=stages)
    assert "| load | 0.5 | 3 |" in result.markdown
    assert result.facts["orders_per_s"] == 2.0
    assert "load: 0.5 s, 3 records" in result.text


def test_notes_by_code_and_failed_tasks_are_in_the_report(store: BatchStore) -> None:
    result = write(FakeLedger(), store, failed_tasks=["load_3"])
    assert "- `text_cut`: 4 orders (a text was shortened" in result.markdown
    assert "note text_cut: 4 orders (a text was shortened" in result.text
    assert "- `load_3`" in result.markdown
    assert result.facts["failed_tasks"] == 1


def test_why_a_task_failed_is_in_every_form_of_the_report(store: BatchStore) -> None:
    ctx = CTX
    with pytest.raises(ConfigurationError), recorded_cause(ctx, store, "load_0"):
        raise ConfigurationError("GET https://oms.example/order/ answered HTTP 404")
    result = write(FakeLedger(), store, failed_tasks=["load_0", "load_1"])
    assert "- `load_0`: GET https://oms.example/order/ answered HTTP 404\n- `load_1`\n" in result.markdown
    assert "failed task: load_0: GET https://oms.example/order/" in result.text
    assert result.facts["cause"] == result.causes["load_0"]


def test_facts_are_flat_and_small_for_any_reasons(store: BatchStore) -> None:
    ledger = FakeLedger()
    ledger.whole["reasons"] = {("quarantined", f"a_rather_long_reason_code_{n}"): n + 1 for n in range(500)}
    facts = write(ledger, store).facts
    assert len(json.dumps(facts)) < 2_000
    assert all(isinstance(value, int | float | str) for value in facts.values())
    assert "quarantined.a_rather_long_reason_code_499" in facts


def test_a_shadow_run_is_labelled_in_every_format(store: BatchStore) -> None:
    counts = {"would_send": 9, "found_there": 4, "not_found_there": 3, "not_compared": 2}
    result = write(FakeLedger(), store, shadow=counts)
    assert "SHADOW MODE: NOTHING WAS SENT" in result.markdown
    assert result.text.startswith("SHADOW MODE: NOTHING WAS SENT")
    assert "would have sent 9 orders" in result.markdown
    assert "the OMS already has 4" in result.markdown
    assert (result.facts["mode"], result.facts["found_there"]) == ("shadow", 4)
    assert "SHADOW" not in write(FakeLedger(), store).markdown


def test_orders_imported_with_an_error_are_reported_with_the_oms_message_outside_the_log(store: BatchStore) -> None:
    ledger = FakeLedger()
    ledger.remarks = [("N-1", "7", '{"error":"item LAMP-9 dropped for J. Smith"}')]
    result = write(ledger, store)
    assert '`N-1` (OMS id 7): `{"error":"item LAMP-9 dropped for J. Smith"}`' in store.read_text(result.name)
    assert "the OMS also reported an error" in result.text
    assert "N-1" in result.text
    assert "Smith" not in result.text + json.dumps(result.facts)
    assert result.facts["run_imported_with_error"] == 1
    assert result.remarked == ("N-1",)
