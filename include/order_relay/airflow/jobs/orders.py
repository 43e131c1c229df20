"""What the tasks of an order DAG do: run one stage of the engine on a run's request.

The result of each task goes into XCom, so it is flat, smaller than 2 kB and without customer data: a manifest, counts,
and when the stage started and ended.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow.assets import orders_asset
from order_relay.airflow.context.run_request import RunRequest, failed_tasks, read_request
from order_relay.airflow.context.xcom import StageTimer, batch_manifest, chunk_names, shadow_counts, stage_times
from order_relay.airflow.metadata import stop_variable
from order_relay.airflow.notify.notifications import notify
from order_relay.airflow.session import account_names, open_ledger, open_run, record_refused_logins
from order_relay.batches import Manifest
from order_relay.errors import RunFailedError
from order_relay.ledger import Ledger, migrate
from order_relay.orders.messages import RunContext
from order_relay.pipeline.alerts.kinds import RUN_KINDS
from order_relay.pipeline.alerts.rules import invalid_stop_value
from order_relay.pipeline.alerts.run_rules import check_run
from order_relay.pipeline.fulfilment.cancelled_orders import hold_cancelled
from order_relay.pipeline.load import shadow
from order_relay.pipeline.load import stage as load_stage
from order_relay.pipeline.load.chunks import chunk_name, plan_chunks
from order_relay.pipeline.report import report as report_stage
from order_relay.pipeline.runs import fetch_plan, start
from order_relay.pipeline.runs.fetch_plan import FetchPlan
from order_relay.pipeline.runs.stop_switch import StopSwitch
from order_relay.pipeline.runs.trials import clear_trial, mark_trial
from order_relay.pipeline.stages import acknowledge as acknowledge_stage
from order_relay.pipeline.stages import dedupe as dedupe_stage
from order_relay.pipeline.stages import extract as extract_stage
from order_relay.pipeline.stages import transform as transform_stage
from order_relay.pipeline.stages import validate as validate_stage
from order_relay.wiring.pipeline import Wiring

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

XCom = dict[str, Any]


def extract(pipeline: str, context: Context) -> XCom:
    """Read the source, or the archive in a backfill, and record its orders in the ledger."""
    request, clock = read_request(context), StageTimer()
    ctx = RunContext(pipeline, request.run)
    with open_run(pipeline, request, context) as wiring:
        for remark in wiring.settings.remarks():
            log.warning("%s", remark)
        wiring.check()
        if wiring.dry_run:
            mark_trial(ctx, wiring.store, shadow=wiring.shadow)
        else:
            clear_trial(ctx, wiring.store)
        if wiring.shadow or not wiring.dry_run:
            migrate(wiring.ledger_url)
        with record_refused_logins(wiring), wiring.ledger_for(ctx.run) as ledger:
            kind = "replay" if request.replay else "run"
            # A shadow run advances the batch store's sequence as well. The ledger is then behind, so the first live run
            # looks up every order before its first POST: the scripts in use so far may have sent it meanwhile.
            note = wiring.shadow or not wiring.dry_run
            start.start_run(ctx, ledger, wiring.store, account_names(wiring), kind, note=note)
            hold_cancelled(
                ctx,
                wiring.source,
                ledger,
                days=wiring.settings.feedback.cancelled_days,
                connection_fingerprint=wiring.source_connection.fingerprint(),
            )
            from_archive = request.replay and not wiring.source.windowed
            manifest = (
                _replay_archive(ctx, ledger, wiring, request)
                if from_archive
                else _extract(ctx, ledger, wiring, request)
            )
            work = validate_stage.has_work(ledger, pipeline, manifest)
    return {**manifest.as_xcom(), "work": int(work), "shadow": int(wiring.shadow), **clock.seconds()}


def _replay_archive(ctx: RunContext, ledger: Ledger, wiring: Wiring, request: RunRequest) -> Manifest:
    if request.start is None or request.end is None:
        log.warning("this backfill has no interval: nothing is read from the archive")
        return Manifest("replay", ctx.pipeline)
    return extract_stage.replay_archived(ctx, ledger, wiring.store, request.start, request.end)


def _extract(ctx: RunContext, ledger: Ledger, wiring: Wiring, request: RunRequest) -> Manifest:
    return extract_stage.extract(
        ctx,
        wiring.source,
        ledger,
        wiring.store,
        _plan_reading(ctx, ledger, wiring, request),
        batch_id=request.run,
        transform_fingerprint=wiring.transformer.fingerprint,
        connection_fingerprint=wiring.source_connection.fingerprint(),
        contents=wiring.transformer.contents,
    )


def _plan_reading(ctx: RunContext, ledger: Ledger, wiring: Wiring, request: RunRequest) -> FetchPlan:
    if request.order_ids:
        return fetch_plan.plan_ids(request.order_ids, wiring.settings.reading)
    if request.start is not None and request.end is not None:
        return fetch_plan.plan_interval(request.start, request.end, wiring.settings.reading)
    return fetch_plan.plan_new_orders(ctx.pipeline, wiring.source, ledger, wiring.settings.reading, datetime.now(UTC))


def validate(pipeline: str, context: Context, batch: XCom) -> XCom:
    """Check received orders. Skipped, with all tasks up to load, if there is nothing to do."""
    if not batch.get("work", 1):
        raise AirflowSkipException("the source offers no orders, and none from earlier runs is ready or due")
    request, clock = read_request(context), StageTimer()
    ctx = RunContext(pipeline, request.run)
    with open_run(pipeline, request, context) as wiring, wiring.ledger_for(ctx.run) as ledger:
        manifest = validate_stage.validate(
            ctx,
            ledger,
            wiring.store,
            source=wiring.source.format,
            transformer=wiring.transformer,
            manifest=Manifest.from_xcom(batch),
            ask_again_s=wiring.settings.reading.ask_again_s,
        )
    return {**manifest.as_xcom(), **clock.seconds()}


def dedupe(pipeline: str, context: Context, validated: XCom) -> XCom:
    """Choose one version of each order."""
    request, clock = read_request(context), StageTimer()
    ctx = RunContext(pipeline, request.run)
    with open_run(pipeline, request, context) as wiring, wiring.ledger_for(ctx.run) as ledger:
        manifest = dedupe_stage.dedupe(
            ctx,
            ledger,
            wiring.store,
            policies=wiring.settings.engine_policies,
            manifest=Manifest.from_xcom(validated),
            limit=request.limit,
        )
    return {**manifest.as_xcom(), **clock.seconds()}


def transform(pipeline: str, context: Context, winners: XCom) -> list[str]:
    """Build payloads and divide ready and due orders into chunks. Returns the chunks' short names.

    Counts are pushed under the key ``manifest``, because only the return value can be mapped over.
    """
    request, clock = read_request(context), StageTimer()
    ctx = RunContext(pipeline, request.run)
    with open_run(pipeline, request, context) as wiring, wiring.ledger_for(ctx.run) as ledger:
        counts = transform_stage.transform(
            ctx,
            ledger,
            wiring.store,
            transformer=wiring.transformer,
            policies=wiring.settings.engine_policies,
            manifest=Manifest.from_xcom(winners),
        )
        chunks = plan_chunks(ctx, ledger, wiring.store, wiring.settings.chunks, wiring.destination.timeout_s)
        if not wiring.dry_run:
            start.advance_sequence(ctx, ledger, wiring.store)
    done = {"kind": "payloads", "records": counts.get("ready", 0), **counts, **clock.seconds()}
    context["ti"].xcom_push(key="manifest", value=done)
    return chunks


def load(pipeline: str, context: Context, chunk: str) -> XCom:
    """Look up and send one chunk."""
    request, clock = read_request(context), StageTimer()
    ctx = RunContext(pipeline, request.run)
    with open_run(pipeline, request, context) as wiring, wiring.ledger_for(ctx.run, keep=False) as ledger:
        ledger.runs.bind(pipeline, *account_names(wiring))
        settings, name = wiring.settings, chunk_name(ctx, chunk)
        share = max(1, min(len(chunk_names(context)), settings.chunks.parallel))
        if wiring.shadow:
            counts = shadow.run_shadow(ctx, ledger, wiring.store, wiring.destination, name, share)
        else:
            switches: list[StopSwitch] = []
            options = load_stage.LoadOptions(
                settings.load, share=share, stop=lambda: _is_stopped(pipeline, switches), dry_run=wiring.dry_run
            )
            counts = load_stage.load(ctx, ledger, wiring.store, wiring.destination, name, options)
            if switches and switches[-1].problem:
                log.error("%s", switches[-1].problem)
                notify(ledger, "", invalid_stop_value(switches[-1]))
    return {"kind": "load", "chunk": chunk, **counts, **clock.seconds()}


def _is_stopped(pipeline: str, switches: list[StopSwitch]) -> bool:
    """Whether the stop switch stops this pipeline; ``switches`` keeps it. Raises ``TransientError`` if unreadable."""
    switches[:] = [stop_variable.read_stop_switch()]
    return switches[0].stops(pipeline)


def acknowledge(pipeline: str, context: Context) -> XCom:
    """Acknowledge orders at the source and emit the asset event of the run.

    Skipped in dry and shadow runs: an event about orders that were never sent would trigger other DAGs.
    """
    request, clock = read_request(context), StageTimer()
    ctx = RunContext(pipeline, request.run)
    counts: dict[str, int] = {}
    with open_run(pipeline, request, context) as wiring:
        if wiring.dry_run:
            raise AirflowSkipException("a dry or shadow run acknowledges nothing and emits no asset event")
        ledger = wiring.ledger
        # With another account than the ledger's, orders would be acknowledged that were never read.
        ledger.runs.bind(pipeline, *account_names(wiring))
        start.advance_sequence(ctx, ledger, wiring.store)
        if request.acknowledge and wiring.settings.acknowledge.enabled:
            counts = acknowledge_stage.acknowledge(
                ctx,
                wiring.source,
                ledger,
                connection_fingerprint=wiring.source_connection.fingerprint(),
                slice_size=wiring.settings.acknowledge.slice,
                given_up_s=wiring.settings.acknowledge.given_up_s,
                most_refusals=wiring.settings.feedback.most_refusals,
                policies=wiring.settings.engine_policies,
            )
        found = ledger.accounting.counts(pipeline, ctx.run)
    batch = batch_manifest(context)
    asset = orders_asset(pipeline)
    context["outlet_events"][asset].extra = {
        "pipeline": pipeline,
        "run_id": request.run_id,
        "manifest": f"{batch.name}/manifest.json" if batch and batch.name else "",
        "orders": found["received"],
        **{state: number for state, number in found["states"].items() if number},
        **{f"acknowledgements_{what}": number for what, number in counts.items()},
    }
    return {"kind": "acknowledge", **counts, **clock.seconds()}


def report(pipeline: str, context: Context) -> XCom:
    """Write the report. Raises ``RunFailedError`` if a task of the run failed or the accounting check failed.

    Tasks cannot write the note of their run (the Task SDK has no call for it). The report is therefore in this task's
    log and in the batch store; its counts are in XCom and in the ledger.
    """
    request = read_request(context)
    ctx = RunContext(pipeline, request.run)
    failed = failed_tasks(context)
    batch = batch_manifest(context)
    with open_run(pipeline, request, context) as wiring, wiring.ledger_for(ctx.run, keep=False) as ledger:
        result = report_stage.write_report(
            ctx,
            ledger,
            wiring.store,
            stages=stage_times(context),
            batch_id=batch.batch_id if batch and batch.kind == "batch" and batch.name else None,
            failed_tasks=failed,
            shadow=shadow_counts(context) if wiring.shadow else None,
        )
        ledger.runs.end(ctx, result.facts)
        repeat_s = wiring.settings.alerts.repeat_s
        alerts = check_run(pipeline, ctx.run, failed, result.breaches, repeat_s, result.remarked, causes=result.causes)
        if wiring.shadow:
            with open_ledger() as real:
                notify(real, pipeline, alerts, settles=RUN_KINDS)
        elif not wiring.dry_run:
            notify(ledger, pipeline, alerts, settles=RUN_KINDS)
    log.info("\n%s", result.text)
    reasons = [f"failed: {', '.join(failed)}", *dict.fromkeys(result.causes.values())] if failed else []
    reasons += [f"accounting check FAILED: {breach}" for breach in result.breaches]
    if reasons:
        raise RunFailedError("; ".join(reasons))
    return {"report": result.name, **result.facts}
