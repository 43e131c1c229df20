"""What the tasks of ``history_import`` do."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow.context.run_request import failed_tasks, task_name, triggered_by
from order_relay.airflow.incoming.remote_files import open_file_server
from order_relay.airflow.metadata import stop_variable
from order_relay.airflow.notify.notifications import notify
from order_relay.airflow.session import account_names, open_ledger, open_wiring, record_refused_logins
from order_relay.batches import Manifest
from order_relay.errors import ConfigurationError, RunFailedError
from order_relay.ledger import migrate
from order_relay.ledger.delivery.history_imports import HistoryRange, HistorySlice
from order_relay.orders.messages import RunContext
from order_relay.pipeline.alerts.kinds import FILES_LEFT, RUN_KINDS
from order_relay.pipeline.alerts.run_rules import check_run, files_not_fetched
from order_relay.pipeline.fulfilment.status_fetch import fetch_files
from order_relay.pipeline.history.files import DeliveredFiles
from order_relay.pipeline.history.importer import HistoryImporter, check_history
from order_relay.pipeline.history.progress import progress_report
from order_relay.pipeline.history.slices import days_of, read_range
from order_relay.pipeline.load.stage import LoadOptions
from order_relay.pipeline.report import report as report_stage
from order_relay.pipeline.run import PipelineRun
from order_relay.pipeline.runs.failures import read_causes, recorded_cause
from order_relay.pipeline.runs.objects import run_prefix, run_slug
from order_relay.pipeline.runs.start import start_run
from order_relay.pipeline.runs.trials import clear_trial, mark_trial
from order_relay.pipeline.settings.pipeline import load_pipeline
from order_relay.pipeline.stages.validate import has_work
from order_relay.wiring.pipeline import Wiring

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

XCom = dict[str, Any]

_NOTHING_LEFT = "this range was imported before, and nothing is left; switch on 'Read again' to read it once more"
_NO_FILES = "there is no file that was not imported before"


@dataclass(frozen=True)
class _Request:
    """The values of the trigger form."""

    pipeline: str
    first_day: str | None
    last_day: str | None
    dry_run: bool
    limit: int | None
    again: bool

    @classmethod
    def of(cls, context: Context) -> _Request:
        """Read the form. Raises ``ConfigurationError`` without a pipeline."""
        params: Mapping[str, Any] = context["params"]
        name = str(params.get("pipeline") or "")
        if not name:
            raise ConfigurationError("pipeline: is missing; choose the pipeline whose orders are imported")
        return cls(
            name,
            params.get("first_day") or None,
            params.get("last_day") or None,
            bool(params.get("dry_run")),
            int(params["limit"]) if params.get("limit") else None,
            bool(params.get("again")),
        )


def plan(context: Context) -> XCom:
    """Check everything, register the run, and begin or continue the import.

    Skipped if all of it was done before and no order of the pipeline is still to be sent.
    """
    request, ctx = _Request.of(context), _run_context(context)
    now = datetime.now(UTC)
    shadow = not request.dry_run and load_pipeline(request.pipeline).shadow
    with _open(context, request, shadow=shadow) as wiring:
        wiring.check()
        what = HistoryRange() if wiring.reads_files else read_range(request.first_day, request.last_day, now)
        check_history(wiring.source, wiring.build_transformer(), what, files=wiring.reads_files)
        if wiring.dry_run:
            mark_trial(ctx, wiring.store, shadow=shadow)
        else:
            clear_trial(ctx, wiring.store)
        if shadow or not wiring.dry_run:
            migrate(wiring.ledger_url)
        trouble = _fetch(wiring)
        with wiring.ledger_for(ctx.run) as ledger:
            if not wiring.dry_run:
                notify(ledger, ctx.pipeline, files_not_fetched(ctx.pipeline, FILES_LEFT, trouble), settles=[FILES_LEFT])
            start_run(ctx, ledger, wiring.store, account_names(wiring), "history", note=shadow or not wiring.dry_run)
            files = _delivered(wiring)
            slices: list[HistorySlice] = list(days_of(what, now) if files is None else files.slices())
            number = ledger.history_imports.begin(ctx, what, slices, again=request.again)
            unfinished = {one.name for one in ledger.history_imports.unfinished(number)}
            if files is not None and not wiring.dry_run:
                files.remove_known(unfinished)
            is_open = not wiring.dry_run and has_work(ledger, ctx.pipeline, Manifest("replay", ctx.pipeline))
    if not (left := len(unfinished)) and not is_open:
        raise AirflowSkipException(_NOTHING_LEFT if files is None else _NO_FILES)
    log.info("history import %d of %s: %d slices, %d of them left", number, request.pipeline, len(slices), left)
    return {"pipeline": request.pipeline, "number": number, "left": left, "shadow": int(shadow)}


def _delivered(wiring: Wiring) -> DeliveredFiles | None:
    """The delivered files, if the source reads files."""
    if not wiring.reads_files:
        return None
    return DeliveredFiles(
        wiring.store,
        wiring.name,
        wiring.source,
        limit=wiring.settings.files.size_limit_bytes,
        reading=wiring.source_connection.fingerprint(),
    )


def _fetch(wiring: Wiring) -> list[str]:
    """Copy the files of a file server into the batch store; not in a trial, which changes nothing on the server.

    Returns why files could not be copied.
    """
    settings = wiring.settings.files
    if settings.fetch is None or wiring.dry_run:
        return []
    with open_file_server(settings.fetch.connection, settings.fetch.folder) as server:
        done = fetch_files(wiring.name, server, wiring.store, settings.fetch, size_limit=settings.size_limit_bytes)
    log.info("history import of %s: %d files fetched, %d not", wiring.name, done.fetched, len(done.trouble))
    return done.trouble


def import_slices(context: Context, planned: Mapping[str, Any]) -> XCom:
    """Import all slices that are left. Raises what the stages raise; a retry continues at the slice that broke off."""
    request, ctx = _Request.of(context), _run_context(context)
    with _open(context, request, shadow=bool(planned["shadow"])) as wiring, wiring.ledger_for(ctx.run) as ledger:
        options = LoadOptions(wiring.settings.load, stop=lambda: _is_stopped(ctx.pipeline), dry_run=request.dry_run)
        run = PipelineRun(ctx, wiring, ledger)
        files = _delivered(wiring)
        importer = HistoryImporter(run, int(planned["number"]), options, trial=wiring.dry_run, files=files)
        with record_refused_logins(wiring):
            left = importer.import_all(request.limit)
        now = ledger.history_imports.progress(importer.number)
    return {"slices": now.slices, "done": now.done, "left": int(left), **now.counts}


def report(context: Context, planned: Mapping[str, Any] | None) -> XCom:
    """Write the report. Raises ``RunFailedError`` if a task of the run failed or the accounting check failed."""
    failed = failed_tasks(context)
    if not planned:
        if not failed:
            raise AirflowSkipException("nothing was imported")
        _alert_unplanned(context, failed)
    request, ctx = _Request.of(context), _run_context(context)
    with _open(context, request, shadow=bool(planned["shadow"])) as wiring:
        with wiring.ledger_for(ctx.run, keep=False) as ledger:
            now = ledger.history_imports.progress(int(planned["number"]))
            result = report_stage.write_report(ctx, ledger, wiring.store, failed_tasks=failed)
            ledger.runs.end(ctx, result.facts)
            if not wiring.dry_run:
                repeat_s = wiring.settings.alerts.repeat_s
                alerts = check_run(
                    ctx.pipeline, ctx.run, failed, result.breaches, repeat_s, result.remarked, causes=result.causes
                )
                # other pipelines have ordinary runs, whose failures are not over with this run
                notify(ledger, ctx.pipeline, alerts, settles=RUN_KINDS if wiring.reads_files else ())
        text = progress_report(now, trial=wiring.dry_run) + result.text
        wiring.store.write_text(f"{run_prefix(ctx)}/report.md", text)
    log.info("\n%s", text)
    reasons = [f"failed: {', '.join(failed)}", *dict.fromkeys(result.causes.values())] if failed else []
    reasons += [f"accounting check FAILED: {breach}" for breach in result.breaches]
    if reasons:
        raise RunFailedError("; ".join(reasons))
    return {"report": result.name, "slices": now.slices, "done": now.done, **now.counts}


def _alert_unplanned(context: Context, failed: Sequence[str]) -> NoReturn:
    """Raise an alert and ``RunFailedError`` for a run whose plan failed, such as for a file that cannot be read."""
    request, ctx = _Request.of(context), _run_context(context)
    with _open(context, request, shadow=False) as wiring:
        causes = read_causes(ctx, wiring.store, failed)
        repeat_s = wiring.settings.alerts.repeat_s
    if not request.dry_run:
        with open_ledger() as ledger:
            notify(ledger, ctx.pipeline, check_run(ctx.pipeline, ctx.run, failed, (), repeat_s, causes=causes))
    raise RunFailedError("; ".join([f"failed: {', '.join(failed)}", *causes.values()]))


def _is_stopped(pipeline: str) -> bool:
    """Whether the stop switch stops this pipeline. Raises ``TransientError`` if it cannot be read."""
    switch = stop_variable.read_stop_switch()
    if switch.problem:
        log.error("%s", switch.problem)
    return switch.stops(pipeline)


@contextmanager
def _open(context: Context, request: _Request, *, shadow: bool) -> Iterator[Wiring]:
    """The wiring of a run; causes of failures are recorded for the report."""
    with (
        open_wiring(request.pipeline, dry_run=request.dry_run, shadow=shadow) as wiring,
        recorded_cause(_run_context(context), wiring.store, task_name(context)),
    ):
        yield wiring


def _run_context(context: Context) -> RunContext:
    return RunContext(_Request.of(context).pipeline, run_slug(context["dag_run"].run_id), triggered_by(context))
