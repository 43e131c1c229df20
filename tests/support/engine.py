"""One company's pipeline without Airflow: the stages in order, with their own ledger and batch store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from order_relay.batches import Manifest
from order_relay.connections import Connection
from order_relay.ledger import Ledger, migrate
from order_relay.ledger.oms.oms_statuses import OMS
from order_relay.orders.messages import RunContext
from order_relay.pipeline.archive import OrderArchive
from order_relay.pipeline.fulfilment.oms_status import OmsStatusContext, ask_about_orders
from order_relay.pipeline.fulfilment.write_back import WriteBackContext, send_write_back
from order_relay.pipeline.load.stage import LoadOptions
from order_relay.pipeline.report.report import RenderedReport, write_report
from order_relay.pipeline.run import PipelineRun, run_once
from order_relay.pipeline.runs.fetch_plan import FetchPlan, plan_ids
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
        """One run and its report."""
        ctx = RunContext(self.pipeline, run)
        plan = reading or (plan_ids(order_ids) if order_ids else None)
        done = run_once(self.stages(ctx), plan=plan, limit=limit, options=self.options())
        self.failed[:] = done.failed
        return self.report(ctx, done.batch)

    def stages(self, ctx: RunContext) -> PipelineRun:
        return PipelineRun(ctx, self.wiring, self.ledger)

    def options(self) -> LoadOptions:
        return load_options(self.wiring.settings.load, **self.load_options)

    def extract(self, ctx: RunContext) -> Manifest:
        return self.stages(ctx).extract()

    def prepare(self, ctx: RunContext, batch: Manifest, limit: int | None = None) -> list[str]:
        """Validate, dedupe and transform; the names of the chunks."""
        stages = self.stages(ctx)
        stages.transform(stages.dedupe(stages.validate(batch), limit))
        return stages.plan_chunks()

    def load(self, ctx: RunContext, chunk: str) -> dict[str, int]:
        return self.stages(ctx).load(chunk, self.options())

    def send_feedback(self, run: str) -> dict[str, int]:
        """One run of the source's feedback: what its DAG does."""
        return send_write_back(RunContext(self.pipeline, run), self.feedback_parts())

    def ask_oms(self, **options: Any) -> dict[str, int]:
        """One run of the status DAG: its counts. ``options`` are fields of ``OmsStatusContext``."""
        self.ledger.oms_questions.enrol(self.pipeline, first_days=30)
        parts = OmsStatusContext(self.ledger, self.archive(), **options)

        async def ask() -> dict[str, int]:
            async with self.wiring.destination.session(1) as session:
                return await ask_about_orders(RunContext(self.pipeline, "status", OMS), parts, session)

        return asyncio.run(ask())

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
