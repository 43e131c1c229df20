"""The pipelines of the past: their runs, parcels, statuses and alerts, each as its DAG makes them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from order_relay.connections import Connection
from order_relay.ledger import Ledger, migrate
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.store.database import sqlite_url
from order_relay.orders.fulfilment.shipment_progress import OrderedLine, Shipment, ShippedLine
from order_relay.orders.messages import RunContext
from order_relay.pipeline.alerts import rules
from order_relay.pipeline.alerts.kinds import PIPELINE_KINDS
from order_relay.pipeline.archive import OrderArchive
from order_relay.pipeline.fulfilment import status_poll
from order_relay.pipeline.fulfilment.status_poll import StatusIntake
from order_relay.pipeline.fulfilment.write_back import WriteBackContext, send_write_back
from order_relay.pipeline.report.report import write_report
from order_relay.pipeline.run import PipelineRun, run_once
from order_relay.pipeline.settings.pipeline import load_pipeline
from order_relay.pipeline.settings.status_account import load_status
from order_relay.wiring.pipeline import Wiring
from order_relay.wiring.statuses import StatusWiring
from order_relay.wiring.transformation import canonical_reader
from order_relay_sandbox.serving import ThreadedSandbox

SUPERCAT, CLOUDSUITE, STATUSES = "supercat_to_shopatron", "cloudsuite_to_shopatron", "acommerce_status"
CARRIERS = (("UPS", "1Z999AA1"), ("FedEx", "7489"), ("DHL", "JD0146"))
_STEPS = (("detailed", "READY_TO_SHIP"), ("parcel", "IN_TRANSIT"), ("parcel", "DELIVERED"), ("order", "COMPLETED"))


@dataclass(frozen=True)
class Imported:
    """An imported order."""

    id: int
    pipeline: str
    order_number: str
    destination_key: str
    imported_at: datetime


class Pipelines:
    """The engine of one installation. Close it, or use it in a ``with`` block."""

    def __init__(self, home: Path, vendors: ThreadedSandbox, seed: int) -> None:
        folder = home / "order_relay"
        folder.mkdir(parents=True, exist_ok=True)
        url, self._store = sqlite_url(folder / "ledger.sqlite"), (folder / "batches").as_uri()
        migrate(url)
        self._ledger_url, self._vendors = url, vendors
        self._connections = {
            f"{name}_default": Connection(f"{name}_default", **fields) for name, fields in vendors.connections().items()
        }
        self._random = random.Random(f"parcels:{seed}")
        self._open = ExitStack()
        self.wirings = {name: self._opened(name) for name in (SUPERCAT, CLOUDSUITE)}

    def __enter__(self) -> Pipelines:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _opened(self, name: str) -> Wiring:
        wiring = Wiring.for_pipeline(name, self._connections.__getitem__, self._ledger_url, self._store)
        self._open.callback(wiring.close)
        wiring.check()
        return wiring

    @property
    def ledger(self) -> Ledger:
        """The ledger of both pipelines."""
        return self.wirings[SUPERCAT].ledger

    @cached_property
    def archive(self) -> OrderArchive:
        """The raw orders of both pipelines."""
        return OrderArchive(self.wirings[SUPERCAT].store, cache(lambda name: canonical_reader(load_pipeline(name))))

    def run(self, name: str, now: datetime) -> None:
        """One scheduled run, with its report."""
        wiring, ctx = self.wirings[name], _run(name, now)
        done = run_once(PipelineRun(ctx, wiring, wiring.ledger))
        batch = done.batch.batch_id if done.batch.kind == "batch" and done.batch.name else None
        report = write_report(ctx, wiring.ledger, wiring.store, batch_id=batch, failed_tasks=done.failed)
        wiring.ledger.runs.end(ctx, report.facts)
        if report.breaches:
            raise AssertionError(f"{ctx.run}: {report.breaches}")

    def alert(self, now: datetime) -> None:
        """Raise the alerts that the DAG ``watch`` would raise, and deliver those that are due."""
        for name, wiring in self.wirings.items():
            ledger, settings = wiring.ledger, wiring.settings
            facts = rules.PipelineFacts(
                pipeline=name,
                now=now,
                pulse=ledger.health.heartbeat(name),
                late=ledger.health.overdue(name, rules.state_limits(settings)),
                tasks=ledger.write_back_tasks.pending(name),
                quarantined=ledger.accounting.counts(name)["states"][State.QUARANTINED],
            )
            ledger.alerts.record(name, rules.check_pipeline(facts, settings), PIPELINE_KINDS)
        for note in self.ledger.alerts.claim_due():
            self.ledger.alerts.mark_delivered(note)

    def ship(self, since: datetime, until: datetime, now: datetime) -> None:
        """Report parcels of most orders that were imported in this time; of a few only a part of the order."""
        imported = [order for order in self._imported(since, until) if self._random.random() < 0.9]  # the others wait
        contents = self.archive.read(self.ledger.worklist.get([order.id for order in imported]))
        for order in imported:
            ordered = contents[order.id].ordered()
            self.ledger.shipments.record(
                RunContext(order.pipeline, "", "shiprush"), self._parcel(order, ordered or [], now), ordered
            )

    def _parcel(self, order: Imported, ordered: Sequence[OrderedLine], packed: datetime) -> Shipment:
        carrier, prefix = self._random.choice(CARRIERS)
        tracking = f"{prefix}{self._random.randrange(10**8):08d}"
        lines: tuple[ShippedLine, ...] = ()
        if len(ordered) > 1 and self._random.random() < 0.12:
            lines = tuple(ShippedLine(line.quantity, line.line, line.item_number) for line in ordered[:-1])
        return Shipment(
            "shiprush",
            f"{order.order_number}:{tracking}",
            (order.order_number,),
            carrier,
            "Ground",
            tracking,
            packed - timedelta(minutes=self._random.randrange(10, 300)),
            lines=lines,
            submission_id=order.id,
        )

    def report_statuses(self, since: datetime, until: datetime, step: int) -> None:
        """Let the fulfilment service report the ``step``-th status of some orders that were imported in this time."""
        level, status = _STEPS[step]
        changes = [
            {"add": {"order_id": order.order_number, "level": level, "status": status, **_parcel(order, level)}}
            for order in self._imported(since, until)
            if order.id % 3
        ]
        if changes:
            self._vendors.happen(*changes)

    def poll_statuses(self, now: datetime) -> None:
        """Read the changed statuses and match them to orders. Parcels are reported by the shipping software here."""
        settings = load_status(STATUSES)
        with StatusWiring(settings, self._connections.__getitem__, self._ledger_url, self._store) as wiring:
            intake = StatusIntake(
                RunContext(STATUSES, _run(STATUSES, now).run, "statuses"), wiring.ledger, wiring.reader
            )
            status_poll.poll_changes(intake, wiring.source, settings.poll, now)
            wiring.ledger.statuses.match(STATUSES, wiring.ours, settings.by_id.overdue_after_s, 0.0)

    def write_back(self, now: datetime) -> None:
        """Report OMS ids, lines and shipments to the web shops."""
        wiring = self.wirings[CLOUDSUITE]
        settings = wiring.settings
        parts = WriteBackContext(
            wiring.write_back_source,
            wiring.ledger,
            self.archive,
            wiring.source_connection.fingerprint(),
            settings.feedback.parallel,
            settings.acknowledge.given_up_s,
            settings.feedback.most_refusals,
        )
        send_write_back(RunContext(CLOUDSUITE, _run("cloudsuite_feedback", now).run, "feedback"), parts)

    def _imported(self, since: datetime, until: datetime) -> list[Imported]:
        columns = [submission.c[name] for name in Imported.__dataclass_fields__]
        query = (
            sa.select(*columns)
            .where(submission.c.state == State.IMPORTED, submission.c.imported_at.between(since, until))
            .order_by(submission.c.id)
        )
        return self.ledger.database.read(lambda tx: [Imported(*row) for row in tx.run(query)])


def run_id(now: datetime, kind: str = "scheduled") -> str:
    """The id of a run in Airflow."""
    return f"{kind}__{now.replace(second=0, microsecond=0).isoformat()}"


def _run(name: str, now: datetime) -> RunContext:
    return RunContext(name, run_id(now).replace(":", "-"))


def _parcel(order: Imported, level: str) -> Mapping[str, Any]:
    return {"parcel": f"PKG{order.id:06d}"} if level == "parcel" else {}
