"""What the tasks of an order DAG do: run one stage of the engine on a run's request.

The result of each task goes into XCom, so it is flat, smaller than 2 kB and without customer data: a manifest, counts,
and when the stage started and ended.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow.assets import orders_asset
from order_relay.airflow.context.run_request import RunRequest, failed_tasks, read_request
from order_relay.airflow.context.xcom import StageTimer, batch_manifest, chunk_names, shadow_counts, stage_times
from order_relay.airflow.metadata import stop_variable
from order_relay.airflow.notify.notifications import notify
from order_relay.airflow.session import account_names, open_ledger, open_run, record_refused_logins
from order_relay.airflow.telemetry import lineage, structured_logs
from order_relay.airflow.telemetry.recording import mode_of, run_done, stage_done
from order_relay.batches import Manifest
from order_relay.errors import RunFailedError
from order_relay.ledger import migrate
from order_relay.orders.messages import RunContext
from order_relay.pipeline.alerts.kinds import RUN_KINDS
from order_relay.pipeline.alerts.rules import invalid_stop_value
from order_relay.pipeline.alerts.run_rules import check_run
from order_relay.pipeline.load.stage import LoadOptions
from order_relay.pipeline.lookup.unseen_orders import UnseenOrders
from order_relay.pipeline.report import report as report_stage
from order_relay.pipeline.run import PipelineRun
from order_relay.pipeline.runs import fetch_plan
from order_relay.pipeline.runs.fetch_plan import FetchPlan
from order_relay.pipeline.runs.stop_switch import StopSwitch
from order_relay.pipeline.runs.trials import clear_trial, mark_trial
from order_relay.pipeline.stages import extract as extract_stage
from order_relay.wiring.pipeline import Wiring
from order_relay.wiring.transformation import remarks

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

XCom = dict[str, Any]

NOTHING_TO_DO = "the source offers no orders, and none from earlier runs is ready or due"


def extract(pipeline: str, context: Context) -> XCom:
    """Read the source, or the archive in a backfill, and record its orders in the ledger."""
    request, clock = read_request(context), StageTimer()
    ctx = RunContext(pipeline, request.run)
    with open_run(pipeline, request, context) as wiring:
        for remark in remarks(wiring.settings):
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
            run = PipelineRun(ctx, wiring, ledger)
            run.start(kind, note=note)
            from_archive = request.replay and not wiring.source.windowed
            manifest = _replay_archive(run, wiring, request) if from_archive else run.extract(_fetch_plan(run, request))
            structured_logs.bind_run(pipeline, ctx.run, mode_of(request, shadow=wiring.shadow), manifest.name)
            work = run.has_work(manifest)
            done = {**manifest.as_xcom(), "work": int(work), "shadow": int(wiring.shadow), **clock.seconds()}
            stage_done("extract", pipeline, mode_of(request, shadow=wiring.shadow), done, ledger)
            archive = lineage.archive(wiring.store_url, pipeline, manifest.records, manifest.bytes)
            source = lineage.account(wiring.source.account, manifest.records)
            replayed = manifest.kind == "replay"
            lineage.orders_moved([archive] if replayed else [source], [] if replayed else [archive])
    if not work:
        log.info("%s: validate to load are skipped", NOTHING_TO_DO)
    return done


def _replay_archive(run: PipelineRun, wiring: Wiring, request: RunRequest) -> Manifest:
    """Evaluate archived orders again, and receive orders that only the source has, if that is switched on."""
    ctx, settings = run.ctx, wiring.settings.reading
    if request.start is None or request.end is None:
        log.warning("this backfill has no interval: nothing is read from the archive")
        return Manifest("replay", ctx.pipeline)
    start, end = request.start, request.end
    if not settings.backfill_from_source:
        return extract_stage.replay_archived(ctx, run.ledger, wiring.store, start, end)
    with wiring.past_source() as source:  # first: if it is not possible, nothing is done
        replayed = extract_stage.replay_archived(ctx, run.ledger, wiring.store, start, end)
        log.info("%d archived orders are evaluated again; the source is read for others", replayed.records)
        plan = fetch_plan.plan_interval(start, end, settings)
        return run.extract(plan, UnseenOrders(source, run.ledger, ctx.pipeline))


def _fetch_plan(run: PipelineRun, request: RunRequest) -> FetchPlan:
    settings = run.wiring.settings.reading
    if request.order_ids:
        return fetch_plan.plan_ids(request.order_ids, settings)
    if request.start is not None and request.end is not None:
        return fetch_plan.plan_interval(request.start, request.end, settings)
    return run.plan_new_orders()


def validate(pipeline: str, context: Context, batch: XCom) -> XCom:
    """Check received orders. If there is nothing to do, this task runs only if somebody clears it, and skips itself."""
    if not batch.get("work", 1):
        raise AirflowSkipException(NOTHING_TO_DO)
    request, clock = read_request(context), StageTimer()
    ctx = RunContext(pipeline, request.run)
    with open_run(pipeline, request, context) as wiring, wiring.ledger_for(ctx.run) as ledger:
        manifest = PipelineRun(ctx, wiring, ledger).validate(Manifest.from_xcom(batch))
        done = {**manifest.as_xcom(), **clock.seconds()}
        stage_done("validate", pipeline, mode_of(request, shadow=wiring.shadow), done, ledger)
    return done


def dedupe(pipeline: str, context: Context, validated: XCom) -> XCom:
    """Choose one version of each order."""
    request, clock = read_request(context), StageTimer()
    ctx = RunContext(pipeline, request.run)
    with open_run(pipeline, request, context) as wiring, wiring.ledger_for(ctx.run) as ledger:
        manifest = PipelineRun(ctx, wiring, ledger).dedupe(Manifest.from_xcom(validated), request.limit)
        done = {**manifest.as_xcom(), **clock.seconds()}
        stage_done("dedupe", pipeline, mode_of(request, shadow=wiring.shadow), done, ledger)
    return done


def transform(pipeline: str, context: Context, winners: XCom) -> list[str]:
    """Build payloads and divide ready and due orders into chunks. Returns the chunks' short names.

    Counts are pushed under the key ``manifest``, because only the return value can be mapped over.
    """
    request, clock = read_request(context), StageTimer()
    ctx = RunContext(pipeline, request.run)
    with open_run(pipeline, request, context) as wiring, wiring.ledger_for(ctx.run) as ledger:
        run = PipelineRun(ctx, wiring, ledger)
        counts = run.transform(Manifest.from_xcom(winners))
        chunks = run.plan_chunks()
        if not wiring.dry_run:
            run.advance_sequence()
        done = {"kind": "payloads", "records": counts.get("ready", 0), **counts, **clock.seconds()}
        stage_done("transform", pipeline, mode_of(request, shadow=wiring.shadow), done, ledger)
    context["ti"].xcom_push(key="manifest", value=done)
    return chunks


def load(pipeline: str, context: Context, chunk: str) -> XCom:
    """Look up and send one chunk."""
    request, clock = read_request(context), StageTimer()
    ctx = RunContext(pipeline, request.run)
    with open_run(pipeline, request, context) as wiring, wiring.ledger_for(ctx.run, keep=False) as ledger:
        ledger.runs.bind(pipeline, *account_names(wiring))
        settings, run = wiring.settings, PipelineRun(ctx, wiring, ledger)
        share = max(1, min(len(chunk_names(context)), settings.chunks.parallel))
        if wiring.shadow:
            counts = run.load_shadow(chunk, share)
        else:
            switches: list[StopSwitch] = []
            options = LoadOptions(
                settings.load, share=share, stop=lambda: _is_stopped(pipeline, switches), dry_run=wiring.dry_run
            )
            counts = run.load(chunk, options)
            if switches and switches[-1].problem:
                log.error("%s", switches[-1].problem)
                notify(ledger, "", invalid_stop_value(switches[-1]))
        done = {"kind": "load", "chunk": chunk, **counts, **clock.seconds()}
        stage_done("load", pipeline, mode_of(request, shadow=wiring.shadow), done, ledger)
        if not wiring.dry_run:
            sent = counts.get("imported", 0)
            oms = lineage.account(wiring.destination.account, sent)
            lineage.orders_moved([lineage.archive(wiring.store_url, pipeline, sent)], [oms])
    return done


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
        run = PipelineRun(ctx, wiring, ledger)
        run.advance_sequence()
        if request.acknowledge:
            counts = run.acknowledge()
        found = ledger.accounting.counts(pipeline, ctx.run)
        done = {"kind": "acknowledge", **counts, **clock.seconds()}
        stage_done("acknowledge", pipeline, mode_of(request), done, ledger)
        settled = found["states"].get("imported", 0)
        oms = lineage.account(wiring.destination.account, settled)
        lineage.orders_moved([oms], [lineage.asset(pipeline, settled)])
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
    return done


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
        run_done(pipeline, mode_of(request, shadow=wiring.shadow), result, failed)
        structured_logs.stopped_orders(ctx, ledger, result)
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
