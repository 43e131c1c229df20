"""Orders of the past: from a web shop whose orders are done, begun or cancelled, slice by slice to the OMS."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from order_relay.airflow.installation import Installation
from order_relay.cli import app as app_module
from order_relay.errors import ConfigurationError, TransientError
from order_relay.ledger.delivery.history_imports import LEASE, HistoryProgress, HistoryRange
from order_relay.orders.messages import RunContext, Selection, SourceOrder
from order_relay.pipeline.history.importer import HistoryImporter, check_history
from order_relay.pipeline.history.progress import progress_report
from order_relay.pipeline.history.slices import days_of
from order_relay.pipeline.load.stage import LoadOptions
from order_relay.pipeline.run import PipelineRun
from order_relay.pipeline.runs.start import start_run
from order_relay_contract.trial import PipelineTrial, pipeline_trial, plain_orders

PIPELINE = "cloudsuite_to_shopatron"
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
RANGE = HistoryRange(TODAY - timedelta(days=4), TODAY - timedelta(days=1))
STATES = ("done", "processing", "cancel")


@dataclass
class Past:
    """The web shop's past, and imports of it."""

    trial: PipelineTrial
    runs: int = 0

    def importer(self, run: str = "", *, again: bool = False, **options: Any) -> HistoryImporter:
        self.runs += 1
        wiring = self.trial.wiring
        ctx = RunContext(PIPELINE, run or f"history-{self.runs}")
        start_run(ctx, wiring.ledger, wiring.store, (wiring.source.account, wiring.destination.account), "history")
        slices = list(days_of(RANGE, datetime.now(UTC)))
        number = wiring.ledger.history_imports.begin(ctx, RANGE, slices, again=again)
        stages = PipelineRun(ctx, wiring, wiring.ledger)
        return HistoryImporter(stages, number, LoadOptions(wiring.settings.load, **options))

    def progress(self, importer: HistoryImporter) -> HistoryProgress:
        return self.trial.wiring.ledger.history_imports.progress(importer.number)

    def statuses(self) -> list[str]:
        return sorted(payload["orderStatus"] for payload in self.payloads())

    def payloads(self) -> list[dict[str, Any]]:
        """What the OMS holds; the sandbox expects confirmed orders only."""
        audit = self.trial.audit()
        return [body for key in (*audit["imported"], *audit["unexpected"]) for body in self.trial.sandbox.bodies(key)]

    @property
    def sent(self) -> int:
        return len(self.payloads())


def past_orders(count: int) -> list[dict[str, Any]]:
    """Orders of three days, in turn done, begun and cancelled."""
    return [
        {
            **order,
            "state": STATES[number % 3],
            "confirm_date": (TODAY - timedelta(days=4 - number % 3, hours=-1)).isoformat(),
        }
        for number, order in enumerate(plain_orders("cloudsuite", count))
    ]


def prepare(trial: PipelineTrial) -> None:
    """Shipped orders have a location, and the shop's time zone is known."""
    settings = trial.wiring.settings
    transform = {**settings.transform, "assigned_location": "7", "use_inventory": False}
    source = settings.source.model_copy(update={"options": {"time_zone": "UTC"}})
    trial.wiring.settings = settings.model_copy(update={"transform": transform, "source": source})


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    with pipeline_trial(PIPELINE, tmp_path, past_orders(6)) as trial:
        prepare(trial)
        yield Past(trial)


def test_every_order_is_imported_with_its_status_and_nobody_is_told(past: Past) -> None:
    importer = past.importer()
    assert importer.import_all() is False
    assert past.statuses() == ["CANCELLED"] * 2 + ["READY"] * 2 + ["SHIPPED"] * 2
    assert not any(payload["sendEmail"] for payload in past.payloads())
    assert all(payload["importedCreationDate"] < TODAY.isoformat() for payload in past.payloads())
    progress = past.progress(importer)
    assert (progress.slices, progress.done, progress.counts) == (3, 3, {"imported": 6})
    past.trial.run()
    assert past.trial.audit()["acknowledged"] == [], "an ordinary run acknowledges none of them"
    assert past.trial.wiring.ledger.feedback.due(PIPELINE, "oms_number", 10) == [], "nothing is written back"
    assert past.trial.wiring.ledger.cancellations.unsettled(PIPELINE) == [], "cancelled before it was sent: no task"


def test_a_range_that_is_done_is_skipped_and_read_again_without_a_second_import(past: Past) -> None:
    past.importer().import_all()
    repeated = past.importer()
    assert past.trial.wiring.ledger.history_imports.unfinished(repeated.number) == []
    again = past.importer(again=True)
    assert again.number != repeated.number
    again.import_all()
    assert past.progress(again).counts == {"imported_before": 6}
    assert past.sent == 6


def test_a_broken_off_import_continues_at_its_slice(past: Past) -> None:
    stopping = past.importer(stop=lambda: past.sent >= 2, stop_every_s=0.01)
    with pytest.raises(TransientError, match="order_relay_stop"):
        stopping.import_all()
    assert past.progress(stopping).done == 1
    assert past.sent == 2
    other = past.importer()
    assert other.number == stopping.number
    assert other.import_all() is False
    assert past.progress(other).counts == {"imported": 6}
    assert past.sent == 6


def watch_reads(importer: HistoryImporter, monkeypatch: pytest.MonkeyPatch, then: Callable[[int], None]) -> None:
    """Call ``then`` with the number of each slice before it is read."""
    source = importer.run.wiring.source
    read, days = source.fetch, itertools.count()

    def fetch(selection: Selection) -> Iterator[SourceOrder]:
        then(next(days))
        return iter(list(read(selection)))

    monkeypatch.setattr(source, "fetch", fetch)


def test_the_next_slice_is_read_while_one_is_sent(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    second = threading.Event()

    def sending_waits_for_the_second_slice() -> bool:
        return not second.wait(30)

    importer = past.importer(stop=sending_waits_for_the_second_slice, stop_answer_s=60)
    watch_reads(importer, monkeypatch, lambda day: second.set() if day == 1 else None)
    assert importer.import_all() is False
    assert past.progress(importer).counts == {"imported": 6}


def test_the_slice_that_is_being_sent_is_settled_when_the_next_one_cannot_be_read(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(day: int) -> None:
        if day == 1:
            raise TransientError("the shop is down")

    importer = past.importer()
    watch_reads(importer, monkeypatch, refuse)
    with pytest.raises(TransientError, match="the shop is down"):
        importer.import_all()
    states = past.progress(importer).counts
    assert set(states) <= {"imported", "ready"}, "nothing is left in doubt"
    same = past.importer(importer.run.ctx.run)
    assert same.import_all() is False
    assert past.progress(same).counts == {"imported": 6}
    assert past.sent == 6


def test_what_is_left_to_send_when_all_slices_are_done_is_sent_by_the_next_import(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(HistoryImporter, "_load", lambda importer, options: None)
        first = past.importer()
        assert first.import_all() is False
    assert past.progress(first).counts == {"ready": 6}
    assert "6 orders are not sent yet" in progress_report(past.progress(first), trial=False)
    past.importer().import_all()
    assert past.progress(first).counts == {"imported": 6}


def test_a_limit_ends_the_import_between_two_slices(past: Past) -> None:
    importer = past.importer()
    assert importer.import_all(limit=1) is True
    assert (past.progress(importer).done, past.sent) == (1, 2)


def test_an_order_of_an_ordinary_run_is_not_imported_again(tmp_path: Path) -> None:
    order = {**plain_orders("cloudsuite")[0], "confirm_date": (TODAY - timedelta(days=2)).isoformat()}
    with pipeline_trial(PIPELINE, tmp_path, [order]) as trial:
        prepare(trial)
        trial.run()
        importer = Past(trial).importer()  # it is `processing` in the shop now
        importer.import_all()
        assert trial.wiring.ledger.history_imports.progress(importer.number).counts == {"imported_before": 1}
        assert list(trial.audit()["imported"].values()) == [1]


def test_a_source_without_a_rule_for_the_status_is_refused(past: Past) -> None:
    wiring = past.trial.wiring
    overrides = {"source": {"order": [{"target": "fulfilment_status", "drop": True}]}}
    mapping = wiring.settings.mapping.model_copy(update=overrides)
    wiring.settings = wiring.settings.model_copy(update={"mapping": mapping})
    with pytest.raises(ConfigurationError, match="fulfilment_status"):
        check_history(wiring.source, wiring.build_transformer(), RANGE)


def test_a_slice_is_taken_over_when_its_lease_has_ended(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    dead, other = past.importer(), past.importer()
    imports = past.trial.wiring.ledger.history_imports
    first = imports.claim(dead.run.ctx, dead.number)
    assert first is not None
    second = imports.claim(other.run.ctx, other.number)
    assert second is not None
    assert second.number == 1
    monkeypatch.setattr("order_relay.ledger.delivery.history_imports.LEASE", -LEASE)
    imports.renew(dead.run.ctx, dead.number, first.number)
    taken = imports.claim(other.run.ctx, other.number)
    assert taken is not None
    assert (taken.number, taken.tries) == (0, 2)
    assert taken.owner == other.run.ctx.run


def test_the_archive_of_a_source_without_dates_is_evaluated_again_by_the_present_mapping(tmp_path: Path) -> None:
    name = "supercat_to_shopatron"
    with pipeline_trial(name, tmp_path, plain_orders("supercat", 2)) as trial:
        wiring = trial.wiring
        good, rule = wiring.settings, {"target": "fulfilment_status", "value": "CANCELLED"}
        refused = {"source": {"order": [{**rule, "value": "RETURNED"}]}}
        wiring.settings = good.model_copy(update={"mapping": good.mapping.model_copy(update=refused)})
        trial.run()
        assert wiring.ledger.accounting.counts(name)["states"]["quarantined"] == 2
        mapping = good.mapping.model_copy(update={"source": {"order": [rule]}})
        wiring.settings = good.model_copy(update={"mapping": mapping})
        wiring._built.clear()
        what = HistoryRange(TODAY, TODAY + timedelta(days=1))
        ctx = RunContext(name, "history-1")
        number = wiring.ledger.history_imports.begin(ctx, what, list(days_of(what, datetime.now(UTC))), again=False)
        importer = HistoryImporter(PipelineRun(ctx, wiring, wiring.ledger), number, LoadOptions(wiring.settings.load))
        assert importer.import_all() is False
        assert wiring.ledger.history_imports.progress(number).counts == {"imported": 2}
        assert {payload["orderStatus"] for payload in trial.payloads()} == {"CANCELLED"}
        assert len(trial.audit()["acknowledged"]) == 2, "the source offers them until then"


def test_the_command_shows_how_far_each_import_got(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Installation, "ledger_url", past.trial.wiring.ledger_url)
    past.importer().import_all(limit=1)
    shown = CliRunner().invoke(app_module.app, ["history"]).stdout
    assert f"{RANGE.start:%Y-%m-%d} to {TODAY - timedelta(days=2):%Y-%m-%d}" in shown
    assert "1 of 3 slices done; run history-1" in shown
    assert "2 orders: 2 imported" in shown
    [one] = json.loads(CliRunner().invoke(app_module.app, ["history", "--json"]).stdout)["imports"]
    assert (one["done"], one["counts"]) == (1, {"imported": 2})
