"""A pipeline between two stand-ins with a ledger of its own, run without Airflow."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest

from order_relay.errors import OrderRelayError
from order_relay.ledger import migrate
from order_relay.ledger.delivery import lookups
from order_relay.ledger.schema.tables import submission
from order_relay.orders.messages import RunContext
from order_relay.pipeline.report.report import write_report
from order_relay.pipeline.run import PipelineRun, run_once
from order_relay.wiring.pipeline import Wiring
from order_relay_contract.support.pairs import Pair
from order_relay_sandbox import ThreadedSandbox

LONG_AGO = timedelta(days=1)


@dataclass
class PipelineAccount:
    """``fields``: further fields of the destination's connection."""

    pair: Pair
    sandbox: ThreadedSandbox
    folder: Path
    fields: dict[str, Any] = field(default_factory=dict)
    runs: int = 0

    @cached_property
    def wiring(self) -> Wiring:
        """The parts of the pipeline."""
        (self.folder / "ledger.sqlite").write_bytes(_empty_ledger())
        ledger_url = f"sqlite:///{self.folder}/ledger.sqlite"
        connections = self.sandbox.connections()
        connections[self.pair.destination]["extra"].update(self.fields)
        return self.pair.wiring(connections, ledger_url, (self.folder / "batches").as_uri())

    def run(self) -> str:
        """One run; its error, or empty. The accounting check must pass."""
        self.runs += 1
        context, ledger = RunContext(self.pair.pipeline, f"run-{self.runs}"), self.wiring.ledger
        error = ""
        try:
            run_once(PipelineRun(context, self.wiring, ledger))
        except OrderRelayError as raised:
            error = f"{type(raised).__name__}: {raised}"
        assert write_report(context, ledger, self.wiring.store, full=True).breaches == []
        return error

    def let_time_pass(self) -> None:
        """Leases, time-outs and unanswered acknowledgements are over."""
        past = datetime.now(UTC) - LONG_AGO
        with self.wiring.ledger.database.engine.begin() as transaction:
            for column in (submission.c.send_before, submission.c.ack_at):
                change = submission.update().where(column.is_not(None)).values({column.name: past})
                transaction.execute(change)

    def spoil(self, vendor: str, *rules: Mapping[str, Any]) -> None:
        """Spoil these responses of a vendor and no others from now on."""
        self.sandbox.change({vendor: {"spoil": list(rules)}})

    def requests(self, vendor: str) -> dict[str, int]:
        """How often each rule of ``spoil`` applied."""
        found: dict[str, int] = self.sandbox.report()["spoiled"].get(vendor, {})
        return found

    @property
    def audit(self) -> dict[str, Any]:
        """The orders of the source compared with those of the destination."""
        return self.sandbox.pair(self.pair.source, self.pair.destination)

    @property
    def states(self) -> dict[str, int]:
        """Number of orders by state."""
        counted: dict[str, int] = self.wiring.ledger.accounting.counts(self.pair.pipeline)["states"]
        return {state: number for state, number in counted.items() if number}


@cache
def _empty_ledger() -> bytes:
    """A migrated ledger without orders."""
    with tempfile.TemporaryDirectory() as folder:
        migrate(f"sqlite:///{folder}/ledger.sqlite")
        return Path(folder, "ledger.sqlite").read_bytes()


def without_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders in doubt are looked up by the next run."""
    for name in ("FIRST_DELAY", "LONGEST_DELAY"):
        monkeypatch.setattr(lookups, name, timedelta())
