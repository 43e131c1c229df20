"""A whole pipeline between two stand-ins, without Airflow: orders are read, checked, sent and acknowledged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from order_relay.connections import Connection
from order_relay.ledger import migrate
from order_relay.orders.messages import RunContext
from order_relay.pipeline.run import PipelineRun, run_once
from order_relay.pipeline.settings.pipeline import load_pipeline
from order_relay.wiring.pipeline import Wiring
from order_relay_contract.support.sandboxes import stand_in_of
from order_relay_sandbox import ThreadedSandbox, serve_in_thread
from order_relay_sandbox.stand_in import RawOrder


@dataclass
class PipelineTrial:
    """One pipeline between the stand-ins of its vendors. It sends orders, whatever the file's ``mode`` is."""

    sandbox: ThreadedSandbox
    wiring: Wiring
    runs: int = 0

    def run(self) -> None:
        """Run the pipeline once, as its DAG does. Raises ``OrderRelayError`` if a stage fails."""
        self.runs += 1
        ctx = RunContext(self.wiring.name, f"run-{self.runs}")
        run_once(PipelineRun(ctx, self.wiring, self.wiring.ledger))

    def audit(self) -> dict[str, Any]:
        """What the source offered, compared with what the destination holds (the sandbox's README says more)."""
        settings = self.wiring.settings
        return self.sandbox.pair(settings.source.vendor, settings.destination.vendor)

    def payloads(self) -> list[dict[str, Any]]:
        """The orders that the destination holds, as they were sent."""
        return [body for key in sorted(self.audit()["imported"]) for body in self.sandbox.bodies(key)]


@contextmanager
def pipeline_trial(pipeline: str, folder: Path, orders: Sequence[RawOrder] | int = 5) -> Iterator[PipelineTrial]:
    """The pipeline of this name between two stand-ins.

    ``folder`` takes the ledger and the batches. ``orders``: what the source offers, or a number of plain orders.
    """
    settings = load_pipeline(pipeline)
    vendors = {party.connection: party.vendor for party in (settings.source, settings.destination)}
    source, ledger = settings.source.vendor, f"sqlite:///{folder}/ledger.sqlite"
    offered = plain_orders(source, orders) if isinstance(orders, int) else orders
    migrate(ledger)
    with serve_in_thread({}, offered, sources=[source]) as sandbox:
        found = {name: Connection(name, **sandbox.connections()[vendor]) for name, vendor in vendors.items()}
        with Wiring.for_pipeline(pipeline, found.__getitem__, ledger, (folder / "batches").as_uri()) as wiring:
            yield PipelineTrial(sandbox, wiring)


def plain_orders(vendor: str, count: int = 1) -> list[dict[str, Any]]:
    """Orders of a source's stand-in that any pipeline imports, to change and offer."""
    return stand_in_of(vendor).plain(count, 1)
