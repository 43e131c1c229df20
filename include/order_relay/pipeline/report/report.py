"""The last stage: reports what the run did, what needs an operator, and the result of the accounting check.

The report contains counts, codes and object names, and no customer data: it is written to the task's log, to Airflow's
asset events, and to the batch store as Markdown. Only the Markdown has the OMS's answers about orders that it imported
although it reported an error, since these may quote an order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from order_relay.batches.store import DamagedBatchError
from order_relay.batches.writer import BatchReader
from order_relay.iteration import batched
from order_relay.pipeline.report.model import ImportRemark, LedgerCounts, RunReport, StageTime
from order_relay.pipeline.report.render import as_markdown, as_text
from order_relay.pipeline.runs.failures import read_causes
from order_relay.pipeline.runs.objects import run_prefix

if TYPE_CHECKING:
    from datetime import datetime

    from order_relay.batches.store import BatchStore
    from order_relay.ledger import Ledger
    from order_relay.orders.messages import RunContext

_IDENTITIES_PER_QUERY = 2_000
_FACTS_LIMIT = 1_900
_CAUSE_LIMIT = 300

MAX_REMARKS = 200
"""Maximum orders listed as imported with an error, per report."""


@dataclass(frozen=True)
class RenderedReport:
    """The report in its forms.

    ``facts`` is flat, under 2 kB and free of customer data, for XCom and asset events. ``remarked``: numbers of orders
    that the OMS imported although it reported an error. ``causes``: why tasks failed, by task. ``this_run``: the
    orders that the run changed.
    """

    markdown: str
    text: str
    facts: dict[str, int | float | str]
    breaches: list[str]
    name: str = ""
    remarked: tuple[str, ...] = ()
    causes: Mapping[str, str] = field(default_factory=dict)
    this_run: LedgerCounts = field(default_factory=LedgerCounts)


def write_report(
    ctx: RunContext,
    ledger: Ledger,
    store: BatchStore,
    *,
    stages: Sequence[StageTime] = (),
    batch_id: str | None = None,
    failed_tasks: Sequence[str] = (),
    full: bool = False,
    shadow: Mapping[str, int] | None = None,
) -> RenderedReport:
    """Count orders, run the accounting check, and write ``{pipeline}/runs/{run}/report.md`` to the batch store.

    The check concerns what the run changed; ``reconcile`` checks the whole pipeline daily. ``batch_id`` is the batch
    that this run archived, if any: its identities are compared with the ledger. ``full`` checks every order and batch
    of the pipeline. ``shadow``: counts of a shadow run. A failed check raises nothing: it is in
    ``breaches``, and the caller fails the run.
    """
    whole, this_run = ledger.accounting.counts(ctx.pipeline), ledger.accounting.counts(ctx.pipeline, ctx.run)
    batches = closed_batches(ledger, ctx.pipeline) if full else [batch_id] if batch_id else []
    report = RunReport(
        pipeline=ctx.pipeline,
        run=ctx.run,
        whole=LedgerCounts.of(whole),
        this_run=LedgerCounts.of(this_run),
        stages=tuple(stages),
        notes=dict(this_run["notes"]),
        breaches=(
            *ledger.accounting.invariant_violations(ctx.pipeline, None if full else ctx.run),
            *check_archive(ledger, store, ctx.pipeline, batches),
        ),
        failed_tasks=tuple(failed_tasks),
        causes=read_causes(ctx, store, failed_tasks),
        checked_batches=len(batches),
        shadow=shadow,
        tasks=tuple(ledger.write_back_tasks.pending(ctx.pipeline)),
        write_back=tuple(ledger.write_back_tasks.unfinished([ctx.pipeline])),
        oms=ledger.oms_status_counts.open_counts(ctx.pipeline),
        remarks=tuple(
            ImportRemark(*row) for row in ledger.accounting.imported_with_remarks(ctx.pipeline, ctx.run, MAX_REMARKS)
        ),
        warnings=_warnings(store, ctx.pipeline, batch_id) if batch_id else (),
    )
    markdown = as_markdown(report)
    name = f"{run_prefix(ctx)}/report.md"
    store.write_text(name, markdown)
    remarked = tuple(remark.order_number for remark in report.remarks)
    breaches = list(report.breaches)
    return RenderedReport(
        markdown, as_text(report), facts_of(report), breaches, name, remarked, report.causes, report.this_run
    )


def _warnings(store: BatchStore, pipeline: str, batch: str) -> tuple[str, ...]:
    """Warnings about the source's answers while this batch was read. A damaged batch is already a breach."""
    try:
        return tuple(map(str, BatchReader(store, pipeline, batch).facts.get("warnings", ())))
    except DamagedBatchError:
        return ()


def closed_batches(ledger: Ledger, pipeline: str, run: str | None = None, since: datetime | None = None) -> list[str]:
    """Ids of the closed batches of a pipeline, of one run or of all, fetched from ``since`` on."""
    return [str(row["batch_id"]) for row in ledger.accounting.batches(pipeline, since) if run in {None, row["run"]}]


def check_archive(ledger: Ledger, store: BatchStore, pipeline: str, batches: Iterable[str]) -> list[str]:
    """The archive's part of the accounting check: each identity of these batches is in the ledger. Returns breaches."""
    return [breach for batch in batches for breach in _archive_breaches(ledger, store, pipeline, batch)]


def _archive_breaches(ledger: Ledger, store: BatchStore, pipeline: str, batch: str) -> list[str]:
    """Identities of one archived batch that the ledger lacks; an unreadable list is a breach too."""
    try:
        identities = BatchReader(store, pipeline, batch).identities()
        missing = sum(
            len(ledger.accounting.unknown_source_ids(pipeline, ids))
            for ids in batched(identities, _IDENTITIES_PER_QUERY)
        )
    except DamagedBatchError as damage:
        return [f"batch {batch}: {damage}"]
    return [f"batch {batch}: {missing} listed or archived orders are missing from the ledger"] if missing else []


def facts_of(report: RunReport) -> dict[str, int | float | str]:
    """The report as a flat dict of counts, under 2 kB."""
    facts: dict[str, int | float | str] = {
        "pipeline": report.pipeline,
        "run": report.run[:200],
        "received": report.whole.received,
        "acknowledged": report.whole.acknowledged,
        "breaches": len(report.breaches),
        "balanced": "no" if report.breaches else "yes",
        "failed_tasks": len(report.failed_tasks),
        **({"cause": next(iter(report.causes.values()))[:_CAUSE_LIMIT]} if report.causes else {}),
        "run_received": report.this_run.received,
        "run_acknowledged": report.this_run.acknowledged,
        "seconds": round(report.seconds, 1),
        "orders_per_s": round(report.orders_per_s, 1),
    }
    if report.remarks:
        facts["run_imported_with_error"] = len(report.remarks)
    if report.shadow is not None:
        facts |= {"mode": "shadow", **report.shadow}
    facts |= {f"state_{state}": number for state, number in sorted(report.whole.states.items())}
    facts |= {f"run_{state}": number for state, number in sorted(report.this_run.states.items())}
    facts |= {f"write_back_{task.state}": task.number for task in report.tasks}
    # The most frequent reasons, as many as fit.
    size = sum(len(str(k)) + len(str(v)) + 8 for k, v in facts.items())
    for (state, reason), number in sorted(report.whole.reasons.items(), key=lambda item: -item[1]):
        name = f"{state}.{reason}"
        size += len(name) + len(str(number)) + 8
        if size > _FACTS_LIMIT:
            break
        facts[name] = number
    return facts
