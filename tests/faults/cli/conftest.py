"""Commands of operators on the ledger and store of an engine whose vendors are the sandbox."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from order_relay.airflow.installation import Installation
from order_relay.batches import BatchStore
from order_relay.cli import app as app_module
from order_relay_sandbox import ThreadedSandbox, serve_in_thread
from tests.support.engine import Engine
from tests.support.faults.case import Case

Run = Callable[..., Any]


@pytest.fixture
def sandbox(case: Case) -> Iterator[ThreadedSandbox]:
    with serve_in_thread(case.at_destination(**case.harsh), case.plain(3), sources=[case.source_side]) as vendors:
        yield vendors


@pytest.fixture
def engine(case: Case, sandbox: ThreadedSandbox, tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path, case.connect(sandbox.url), pipeline=case.pipeline, settings=case.settings)
    yield made
    made.wiring.close()


@pytest.fixture
def command(engine: Engine, command_line: CliRunner, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command with ``--json`` on the engine's ledger, store and connections; its answer."""
    monkeypatch.setattr(Installation, "ledger_url", engine.ledger_url)
    monkeypatch.setattr(Installation, "store_url", engine.wiring.store_url)
    monkeypatch.setattr(Installation, "store", BatchStore(engine.wiring.store_url))
    monkeypatch.setattr(Installation, "connection", lambda self, conn_id: engine.connections[conn_id])

    def run(*arguments: str, code: int = 0) -> Any:
        result = command_line.invoke(app_module.app, [*arguments, "--json"])
        if code == 2:
            return str(result.exception)
        assert result.exit_code == code, (result.output, result.exception)
        return json.loads(result.stdout)

    return run
