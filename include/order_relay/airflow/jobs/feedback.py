"""What the tasks of the write-back to a source do."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow.session import account_names, open_ledger, open_wiring
from order_relay.errors import ConfigurationError
from order_relay.orders.messages import RunContext
from order_relay.pipeline.archive import OrderArchive
from order_relay.pipeline.fulfilment.cancelled_orders import mark_offline_orders, record_cancellations
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
