"""One run of a pipeline: the order of its stages, and what each takes from the pipeline's settings.

The order DAGs run the methods of ``PipelineRun`` as tasks. ``run_once`` calls them in one process, without Airflow.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Protocol

from order_relay.batches import BatchStore, Manifest
from order_relay.connections import Connection
from order_relay.errors import OrderRelayError
from order_relay.ledger import Ledger
from order_relay.orders.messages import RunContext
from order_relay.orders.payload.transformer import Transformer
from order_relay.pipeline.fulfilment.cancelled_orders import hold_cancelled
from order_relay.pipeline.load.chunks import chunk_name, plan_chunks
from order_relay.pipeline.load.shadow import run_shadow
from order_relay.pipeline.load.stage import LoadOptions, load
from order_relay.pipeline.ports import Destination, Source
from order_relay.pipeline.runs import start
from order_relay.pipeline.runs.collector import collect_rarely
from order_relay.pipeline.runs.failures import recorded_cause
from order_relay.pipeline.runs.fetch_plan import FetchPlan, plan_new_orders
from order_relay.pipeline.settings.pipeline import PipelineSettings
from order_relay.pipeline.stages.acknowledge import acknowledge
from order_relay.pipeline.stages.dedupe import dedupe
from order_relay.pipeline.stages.extract import extract
from order_relay.pipeline.stages.transform import transform
from order_relay.pipeline.stages.validate import has_work, validate


class RunWiring(Protocol):
    """What a run uses of a pipeline's wiring."""

    settings: PipelineSettings

    @property
    def source(self) -> Source: ...  # noqa: D102
    @property
    def destination(self) -> Destination: ...  # noqa: D102
    @property
    def transformer(self) -> Transformer: ...  # noqa: D102
    def transformer_for(self, ledger: Ledger, run: str) -> Transformer: ...  # noqa: D102
    @property
    def store(self) -> BatchStore: ...  # noqa: D102
    @property
    def source_connection(self) -> Connection: ...  # noqa: D102


@dataclass(frozen=True)
class PipelineRun:
    """The stages of one run. Each method runs one; all raise what their stage raises."""

    ctx: RunContext
    wiring: RunWiring
    ledger: Ledger

    @cached_property
    def transformer(self) -> Transformer:
        """The run's transformer, with the rows of code tables that the ledger had when the run began."""
        return self.wiring.transformer_for(self.ledger, self.ctx.run)

    def start(self, kind: str = "run", *, note: bool = True) -> None:
        """Register the run, and hold back unsent orders that the source cancelled; arguments as in ``start_run``."""
        wiring = self.wiring
        accounts = (wiring.source.account, wiring.destination.account)
        start.start_run(self.ctx, self.ledger, wiring.store, accounts, kind, note=note)
        hold_cancelled(
            self.ctx,
            wiring.source,
            self.ledger,
            days=wiring.settings.feedback.cancelled_days,
            connection_fingerprint=wiring.source_connection.fingerprint(),
        )

    def plan_new_orders(self) -> FetchPlan:
        """What an ordinary run fetches."""
        wiring = self.wiring
        return plan_new_orders(
            self.ctx.pipeline, wiring.source, self.ledger, wiring.settings.reading, datetime.now(UTC)
        )

    def extract(self, plan: FetchPlan | None = None, source: Source | None = None) -> Manifest:
        """Fetch, archive and receive the orders of ``plan`` (default: of an ordinary run).

        ``source``: another way to read the pipeline's account.
        """
        wiring = self.wiring
        return extract(
            self.ctx,
            source or wiring.source,
            self.ledger,
            wiring.store,
            plan or self.plan_new_orders(),
            batch_id=self.ctx.run,
            transform_fingerprint=self.transformer.fingerprint,
            connection_fingerprint=wiring.source_connection.fingerprint(),
            contents=self.transformer.contents,
            eligibility=self.transformer.eligibility,
        )

    def has_work(self, batch: Manifest) -> bool:
        """Whether the stages from validate to load have anything to do."""
        return has_work(self.ledger, self.ctx.pipeline, batch)

    def validate(self, batch: Manifest) -> Manifest:
        """Validate the received orders; the worklist of the valid ones."""
        wiring = self.wiring
        return validate(
            self.ctx,
            self.ledger,
            wiring.store,
            source=wiring.source.format,
            transformer=self.transformer,
            manifest=batch,
            ask_again_s=wiring.settings.reading.ask_again_s,
        )

    def dedupe(self, validated: Manifest, limit: int | None = None) -> Manifest:
        """Choose one version of each order; the worklist of these."""
        wiring = self.wiring
        policies = wiring.settings.engine_policies
        return dedupe(self.ctx, self.ledger, wiring.store, policies=policies, manifest=validated, limit=limit)

    def transform(self, winners: Manifest) -> dict[str, int]:
        """Build and store the payloads; counts."""
        wiring = self.wiring
        return transform(
            self.ctx,
            self.ledger,
            wiring.store,
            transformer=self.transformer,
            policies=wiring.settings.engine_policies,
            manifest=winners,
        )

    def plan_chunks(self) -> list[str]:
        """Divide all ready orders and due lookups among chunks; the chunks' short names."""
        wiring = self.wiring
        return plan_chunks(self.ctx, self.ledger, wiring.store, wiring.settings.chunks, wiring.destination.timeout_s)

    def load(self, chunk: str, options: LoadOptions) -> dict[str, int]:
        """Look up orders in doubt and send the ready ones of one chunk; counts."""
        wiring = self.wiring
        return load(self.ctx, self.ledger, wiring.store, wiring.destination, chunk_name(self.ctx, chunk), options)

    def load_shadow(self, chunk: str, share: int) -> dict[str, int]:
        """Compare one chunk with the destination instead of sending it; counts."""
        wiring = self.wiring
        return run_shadow(self.ctx, self.ledger, wiring.store, wiring.destination, chunk_name(self.ctx, chunk), share)

    def advance_sequence(self) -> None:
        """Raise the run's number, before and after orders are sent (see ``runs.start``)."""
        start.advance_sequence(self.ctx, self.ledger, self.wiring.store)

    def acknowledge(self) -> dict[str, int]:
        """Acknowledge at the source, unless the pipeline's file disables it; counts."""
        wiring, settings = self.wiring, self.wiring.settings
        if not settings.acknowledge.enabled:
            return {}
        return acknowledge(
            self.ctx,
            wiring.source,
            self.ledger,
            connection_fingerprint=wiring.source_connection.fingerprint(),
            slice_size=settings.acknowledge.slice,
            given_up_s=settings.acknowledge.given_up_s,
            most_refusals=settings.feedback.most_refusals,
            policies=settings.engine_policies,
        )


Stage = Callable[[str], AbstractContextManager[Any]]
"""Entered around each stage, with its name: for measurements."""


@dataclass
class RunResult:
    """``failed``: the load tasks that failed, as the DAG names them; their orders are still ready."""

    batch: Manifest
    failed: list[str] = field(default_factory=list)


def run_once(
    run: PipelineRun,
    *,
    plan: FetchPlan | None = None,
    limit: int | None = None,
    options: LoadOptions | None = None,
    stage: Stage = nullcontext,
) -> RunResult:
    """Run all stages but the report, as the order DAG does: acknowledge also runs after a failed load.

    ``limit``: maximum orders, as in ``dedupe``. ``options``: of load, by default the pipeline's settings. Raises what
    the stages raise, except for load, whose failures are in the result and in the batch store.
    """
    collect_rarely()
    run.start()
    with stage("extract"):
        batch = run.extract(plan)
    result = RunResult(batch)
    if run.has_work(batch):
        with stage("validate"):
            validated = run.validate(batch)
        with stage("dedupe"):
            winners = run.dedupe(validated, limit)
        with stage("transform"):
            run.transform(winners)
            chunks = run.plan_chunks()
        run.advance_sequence()
        with stage("load"):
            result.failed += _load_all(run, chunks, options or LoadOptions(run.wiring.settings.load))
    run.advance_sequence()
    with stage("acknowledge"):
        run.acknowledge()
    return result


def _load_all(run: PipelineRun, chunks: list[str], options: LoadOptions) -> list[str]:
    failed = []
    for number, chunk in enumerate(chunks):
        task = f"load_{number}"
        try:
            with recorded_cause(run.ctx, run.wiring.store, task):
                run.load(chunk, options)
        except OrderRelayError:  # recorded for the report
            failed.append(task)
    return failed
