"""Orders of SuperCat's past: reported by reconciliation, received by a backfill, and only if both are switched on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from order_relay.airflow.jobs import orders as jobs
from order_relay.airflow.jobs.reconcile import alerts_for, write_comparison
from order_relay.batches import Manifest
from order_relay.errors import ConfigurationError, SourceAuthError
from order_relay.orders.messages import RunContext
from order_relay.pipeline.load.stage import LoadOptions
from order_relay.pipeline.run import PipelineRun
from order_relay.wiring.pipeline import Wiring
from order_relay_contract.trial import PipelineTrial, pipeline_trial, plain_orders

PIPELINE = "supercat_to_shopatron"
NOW = datetime.now(UTC)
KNOWN, MISSED = 3, 2
DOWNLOAD = {"download": "stdjson", "download_login": "demo-api", "download_password": "demo-api-password"}


def submitted_yesterday(count: int) -> list[dict[str, Any]]:
    made = plain_orders("supercat", count)
    return [order | {"submitted_at": (NOW - timedelta(hours=20)).isoformat()} for order in made]


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[PipelineTrial]:
    """Three orders are imported; two more were received at SuperCat by somebody else."""
    orders = submitted_yesterday(KNOWN + MISSED)
    with pipeline_trial(PIPELINE, tmp_path, orders[:KNOWN]) as running:
        running.run()
        running.sandbox.offer(orders[KNOWN:])
        source = running.wiring.source
        source.acknowledge([order["order_number"] for order in orders[KNOWN:]])
        yield running


def switched(trial: PipelineTrial, *, extra: Any = DOWNLOAD, **sections: dict[str, Any]) -> Wiring:
    """The trial's wiring with other settings; ``extra``: of the source's connection."""
    wiring = trial.wiring
    changed = {name: getattr(wiring.settings, name).model_copy(update=new) for name, new in sections.items()}
    changed["source"] = wiring.settings.source.model_copy(update={"options": dict(extra)})
    wiring.settings = wiring.settings.model_copy(update=changed)
    return wiring


def backfill(wiring: Wiring, monkeypatch: pytest.MonkeyPatch, run: str = "backfill-1") -> Manifest:
    """The extract task of a backfill of the last two days, then the other stages."""

    @contextmanager
    def opened(*_: Any) -> Iterator[Wiring]:
        yield wiring

    monkeypatch.setattr(jobs, "open_run", opened)
    interval = {"data_interval_start": NOW - timedelta(days=2), "data_interval_end": NOW + timedelta(days=1)}
    dag_run = SimpleNamespace(dag_id=PIPELINE, run_id=run, run_type="backfill", **interval)
    context: Any = {"ti": SimpleNamespace(try_number=1), "dag_run": dag_run, "params": {}}
    batch = Manifest.from_xcom(jobs.extract(PIPELINE, context))
    stages = PipelineRun(RunContext(PIPELINE, run), wiring, wiring.ledger)
    stages.transform(stages.dedupe(stages.validate(batch)))
    for chunk in stages.plan_chunks():
        stages.load(chunk, LoadOptions(wiring.settings.load))
    stages.acknowledge()
    return batch


def requests(trial: PipelineTrial) -> dict[str, Any]:
    found: dict[str, Any] = trial.sandbox.report()["requests"]
    return {route: number for route, number in found.items() if route.endswith("/orders.json")}


def imported(trial: PipelineTrial) -> int:
    return len(trial.audit()["imported"])


def test_without_the_switches_nothing_is_requested(trial: PipelineTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    wiring = switched(trial)  # the connection alone does nothing
    write_comparison(wiring, "reconcile-1")
    backfill(wiring, monkeypatch)
    assert requests(trial) == {}
    assert imported(trial) == KNOWN


@pytest.mark.parametrize("form", ["array", "lines"])
def test_reconciliation_reports_what_was_never_received_and_imports_nothing(trial: PipelineTrial, form: str) -> None:
    trial.sandbox.change({"supercat": {"download_as": form}})
    wiring = switched(trial, reconcile={"source_days": 3})
    report, name = write_comparison(wiring, "reconcile-1")
    assert report.source is not None
    assert (report.source.listed, report.source.unseen, report.source.problem) == (KNOWN + MISSED, MISSED, "")
    assert report.counts["source_unseen"] == MISSED
    text = wiring.store.read_text(name)
    assert all(f"- {number}" in text for number in report.source.numbers)
    (alert,) = [one for one in alerts_for(report, alert_unknown=True) if ":source:" in one.cause]
    assert f"{MISSED} of {KNOWN + MISSED} orders at the source were never received" in alert.subject
    assert imported(trial) == KNOWN


def test_a_backfill_receives_unseen_orders_once_and_leaves_known_ones_alone(
    trial: PipelineTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiring = switched(trial, reading={"backfill_from_source": True})
    before = trial.audit()["acknowledged"]
    assert backfill(wiring, monkeypatch).records == MISSED
    assert imported(trial) == KNOWN + MISSED
    assert backfill(wiring, monkeypatch, "backfill-2").records == 0
    audit = trial.audit()
    assert imported(trial) == KNOWN + MISSED
    assert audit["doubled"] == []
    assert set(before) <= set(audit["acknowledged"])


@pytest.mark.parametrize("section", [{"reconcile": {"source_days": 3}}, {"reading": {"backfill_from_source": True}}])
def test_a_switch_without_the_connections_download_stops_at_once(
    trial: PipelineTrial, monkeypatch: pytest.MonkeyPatch, section: dict[str, Any]
) -> None:
    wiring = switched(trial, extra={}, **section)
    with pytest.raises(ConfigurationError, match="'download' of the connection 'supercat_default'"):
        write_comparison(wiring, "reconcile-1") if "reconcile" in section else backfill(wiring, monkeypatch)


@pytest.mark.parametrize("answer", ["500", "status_error", "truncated"])
def test_a_failing_source_is_reported_and_the_oms_is_compared_anyway(trial: PipelineTrial, answer: str) -> None:
    trial.sandbox.change({"supercat": {"faults": [{"at": "download", "answer": answer}]}})
    report, _ = write_comparison(switched(trial, reconcile={"source_days": 3}), "reconcile-1")
    assert report.source is not None
    assert report.source.problem
    assert report.seen == KNOWN
    assert any("could not be read to the end" in alert.subject for alert in alerts_for(report, alert_unknown=True))


def test_a_refused_login_pauses_a_backfill_and_shows_no_secret(
    trial: PipelineTrial, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wiring = switched(
        trial, extra=DOWNLOAD | {"download_password": "wr0ng-secret"}, reading={"backfill_from_source": True}
    )
    with caplog.at_level(logging.DEBUG), pytest.raises(SourceAuthError) as refused:
        backfill(wiring, monkeypatch)
    assert wiring.ledger.runs.suspended_for(PIPELINE) is not None
    assert "wr0ng" not in str(refused.value) + caplog.text
    with pytest.raises(SourceAuthError):
        backfill(wiring, monkeypatch)
    assert list(requests(trial).values()) == [{"401": 1}], "a rejected login is not tried again"
