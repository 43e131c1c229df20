"""Retention with orders in many states: open orders stay complete, counts are unchanged, a kill is harmless."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from order_relay.airflow.installation import Installation
from order_relay.batches import BatchStore
from order_relay.cli import app as app_module
from order_relay.errors import ValidationIssue
from order_relay.ledger.reporting.retention import REMOVED_BODY
from order_relay.orders.messages import RunContext
from order_relay.pipeline.archive import REMOVED, OrderArchive, read_documents
from order_relay.pipeline.operators.replay import evaluate_archived
from order_relay.pipeline.report.report import write_report
from order_relay.pipeline.retention.order_data import RetentionReport, apply_retention
from order_relay.pipeline.settings.sections import RetentionSettings
from order_relay.pipeline.stages.extract import replay_archived
from order_relay_sandbox import serve_in_thread
from tests.support.engine import Engine
from tests.support.failpoints import killed_at
from tests.support.faults.case import Case
from tests.support.faults.cases import CASES

ALL = RetentionSettings(archive_days=30, runs_days=30, ledger_days=30)
NOTHING = RetentionSettings()
LATER = datetime.now(UTC) + timedelta(days=100)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def company(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Engine]]:
    """A company after two runs; the function creates its engine in a folder."""
    case: Case = request.param
    home, orders = tmp_path_factory.mktemp("company"), [*(order for order, _ in case.examples()), *case.plain(1)]

    def engine_in(folder: Path) -> Engine:
        return Engine(folder, case.connect(vendors.url), pipeline=case.pipeline, settings=case.settings)

    with serve_in_thread(case.at_destination(**case.harsh), orders, sources=[case.source_side]) as vendors:
        made = engine_in(home)
        made.run("first")
        vendors.offer([case.changed(orders[-1])])  # is held
        made.run("second")  # acknowledges what the first could not yet
        made.wiring.close()

        def copied(folder: Path) -> Engine:
            shutil.copytree(home, folder, dirs_exist_ok=True)
            return engine_in(folder)

        yield copied


@pytest.fixture
def engine(company: Callable[..., Engine], tmp_path: Path) -> Iterator[Engine]:
    made = company(tmp_path)
    yield made
    made.wiring.close()


def ids(engine: Engine, where: str) -> list[int]:
    with engine.ledger.database.engine.connect() as conn:
        return list(conn.execute(sa.text(f"SELECT id FROM submission WHERE {where} ORDER BY id")).scalars())


OPEN = "state NOT IN ('imported', 'superseded', 'discarded')"
DONE = "state = 'imported' AND ack = 'confirmed'"


def keep(engine: Engine, settings: RetentionSettings = ALL, *, dry_run: bool = False) -> RetentionReport:
    return apply_retention(
        engine.pipeline, engine.ledger.retention, engine.wiring.store, settings, now=LATER, dry_run=dry_run
    )


def raw(engine: Engine, wanted: list[int]) -> dict[int, Any]:
    works = engine.ledger.worklist.get(wanted)
    found = read_documents(engine.wiring.store, engine.pipeline, works)
    return {work.id: document for slice_ in found for work, document in slice_}


def breaches(engine: Engine) -> list[str]:
    return write_report(RunContext(engine.pipeline, "audit"), engine.ledger, engine.wiring.store, full=True).breaches


def files(engine: Engine) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in (engine.folder / "batches").rglob("*") if path.is_file()}


def test_by_default_nothing_is_removed(engine: Engine) -> None:
    before = files(engine)
    assert keep(engine, NOTHING).counts == dict.fromkeys(keep(engine, NOTHING).counts, 0)
    assert files(engine) == before


def test_a_dry_run_lists_and_removes_nothing(engine: Engine) -> None:
    before = files(engine)
    listed = keep(engine, dry_run=True)
    assert files(engine) == before
    assert listed == keep(engine), "what is listed is what is removed"
    assert listed.batches
    assert listed.run_objects
    assert listed.submissions
    again = keep(engine)
    assert (again.batches, again.run_objects, again.submissions) == ([], [], 0)


def test_open_orders_stay_whole_and_the_count_holds(engine: Engine) -> None:
    open_ones, done = ids(engine, OPEN), ids(engine, DONE)
    assert open_ones
    assert done
    before, states = raw(engine, open_ones), engine.states()
    keep(engine)
    assert raw(engine, open_ones) == before
    assert REMOVED not in before.values()
    removed = [number for number, document in raw(engine, done).items() if document is REMOVED]
    kept_for_review = {number for number in done if number not in removed}
    assert removed
    assert len(kept_for_review) < len(done)
    assert breaches(engine) == []
    engine.run("third")
    assert engine.states() == states
    assert breaches(engine) == []


def test_killed_anywhere_and_done_again(engine: Engine) -> None:
    open_ones = ids(engine, OPEN)
    before = raw(engine, open_ones)
    for place in itertools.count():
        if not killed_at(place, partial(keep, engine)):
            break
        assert raw(engine, open_ones) == before
        assert engine.ledger.accounting.invariant_violations() == []
    assert place >= 5
    assert breaches(engine) == []
    assert keep(engine).submissions == 0


def test_an_order_without_its_raw_text_is_quarantined_with_a_reason(engine: Engine) -> None:
    """As after a restored ledger that is older than what was removed; a run is not stopped by it."""
    number = ids(engine, DONE)[0]
    keep(engine)
    wiring, works = engine.wiring, engine.ledger.worklist.get([number])
    found = evaluate_archived(
        wiring.store, wiring.name, works, source=wiring.transformer.source, transformer=wiring.transformer
    )
    archive = OrderArchive(engine.wiring.store, lambda _: engine.wiring.transformer.reader)
    assert "removed by retention" in archive.read(engine.ledger.worklist.get([number]))[number].problem
    assert [(work.id, [r.code for r in why]) for work, why in found.refused] == [(number, ["archive_removed"])]
    assert isinstance(found.refused[0][1][0], ValidationIssue)


def test_a_backfill_reports_removed_data(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    keep(engine)
    ctx = RunContext(engine.pipeline, "first")
    replay_archived(ctx, engine.ledger, engine.wiring.store, LATER - timedelta(days=101), LATER - timedelta(days=99))
    assert "retention removed raw orders" in caplog.text


def test_batches_that_were_never_closed(engine: Engine) -> None:
    store = engine.wiring.store
    left = f"{engine.pipeline}/batches/cut-off/part-00000.jsonl.gz"
    store.write_jsonl(left, [b"{}"])
    unfinished = engine.folder / "batches" / engine.pipeline / "batches" / "cut-off" / ".part-of-part-00001.ab"
    unfinished.write_bytes(b"half")
    now = datetime.now(UTC)
    young = apply_retention(engine.pipeline, engine.ledger.retention, store, NOTHING, now=now)
    assert (young.abandoned, store.exists(left)) == ([], True), "somebody may be at work on it"
    assert len(keep(engine, NOTHING).abandoned) == 2
    assert not store.exists(left)
    assert not unfinished.exists()


@pytest.fixture
def command(engine: Engine, command_line: CliRunner, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setattr(Installation, "ledger_url", engine.ledger_url)
    monkeypatch.setattr(Installation, "store_url", engine.wiring.store_url)
    monkeypatch.setattr(Installation, "store", BatchStore(engine.wiring.store_url))
    return lambda *arguments: json.loads(command_line.invoke(app_module.app, [*arguments, "--json"]).stdout)


def test_the_history_of_an_order_shows_removed_data(engine: Engine, command: Callable[..., Any]) -> None:
    source_id = engine.ids_in("imported")[0]
    before = command("order", source_id, "--payload")["submissions"][0]
    assert before["attempts"][0]["payload"].startswith("{")
    keep(engine)
    after = command("order", source_id, "--payload")["submissions"][0]
    assert after["attempts"][0]["payload"] == "(removed by retention)"
    assert after["attempts"][0]["body"] == REMOVED_BODY
    assert after["events"] == before["events"]


def test_by_command(engine: Engine, command: Callable[..., Any]) -> None:
    result = command("retention", "--dry-run", "--pipeline", engine.pipeline)
    assert result["dry_run"] is True
    assert result["pipelines"][engine.pipeline]["counts"]["batches"] == 0, "the shipped settings remove nothing"
