"""Ledger and sandbox compared, after somebody meddled with one of them, and by searches that lie."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from order_relay.airflow.installation import Installation
from order_relay.cli import app as app_module
from order_relay.pipeline.lookup.diff import DiscrepancyKind, ReconciliationReport
from order_relay.pipeline.lookup.reconcile import reconcile
from order_relay_sandbox import ThreadedSandbox, serve_in_thread
from tests.support.engine import Engine
from tests.support.faults.case import Case

ORDERS = 6
Call = Callable[..., Any]


@dataclass
class Company:
    """A pipeline that imported a few orders."""

    engine: Engine
    sandbox: ThreadedSandbox
    case: Case

    def meddle(self, statement: str) -> None:
        """Change the ledger past the package's own code."""
        with self.engine.ledger.database.engine.begin() as conn:
            conn.execute(sa.text(statement))

    def rows(self) -> list[Any]:
        with self.engine.ledger.database.engine.connect() as conn:
            query = "SELECT destination_key, oms_id FROM submission WHERE state = 'imported' ORDER BY id"
            return list(conn.execute(sa.text(query)))

    def post(self, like: str, key: str) -> None:
        """Somebody imports an order like this one under ``key``."""
        body = self.sandbox.bodies(like)[0] | {"externalOrderID": key}

        async def send() -> None:
            async with self.engine.wiring.destination.session(1) as session:
                answer = await session.send(json.dumps(body).encode(), key, not_after=1e12)
                assert answer.oms_id

        asyncio.run(send())

    def compare(self) -> ReconciliationReport:
        wiring = self.engine.fresh_wiring()

        async def ask() -> ReconciliationReport:
            async with wiring.destination.session(1) as session:
                soon = datetime.now(UTC) + timedelta(seconds=30)  # everything is visible by then
                return await reconcile(wiring.name, self.engine.ledger, session, wiring.destination, days=7, now=soon)

        return asyncio.run(ask())


@pytest.fixture
def company(case: Case, tmp_path: Path) -> Iterator[Callable[..., Company]]:
    made: list[Any] = []

    def make(extra: dict[str, Any] | None = None, **switches: Any) -> Company:
        switches = {**case.harsh, "date_means": "imported", **switches}
        vendors = case.at_destination(**switches)
        context = serve_in_thread(vendors, case.plain(ORDERS), sources=[case.source_side])
        sandbox = context.__enter__()
        options = {"visible_after_s": 0.0, "timeout_s": 10.0, **(extra or {})}
        engine = Engine(tmp_path, case.connect(sandbox.url, **options), pipeline=case.pipeline)
        made.append((context, engine))
        engine.run("first")
        return Company(engine, sandbox, case)

    yield make
    for context, engine in made:
        engine.wiring.close()
        context.__exit__(None, None, None)


SEARCHES = [
    pytest.param({}, {}, id="by external id"),
    pytest.param({"search_by": "window"}, {}, id="by window"),
    pytest.param({}, {"search_external_id": "error"}, id="window after a refusal"),
    pytest.param({}, {"search_external_id": "ignored"}, id="window after an ignored parameter"),
]


def found(report: ReconciliationReport) -> dict[DiscrepancyKind, list[str]]:
    return {kind: [one.key for one in report.of(kind)] for kind in DiscrepancyKind if report.of(kind)}


@pytest.mark.parametrize(("extra", "switches"), SEARCHES)
def test_all_is_well(company: Call, extra: dict[str, Any], switches: dict[str, Any]) -> None:
    report = company(extra, **switches).compare()
    assert (report.differences, report.imported, report.seen) == ([], ORDERS, ORDERS)
    assert (report.unsure, report.unread, report.remarks) == ({}, [], [])


@pytest.mark.parametrize(("extra", "switches"), SEARCHES)
def test_each_difference(company: Call, extra: dict[str, Any], switches: dict[str, Any]) -> None:
    here = company(extra, **switches)
    keys = [key for key, _ in here.rows()]
    here.post(keys[0], keys[0])
    here.post(keys[1], "SOMEBODY-1")
    here.meddle(f"UPDATE submission SET destination_key = 'GONE-2' WHERE destination_key = '{keys[2]}'")
    here.meddle(f"UPDATE submission SET oms_id = '5' WHERE destination_key = '{keys[3]}'")
    here.meddle(f"UPDATE submission SET state = 'rejected', oms_id = NULL WHERE destination_key = '{keys[4]}'")
    before = here.rows()
    report = here.compare()
    assert found(report) == {
        DiscrepancyKind.DOUBLED: [keys[0]],
        DiscrepancyKind.UNKNOWN: sorted([keys[2], "SOMEBODY-1"]),
        DiscrepancyKind.MISSING: ["GONE-2"],
        DiscrepancyKind.OTHER_ID: [keys[3]],
        DiscrepancyKind.NOT_IMPORTED: [keys[4]],
    }
    assert here.rows() == before, "nothing is repaired"


def test_the_newest_order_missing_hides_no_other_one(company: Call) -> None:
    """It would be the positive control of every search."""
    here = company()
    keys = [key for key, _ in here.rows()]
    ends = f"('{keys[0]}', '{keys[-1]}')"
    here.meddle(f"UPDATE submission SET destination_key = 'GONE-' || id WHERE destination_key IN {ends}")
    assert len(here.compare().of(DiscrepancyKind.MISSING)) == 2


@pytest.mark.parametrize(
    ("extra", "switches"),
    [
        pytest.param({}, {"rows_carry_external_id": False, "order_carries_external_id": False}, id="no external ids"),
        pytest.param({}, {"faults": [{"at": "search", "effect": "none", "answer": 503}]}, id="fails"),
        pytest.param({}, {"visible_after_s": 600.0}, id="shows nothing yet"),
        pytest.param({"search_by": "external_id"}, {"search_external_id": "error"}, id="no such search"),
    ],
)
def test_an_unreliable_search(company: Call, extra: dict[str, Any], switches: dict[str, Any]) -> None:
    here = company(extra, **switches)
    here.meddle("UPDATE submission SET destination_key = 'GONE' WHERE id = (SELECT min(id) FROM submission)")
    report = here.compare()
    assert report.of(DiscrepancyKind.MISSING) == []
    assert report.unsure.total() + len(report.unread) >= 1, report.counts


def test_no_search_at_all(company: Call) -> None:
    report = company({"search_by": "none"}).compare()
    assert report.differences == []
    assert "nothing was compared" in report.remarks[0]


def test_by_command(company: Call, command_line: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    here = company()
    monkeypatch.setattr(Installation, "ledger_url", here.engine.ledger_url)
    monkeypatch.setattr(Installation, "store_url", here.engine.wiring.store_url)
    monkeypatch.setattr(Installation, "connection", lambda self, conn_id: here.engine.connections[conn_id])
    arguments = ["reconcile", "--pipeline", here.engine.pipeline]
    assert command_line.invoke(app_module.app, arguments).exit_code == 0
    here.post(here.rows()[0][0], "SOMEBODY-1")
    result = command_line.invoke(app_module.app, [*arguments, "--json"])
    assert result.exit_code == 1
    report = json.loads(result.stdout)["pipelines"][0]
    assert [one["key"] for one in report["differences"]] == ["SOMEBODY-1"]
    assert "SOMEBODY-1" in here.engine.wiring.store.read_text(report["report"])
