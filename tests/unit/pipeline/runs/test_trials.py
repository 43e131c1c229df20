"""What dry runs and runs in shadow mode leave behind is removed, and nothing that a real run left is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from order_relay.batches import BatchStore, BatchWriter
from order_relay.ledger.reporting.retention import RequiredRows
from order_relay.orders.messages import RunContext
from order_relay.pipeline.retention.order_data import RetentionReport, apply_retention
from order_relay.pipeline.runs.dry_run import scratch_object
from order_relay.pipeline.runs.trials import clear_trial, mark_trial
from order_relay.pipeline.settings.sections import RetentionSettings
from tests.support.failpoints import killed_at

NAME = "demo_to_oms"
NOW = datetime.now(UTC)
IN_A_WEEK = NOW + timedelta(days=8)


@dataclass
class FakeLedger:
    """A ledger that knows these batches and runs."""

    batches: dict[str, datetime] = field(default_factory=dict)
    runs: dict[str, datetime] = field(default_factory=dict)
    wanted: RequiredRows = field(default_factory=RequiredRows)

    def required_rows(self, pipeline: str) -> RequiredRows:
        return self.wanted

    def batch_fetch_times(self, pipeline: str) -> dict[str, datetime]:
        return self.batches

    def run_start_times(self, pipeline: str) -> dict[str, datetime]:
        return self.runs

    def with_personal_data(self, pipeline: str, before: datetime) -> list[int]:
        return []

    def remove_personal_data(self, pipeline: str, before: datetime, limit: int) -> int:
        return 0


class Counted(BatchStore):
    """Counts what is asked about single objects."""

    asked = 0

    def modified(self, name: str) -> datetime:
        type(self).asked += 1
        return super().modified(name)

    def read_text(self, name: str) -> str:
        type(self).asked += 1
        return super().read_text(name)


@pytest.fixture
def store(tmp_path: Path) -> BatchStore:
    return BatchStore(tmp_path.as_uri())


def batch(store: BatchStore, batch_id: str) -> str:
    writer = BatchWriter(store, NAME, batch_id)
    writer.add(b'{"customer": "secret"}')
    writer.close(["1"], {"run": batch_id.rpartition("-")[0]})
    return batch_id


def trial(store: BatchStore, run: str, *, shadow: bool = True) -> None:
    """As a run in shadow mode leaves it."""
    ctx = RunContext(NAME, run)
    mark_trial(ctx, store, shadow=shadow)
    batch(store, f"{run}-0123abcd")
    store.write_jsonl(scratch_object(NAME, run), [b"x"])
    store.write_jsonl(f"{NAME}/runs/{run}/payloads-00.jsonl.gz", [b"{}"])
    store.write_jsonl(f"{NAME}/runs/{run}/shadow-chunk-00.jsonl.gz", [b"{}"])
    store.write_text(f"{NAME}/runs/{run}/report.md", "report")


def live(store: BatchStore, vendor_state: FakeLedger, run: str, *, when: datetime = NOW) -> None:
    clear_trial(RunContext(NAME, run), store)
    vendor_state.batches[batch(store, f"{run}-4567cdef")] = when
    vendor_state.runs[run] = when
    store.write_jsonl(f"{NAME}/runs/{run}/payloads-00.jsonl.gz", [b"{}", b"{}"])


def keep(
    store: BatchStore, vendor_state: Any, now: datetime = IN_A_WEEK, *, dry_run: bool = False, **settings: int | None
) -> RetentionReport:
    return apply_retention(NAME, vendor_state, store, RetentionSettings(**settings), now=now, dry_run=dry_run)


def names(store: BatchStore) -> set[str]:
    return set(store.list())


@pytest.mark.parametrize("shadow", [True, False])
def test_a_dry_run_is_removed_after_a_week_by_default(store: BatchStore, *, shadow: bool) -> None:
    trial(store, "scheduled__1", shadow=shadow)
    before = names(store)
    assert keep(store, FakeLedger(), NOW + timedelta(days=6)).trials == []
    assert names(store) == before
    assert set(keep(store, FakeLedger()).trials) == before
    assert names(store) == set()


def test_its_lifetime_is_a_setting_and_never_longer_than_that_of_real_runs(store: BatchStore) -> None:
    trial(store, "scheduled__1")
    assert keep(store, FakeLedger(), trial_days=30).trials == []
    assert keep(store, FakeLedger(), trial_days=None).trials == []
    assert keep(store, FakeLedger(), NOW + timedelta(days=3), trial_days=30, runs_days=2, dry_run=True).trials
    assert keep(store, FakeLedger(), NOW + timedelta(days=3), trial_days=2).trials


def test_nothing_of_a_real_run_is_removed_with_the_trials(store: BatchStore) -> None:
    vendor_state = FakeLedger()
    live(store, vendor_state, "scheduled__2")
    batch(store, "scheduled__3-89ab0123")  # of a run that a restored ledger does not know
    store.write_text(f"{NAME}/runs/scheduled__3/report.md", "report")
    before = names(store)
    trial(store, "scheduled__1")
    keep(store, vendor_state, NOW + timedelta(days=400))
    assert names(store) == before


def test_a_pipeline_that_goes_live_keeps_earlier_live_orders(store: BatchStore) -> None:
    """The same run may be cleared and run again after the mode was changed: its folder then holds both."""
    vendor_state = FakeLedger()
    trial(store, "scheduled__1")
    old = names(store)
    live(store, vendor_state, "scheduled__1")
    live(store, vendor_state, "scheduled__2")
    new = names(store) - old | {f"{NAME}/runs/scheduled__1/payloads-00.jsonl.gz"}
    keep(store, vendor_state)
    assert new <= names(store)
    vendor_state.batches.clear()
    vendor_state.runs.clear()  # as a ledger that was restored from an earlier backup
    keep(store, vendor_state)
    assert new <= names(store)


def test_a_live_pipeline_back_in_shadow_mode_loses_only_the_trials_own_objects(store: BatchStore) -> None:
    vendor_state = FakeLedger()
    live(store, vendor_state, "scheduled__1")
    before = names(store)
    trial(store, "scheduled__1")
    keep(store, vendor_state)
    assert before <= names(store)
    assert not {name for name in names(store) if "scratch" in name or "shadow" in name or "trial" in name}


def test_data_of_an_open_order_is_kept_under_any_mark(store: BatchStore) -> None:
    trial(store, "scheduled__1")
    payloads = f"{NAME}/runs/scheduled__1/payloads-00.jsonl.gz"
    vendor_state = FakeLedger()
    vendor_state.wanted.payloads[payloads].add(0)
    vendor_state.wanted.raw["scheduled__1-0123abcd"][0].add(0)
    keep(store, vendor_state)
    left = names(store)
    assert payloads in left
    assert any("/batches/scheduled__1-0123abcd/part-" in name for name in left)


def test_killed_anywhere_the_next_run_removes_the_remainder(store: BatchStore) -> None:
    for place in count():
        trial(store, "scheduled__1")
        if not killed_at(place, partial(keep, store, FakeLedger())):
            break
        keep(store, FakeLedger())
        assert names(store) == set(), f"killed at {place}"
    assert place >= 5


def test_a_dry_run_lists_what_would_be_removed(store: BatchStore) -> None:
    trial(store, "scheduled__1")
    before = names(store)
    listed = keep(store, FakeLedger(), dry_run=True, archive_days=1, runs_days=1)
    assert names(store) == before
    assert listed == keep(store, FakeLedger(), archive_days=1, runs_days=1)


def test_the_cost_does_not_grow_with_the_history_of_a_live_pipeline(tmp_path: Path) -> None:
    def cost(real_runs: int) -> int:
        store, vendor_state = Counted((tmp_path / str(real_runs)).as_uri()), FakeLedger()
        for number in range(real_runs):
            live(store, vendor_state, f"scheduled__{number}")
        trial(store, "manual__1")
        Counted.asked = 0
        assert keep(store, vendor_state).trials
        return Counted.asked

    assert cost(2) == cost(40)
