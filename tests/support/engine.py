"""One firm's engine without Airflow: the stages in their order, on a ledger and a batch store of its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from order_relay.batches import Manifest
from order_relay.connections import Connection
from order_relay.errors import OrderRelayError
from order_relay.ledger import Ledger, migrate
from order_relay.orders.messages import RunContext
from order_relay.pipeline.archive import OrderArchive
from order_relay.pipeline.fulfilment.cancelled_orders import hold_cancelled
from order_relay.pipeline.fulfilment.write_back import WriteBackContext, send_write_back
from order_relay.pipeline.load.chunks import chunk_name, plan_chunks
from order_relay.pipeline.load.stage import load
from order_relay.pipeline.report.report import RenderedReport, write_report
from order_relay.pipeline.runs import start
from order_relay.pipeline.runs.failures import recorded_cause
from order_relay.pipeline.runs.fetch_plan import FetchPlan, plan_ids, plan_new_orders
from order_relay.pipeline.stages.acknowledge import acknowledge
from order_relay.pipeline.stages.dedupe import dedupe
from order_relay.pipeline.stages.extract import extract
from order_relay.pipeline.stages.transform import transform
from order_relay.pipeline.stages.validate import has_work, validate
from order_relay.wiring.pipeline import Wiring
from tests.support.load_options import load_options

PIPELINE = "supercat_to_shopatron"


@dataclass
class Engine:
    """Runs a pipeline as its DAG does. ``load_options`` change how chunks are loaded, ``settings`` any section of the
    pipeline's file (unchecked: trials wait shorter than anybody may)."""

    folder: Path
    connections: Mapping[str, Connection]
    ledger_url: str = ""
    pipeline: str = PIPELINE
    load_options: dict[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger_url = self.ledger_url or f"sqlite:///{self.folder}/ledger.sqlite"
        migrate(self.ledger_url)
        self.wiring = self.fresh_wiring()

    def fresh_wiring(self) -> Wiring:
        store = (self.folder / "batches").as_uri()
        made = Wiring.for_pipeline(self.pipeline, self.connections.__getitem__, self.ledger_url, store)
        changed = {name: getattr(made.settings, name).model_copy(update=new) for name, new in self.settings.items()}
        made.settings = made.settings.model_copy(update=changed)
        return made

    @property
    def ledger(self) -> Ledger:
        return self.wiring.ledger

    def run(
        self, run: str, *, limit: int | None = None, order_ids: tuple[str, ...] = (), reading: FetchPlan | None = None
    ) -> RenderedReport:
        """One run: what the DAG's tasks do. Acknowledge and report also come after a failed load."""
        ctx, wiring = RunContext(self.pipeline, run), self.wiring
        self.failed.clear()
        start.start_run(ctx, self.ledger, wiring.store, (wiring.source.account, wiring.destination.account))
        hold_cancelled(
            ctx,
            wiring.source,
            self.ledger,
            days=wiring.settings.feedback.cancelled_days,
            connection_fingerprint=wiring.source_connection.fingerprint(),
        )
        batch = self.extract(ctx, order_ids, reading)
        if has_work(self.ledger, self.pipeline, batch):
            for number, chunk in enumerate(self.prepare(ctx, batch, limit)):
                self.failed.append(f"load_{number}")
                with suppress(OrderRelayError):  # a failed chunk leaves its orders; the report tells
                    with recorded_cause(ctx, self.wiring.store, f"load_{number}"):
                        self.load(ctx, chunk)
                    self.failed.pop()
        self.acknowledge(ctx)
        return self.report(ctx, batch)

    def extract(self, ctx: RunContext, order_ids: tuple[str, ...] = (), reading: FetchPlan | None = None) -> Manifest:
        chosen = reading or self.reading(order_ids)
        return extract(
            ctx,
            self.wiring.source,
            self.ledger,
            self.wiring.store,
            chosen,
            batch_id=ctx.run,
            transform_fingerprint=self.wiring.transformer.fingerprint,
            connection_fingerprint=self.wiring.source_connection.fingerprint(),
            contents=self.wiring.transformer.contents,
        )

    def reading(self, order_ids: tuple[str, ...] = ()) -> FetchPlan:
        if order_ids:
            return plan_ids(order_ids)
        wiring = self.wiring
        return plan_new_orders(self.pipeline, wiring.source, self.ledger, wiring.settings.reading, datetime.now(UTC))

    def prepare(self, ctx: RunContext, batch: Manifest, limit: int | None = None) -> list[str]:
        """Validate, dedupe and transform; the names of the chunks."""
        wiring, ledger, store = self.wiring, self.ledger, self.wiring.store
        transformer, policies = wiring.transformer, wiring.settings.engine_policies
        valid = validate(
            ctx,
            ledger,
            store,
            source=wiring.source.format,
            transformer=transformer,
            manifest=batch,
            ask_again_s=wiring.settings.reading.ask_again_s,
        )
        winners = dedupe(ctx, ledger, store, policies=policies, manifest=valid, limit=limit)
        transform(ctx, ledger, store, transformer=transformer, policies=policies, manifest=winners)
        return plan_chunks(ctx, ledger, store, wiring.settings.chunks, wiring.destination.timeout_s)

    def load(self, ctx: RunContext, chunk: str) -> dict[str, int]:
        options = load_options(self.wiring.settings.load, **self.load_options)
        wiring = self.wiring
        return load(ctx, self.ledger, wiring.store, wiring.destination, chunk_name(ctx, chunk), options)

    def acknowledge(self, ctx: RunContext) -> dict[str, int]:
        fingerprint = self.wiring.source_connection.fingerprint()
        silence_s = self.wiring.settings.acknowledge.given_up_s
        return acknowledge(
            ctx,
            self.wiring.source,
            self.ledger,
            connection_fingerprint=fingerprint,
            given_up_s=silence_s,
            most_refusals=self.wiring.settings.feedback.most_refusals,
            policies=self.wiring.settings.engine_policies,
        )

    def tell(self, run: str) -> dict[str, int]:
        """One run of the source's feedback: what its DAG does."""
        return send_write_back(RunContext(self.pipeline, run), self.feedback_parts())

    def feedback_parts(self) -> WriteBackContext:
        wiring = self.wiring
        return WriteBackContext(
            wiring.write_back_source,
            wiring.ledger,
            self.archive(),
            wiring.source_connection.fingerprint(),
            wiring.settings.feedback.parallel,
            wiring.settings.acknowledge.given_up_s,
        )

    def archive(self) -> OrderArchive:
        return OrderArchive(self.wiring.store, lambda _: self.wiring.transformer.reader)

    def report(self, ctx: RunContext, batch: Manifest) -> RenderedReport:
        batch_id = batch.batch_id if batch.kind == "batch" and batch.name else None
        return write_report(ctx, self.ledger, self.wiring.store, stages=[], batch_id=batch_id, failed_tasks=self.failed)

    def states(self) -> dict[str, str]:
        """The state of the newest edition of every source id."""
        found: dict[str, str] = {}
        for state in (
            "received",
            "waiting",
            "ready",
            "sending",
            "in_doubt",
            "imported",
            "superseded",
            "quarantined",
            "rejected",
            "held",
            "discarded",
        ):
            found |= dict.fromkeys(self.ids_in(state), state)
        return found

    def ids_in(self, state: str) -> list[str]:
        """Source ids with an edition in this state."""
        from sqlalchemy import text

        with self.ledger.database.engine.connect() as conn:
            rows = conn.execute(text("SELECT source_id FROM submission WHERE state = :s"), {"s": state})
            return [row[0] for row in rows]
