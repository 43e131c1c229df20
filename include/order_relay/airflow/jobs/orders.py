"""What the tasks of an order DAG do: Airflow's context in, one stage of the engine, a manifest with counts out.

This module imports the whole engine; tasks import it when they run, DAG files never. What a task returns is flat, under
2 kB and free of customer data, because it goes into XCom: a manifest, counts, and the seconds that the stage took.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow.assets import orders_asset
from order_relay.airflow.context.run_request import RunRequest, failed_tasks, read_request, task_name
from order_relay.airflow.context.xcom import StageTimer, batch_manifest, chunk_names, shadow_counts, stage_times
from order_relay.airflow.metadata import stop_variable
from order_relay.airflow.notify.notifications import notify
from order_relay.airflow.session import account_names, open_ledger, open_wiring
from order_relay.batches import Manifest
from order_relay.errors import RunFailedError, SourceAuthError
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
from order_relay.pipeline.runs.failures import recorded_cause
from order_relay.pipeline.runs.fetch_plan import FetchPlan
from order_relay.pipeline.runs.stop_switch import StopSwitch
from order_relay.pipeline.runs.trials import clear_trial, mark_trial
from order_relay.pipeline.settings.pipeline import load_pipeline
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
    """Read the source (or, in a backfill, the archive), and enter what it offers into the ledger."""
    request, clock = read_request(context), StageTimer()
    ctx = RunContext(pipeline, request.run)
    with _open_run(pipeline, request, context) as wiring:
        for remark in wiring.settings.remarks():
            log.warning("%s", remark)
        wiring.check()
        if wiring.dry_run:
            mark_trial(ctx, wiring.store, shadow=wiring.shadow)
        else:
            clear_trial(ctx, wiring.store)
        if wiring.shadow or not wiring.dry_run:
            migrate(wiring.ledger_url)
        with _keep_source_refusals(wiring), wiring.ledger_for(ctx.run) as ledger:
            kind = "replay" if request.replay else "run"
            # A shadow run raises the store's number too: the ledger is then behind it, and the first live run looks
            # every order up before its first POST, since the older scripts went on sending meanwhile.
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


@contextmanager
def _open_run(pipeline: str, request: RunRequest, context: Context) -> Iterator[Wiring]:
    """The run's wiring. What its first task found the mode to be holds for the whole run, whatever the file says since:
    the ids of a shadow run's scratch ledger mean other orders in the real one.
    """
    begun = context["ti"].xcom_pull(task_ids="extract")
    known = isinstance(begun, Mapping) and "shadow" in begun
    shadow = bool(begun["shadow"]) if known else not request.dry_run and load_pipeline(pipeline).shadow
    ctx = RunContext(pipeline, request.run)
    with (
        open_wiring(pipeline, dry_run=request.dry_run, shadow=shadow) as wiring,
        recorded_cause(ctx, wiring.store, task_name(context)),
    ):
        yield wiring


@contextmanager
def _keep_source_refusals(wiring: Wiring) -> Iterator[None]:
    """A login that is refused to a run on a scratch ledger is noted in the real one too, or the next run would try
    again and lock the account. One that works wakes the pipeline there.
    """
    try:
        yield
    except SourceAuthError as error:
        if wiring.dry_run:
            with open_ledger() as real:
                real.runs.bind(wiring.name, *account_names(wiring))
                if real.runs.suspended_for(wiring.name) is None:
                    real.runs.suspend(wiring.name, wiring.source_connection.fingerprint(), str(error))
        raise
    if wiring.shadow:
        with open_ledger() as real:
            if real.runs.suspended_for(wiring.name) is not None:
                real.runs.resume(wiring.name)


def _replay_archive(ctx: RunContext, ledger: Ledger, wiring: Wiring, request: RunRequest) -> Manifest:
    if request.start is None or request.end is None:
        log.warning("this backfill has no interval, so nothing is taken from the archive")
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
    """Judge what was received. Skipped, and all up to load with it, where there is nothing to do."""
    if not batch.get("work", 1):
        raise AirflowSkipException("nothing was offered, and nothing is ready or due from before")
    request, clock = read_request(context), StageTimer()
    ctx = RunContext(pipeline, request.run)
    with _open_run(pipeline, request, context) as wiring, wiring.ledger_for(ctx.run) as ledger:
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
    with _open_run(pipeline, request, context) as wiring, wiring.ledger_for(ctx.run) as ledger:
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
    """Make payloads, and divide all that is ready or due into chunks; their short names.

    What it did besides is pushed under the key ``manifest``, since only a task's return value can be mapped over.
    """
    request, clock = read_request(context), StageTimer()
    ctx = RunContext(pipeline, request.run)
    with _open_run(pipeline, request, context) as wiring, wiring.ledger_for(ctx.run) as ledger:
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
    with _open_run(pipeline, request, context) as wiring, wiring.ledger_for(ctx.run, keep=False) as ledger:
        ledger.runs.bind(pipeline, *account_names(wiring))
        settings, name = wiring.settings, chunk_name(ctx, chunk)
        share = max(1, min(len(chunk_names(context)), settings.chunks.parallel))
        if wiring.shadow:
            counts = shadow.run_shadow(ctx, ledger, wiring.store, wiring.destination, name, share)
        else:
            asked: list[StopSwitch] = []
            options = load_stage.LoadOptions(
                settings.load, share=share, stop=lambda: _stop_check(pipeline, asked), dry_run=wiring.dry_run
            )
            counts = load_stage.load(ctx, ledger, wiring.store, wiring.destination, name, options)
            if asked and asked[-1].problem:
                log.error("%s", asked[-1].problem)
                notify(ledger, "", invalid_stop_value(asked[-1]))
    return {"kind": "load", "chunk": chunk, **counts, **clock.seconds()}


def _stop_check(pipeline: str, asked: list[StopSwitch]) -> bool:
    """Whether the switch stops this pipeline; what it said is kept in ``asked``. Raises where it cannot be read."""
    asked[:] = [stop_variable.read_stop_switch()]
    return asked[0].stops(pipeline)


def acknowledge(pipeline: str, context: Context) -> XCom:
    """Tell the source what was taken over, and announce the run's orders as an asset event.

    A dry or shadow run is skipped here: an event about orders that were never sent would start others' work.
    """
    request, clock = read_request(context), StageTimer()
    ctx = RunContext(pipeline, request.run)
    counts: dict[str, int] = {}
    with _open_run(pipeline, request, context) as wiring:
        if wiring.dry_run:
            raise AirflowSkipException("a dry or shadow run tells the source nothing and announces nothing")
        ledger = wiring.ledger
        # Acknowledging at another account than the ledger's would silence orders that nobody has read.
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
    """Write the report; raise ``RunFailedError`` where a task of the run failed or the counting law is broken.

    Airflow lets no task write its run's note (the Task SDK has no such call, and the database is closed to tasks), so
    the report is in this task's log and in the batch store, and its counts are in XCom and in the ledger.
    """
    request = read_request(context)
    ctx = RunContext(pipeline, request.run)
    failed = failed_tasks(context)
    batch = batch_manifest(context)
    with _open_run(pipeline, request, context) as wiring, wiring.ledger_for(ctx.run, keep=False) as ledger:
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
        told = check_run(pipeline, ctx.run, failed, result.breaches, repeat_s, result.remarked, causes=result.causes)
        if wiring.shadow:
            with open_ledger() as real:
                notify(real, pipeline, told, settles=RUN_KINDS)
        elif not wiring.dry_run:
            notify(ledger, pipeline, told, settles=RUN_KINDS)
    log.info("\n%s", result.text)
    reasons = [f"failed: {', '.join(failed)}", *dict.fromkeys(result.causes.values())] if failed else []
    reasons += [f"the counting law is broken: {breach}" for breach in result.breaches]
    if reasons:
        raise RunFailedError("; ".join(reasons))
    return {"report": result.name, **result.facts}
