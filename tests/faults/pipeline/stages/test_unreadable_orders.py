"""Orders of SuperCat that no reader accepts, among good ones, in a process that dies at any step before it sends."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from order_relay.orders.messages import RunContext
from order_relay.pipeline.report.report import write_report
from order_relay.pipeline.runs import start
from order_relay_sandbox import ThreadedSandbox, serve_in_thread
from tests.support.engine import Engine
from tests.support.failpoints import killed_at
from tests.support.faults.cases import named

CASE = named("supercat-shopatron")
STRIDE = 3
"""Every third failpoint call is tried, and the last ones; neighbours are the two sides of one write."""


def poisoned() -> list[bytes]:
    """One that keeps its identity, and one whose id is contradictory."""
    first, second = (json.dumps(CASE.twin(order, number)).encode() for number, order in enumerate(CASE.plain(2), 1))
    return [first[:-1] + b',"custom":NaN}', second[:-1] + b',"id":7}']


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ThreadedSandbox]:
    with serve_in_thread(CASE.at_destination(**CASE.harsh), CASE.plain(5)[2:], sources=[CASE.source_side]) as made:
        made.offer(poisoned())
        yield made


@pytest.fixture(scope="module")
def engine_in(sandbox: ThreadedSandbox, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Engine]:
    """Makes an engine with a ledger of its own that has not seen any order."""
    home = tmp_path_factory.mktemp("new")
    new = Engine(home, CASE.connect(sandbox.url), pipeline=CASE.pipeline, settings=CASE.settings)
    begin(new, "before")
    new.wiring.close()

    def make() -> Engine:
        folder: Path = tmp_path_factory.mktemp("copy")
        shutil.copytree(home, folder, dirs_exist_ok=True)
        return Engine(folder, CASE.connect(sandbox.url), pipeline=CASE.pipeline, settings=CASE.settings)

    return make


def begin(engine: Engine, run: str) -> RunContext:
    ctx = RunContext(engine.pipeline, run)
    accounts = (engine.wiring.source.account, engine.wiring.destination.account)
    start.start_run(ctx, engine.ledger, engine.wiring.store, accounts)
    return ctx


def prepare(engine: Engine, run: str) -> None:
    """Everything up to the first request that sends an order."""
    ctx = begin(engine, run)
    list(engine.prepare(ctx, engine.extract(ctx), None))


def lives(engine: Engine) -> dict[str, tuple[str, list[str]]]:
    """State and events of what is quarantined."""
    found: dict[str, tuple[str, list[str]]] = {}
    for source_id in {row["source_id"] for row in engine.ledger.queries.quarantined()}:
        [life] = engine.ledger.queries.find(source_id)
        found[source_id] = (life["state"], [event["to_state"] for event in life["events"]])
    return found


def check(engine: Engine, where: Any) -> None:
    found = lives(engine)
    assert len(found) == 2, where
    assert sum(source_id.startswith("sha256:") for source_id in found) == 1, where
    assert set(map(str, found.values())) == {"('quarantined', ['received', 'quarantined'])"}, where
    assert engine.ledger.accounting.invariant_violations() == [], where


def test_killed_anywhere_each_is_set_aside_once_and_the_others_are_ready(engine_in: Callable[[], Engine]) -> None:
    for place in itertools.count(0, STRIDE):
        engine = engine_in()
        killed = killed_at(place, lambda engine=engine: prepare(engine, "first"))  # type: ignore[misc]
        prepare(engine, "second")
        check(engine, place)
        assert len(engine.ids_in("ready")) == 3, place
        engine.wiring.close()
        if not killed:
            break
    assert place >= 5 * STRIDE


def test_the_good_ones_are_imported_and_the_poisoned_ones_never_acknowledged(
    engine_in: Callable[[], Engine], sandbox: ThreadedSandbox
) -> None:
    engine = engine_in()
    for run in ("first", "second"):
        engine.run(run)
        check(engine, run)
    audit = sandbox.report()
    assert (audit["imported"], audit["doubled"], audit["acknowledged_early"]) == (3, [], [])
    assert len(audit["acknowledged"]) == 3
    report = write_report(RunContext(engine.pipeline, "audit"), engine.ledger, engine.wiring.store, full=True)
    assert report.breaches == []
    engine.wiring.close()
