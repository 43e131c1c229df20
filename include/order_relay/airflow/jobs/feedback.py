"""What the tasks of the write-back to a source do."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow.incoming.remote_files import open_upload_server
from order_relay.airflow.session import account_names, open_ledger, open_wiring
from order_relay.errors import ConfigurationError
from order_relay.orders.messages import RunContext
from order_relay.pipeline.archive import OrderArchive
from order_relay.pipeline.fulfilment.cancelled_orders import mark_offline_orders, record_cancellations
from order_relay.pipeline.fulfilment.portal_files import PortalContext, write_portal_files
from order_relay.pipeline.fulfilment.write_back import WriteBackContext, send_write_back
from order_relay.pipeline.runs.objects import run_slug
from order_relay.pipeline.settings.pipeline import load_pipeline, pipeline_files

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

ACTOR = "feedback"


def pipelines_in_use(prefix: str) -> list[str]:
    """The pipelines with this name prefix that have run before, without those in shadow mode, which write nothing.

    Skipped if there are none.
    """
    with open_ledger() as ledger:
        ran = [name for name in pipeline_files() if name.startswith(prefix) and ledger.runs.last_sequence(name)]
    found = [name for name in ran if not _in_shadow(name)]
    if not found:
        raise AirflowSkipException("no pipeline in live mode has run before")
    return found


def portal_pipelines(prefix: str) -> list[str]:
    """Those of ``pipelines_in_use`` with ``portal_files: enabled: true``. Skipped if there are none."""
    found = [name for name in pipelines_in_use(prefix) if _writes_portal_files(name)]
    if not found:
        raise AirflowSkipException("no pipeline in live mode has portal_files: {enabled: true}")
    return found


def _writes_portal_files(pipeline: str) -> bool:
    """Whether the pipeline's file enables it; yes if the file is invalid, so that its own task fails and names the
    key."""
    try:
        return load_pipeline(pipeline).portal_files.enabled
    except ConfigurationError:
        return True


def _in_shadow(pipeline: str) -> bool:
    """Whether a pipeline is in shadow mode; no if its file is invalid, so that its own task fails and names the key."""
    try:
        shadow = load_pipeline(pipeline).shadow
    except ConfigurationError:
        return False
    if shadow:
        log.info("%s is in shadow mode: nothing is written to its source", pipeline)
    return shadow


def write_back(pipeline: str, context: Context) -> dict[str, Any]:
    """Write to one pipeline's source everything that is due. Counts by step and outcome."""
    ctx = RunContext(pipeline, run_slug(context["dag_run"].run_id), ACTOR)
    with open_wiring(pipeline) as wiring:
        ledger, settings, source = wiring.ledger, wiring.settings, wiring.write_back_source
        # With another account than the ledger's, our numbers would be written to unrelated orders.
        ledger.runs.bind(pipeline, *account_names(wiring))
        parts = WriteBackContext(
            source,
            ledger,
            OrderArchive(wiring.store, lambda _name: wiring.transformer.reader),
            wiring.source_connection.fingerprint(),
            settings.feedback.parallel,
            settings.acknowledge.given_up_s,
            settings.feedback.most_refusals,
            settings.feedback.done_after == "import",
        )
        cancelled = record_cancellations(ctx, parts, settings.feedback.cancelled_days)
        counts = {"cancelled": cancelled, **send_write_back(ctx, parts)}
        reading = settings.reading
        counts |= mark_offline_orders(ctx, parts, first_days=reading.first_days, overlap_s=reading.overlap_s)
    return {"pipeline": pipeline, **counts}


def write_portal(pipeline: str, context: Context) -> dict[str, Any]:
    """Write the files for the sales portal of one pipeline's source. Counts by file."""
    ctx = RunContext(pipeline, run_slug(context["dag_run"].run_id), ACTOR)
    with open_wiring(pipeline) as wiring:
        settings = wiring.settings.portal_files
        if not settings.enabled or wiring.settings.shadow:  # changed since the task was planned
            return {"pipeline": pipeline}
        form = wiring.portal_format
        wiring.ledger.runs.bind(pipeline, *account_names(wiring))
        archive = OrderArchive(wiring.store, lambda _name: wiring.transformer.reader)
        with open_upload_server(settings.connection, settings.folder) as server:
            counts = write_portal_files(ctx, PortalContext(wiring.ledger, archive, server, form, settings))
    return {"pipeline": pipeline, **counts}
