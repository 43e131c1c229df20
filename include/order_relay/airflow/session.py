"""Opens a pipeline's wiring, or the ledger, for a task. Imports the engine, so DAG files must not import this."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowException

from order_relay import measurements
from order_relay.airflow import connections
from order_relay.airflow.context.run_request import RunRequest, task_name
from order_relay.airflow.telemetry import structured_logs
from order_relay.airflow.telemetry.recording import engine_measured, mode_of
from order_relay.errors import OrderRelayError, SourceAuthError, redacted_trace
from order_relay.ledger import Ledger, migrate
from order_relay.orders.messages import RunContext
from order_relay.pipeline.runs.collector import collect_rarely
from order_relay.pipeline.runs.failures import recorded_cause
from order_relay.pipeline.settings.pipeline import load_pipeline
from order_relay.wiring.pipeline import Wiring

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


@contextmanager
def open_wiring(pipeline: str, *, dry_run: bool = False, shadow: bool = False) -> Iterator[Wiring]:
    """A pipeline wired from Airflow's connections and Variables. Raises ``ConfigurationError``."""
    url, filesystem = connections.store_filesystem(connections.store_url())
    with (
        redacted_errors(),
        measured(pipeline, trial=dry_run or shadow),
        Wiring.for_pipeline(
            pipeline,
            connections.connection,
            connections.ledger_url(),
            url,
            filesystem=filesystem,
            dry_run=dry_run or shadow,
            shadow=shadow,
        ) as wiring,
    ):
        yield wiring


@contextmanager
def measured(name: str, *, trial: bool = False) -> Iterator[None]:
    """What the engine measures meanwhile becomes metrics of a pipeline or status account, also if the task fails.

    ``trial``: the ledger is a scratch copy, so its leases do not count.
    """
    measurements.take()  # measured before, for something else
    try:
        yield
    finally:
        found = measurements.take()
        engine_measured(name, replace(found, leases_expired=0) if trial else found)


@contextmanager
def open_run(pipeline: str, request: RunRequest, context: Context) -> Iterator[Wiring]:
    """The wiring of an order DAG's run, in the mode that its first task found.

    Later changes of ``mode`` in the pipeline file do not affect the run: ids in the scratch ledger of a shadow run
    denote other orders in the real ledger. Causes of failures are recorded for the report.
    """
    collect_rarely()
    first = context["ti"].xcom_pull(task_ids="extract")
    known = isinstance(first, Mapping) and "shadow" in first
    shadow = bool(first["shadow"]) if known else not request.dry_run and load_pipeline(pipeline).shadow
    batch = str(first.get("name", "")) if known else ""
    structured_logs.bind_run(pipeline, request.run, mode_of(request, shadow=shadow), batch)
    with (
        open_wiring(pipeline, dry_run=request.dry_run, shadow=shadow) as wiring,
        recorded_cause(RunContext(pipeline, request.run), wiring.store, task_name(context)),
    ):
        yield wiring


@contextmanager
def record_refused_logins(wiring: Wiring) -> Iterator[None]:
    """Record a login refused to a dry or shadow run in the real ledger too, and end a suspension if a login works.

    The run itself uses a scratch ledger. Without this the next run would try again, and the vendor locks the account.
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


@contextmanager
def open_ledger() -> Iterator[Ledger]:
    """The ledger of all pipelines. It is migrated first, since these DAGs may run before any pipeline did."""
    url = connections.ledger_url()
    with redacted_errors():
        migrate(url)
        ledger = Ledger.open(url)
        try:
            yield ledger
        finally:
            ledger.close()


@contextmanager
def redacted_errors() -> Iterator[None]:
    """Keep customer data out of Airflow's logs, which show an exception with its message and all its causes.

    Our own errors carry no customer data and pass with their message. Of their causes, and of unexpected errors, only
    exception types and code locations are logged. Unexpected errors become ``OrderRelayError``.
    """
    try:
        yield
    except OrderRelayError as error:
        if error.__cause__ is not None:
            log.warning("%s", redacted_trace(error))
        raise error from None
    except AirflowException:
        raise
    except Exception as error:
        raise OrderRelayError(f"unexpected error (details redacted): {redacted_trace(error)}") from None


def account_names(wiring: Wiring) -> tuple[str, str]:
    """Source and destination account, as ``bind`` of the ledger takes them."""
    return wiring.source.account, wiring.destination.account
