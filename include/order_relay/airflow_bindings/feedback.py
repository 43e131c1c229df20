"""What the tasks of feedback do. Imports the engine; the DAG file does not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow_bindings.opening import accounts, opened_ledger, opened_wiring
from order_relay.airflow_bindings.runs import run_slug
from order_relay.errors import WrongSetup
from order_relay.orders.exchange import RunContext
from order_relay.pipeline.feedback import Parts, give_feedback
from order_relay.pipeline.reading_back import OrderArchive
from order_relay.pipeline.settings import load_pipeline, pipeline_files
from order_relay.pipeline.source_news import mark_offline, note_cancelled

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

WHO = "feedback"


def pipelines_in_use(prefix: str) -> list[str]:
    """The pipelines whose names begin so and that ever ran, but for those in shadow mode: they tell nobody anything.
    Skipped where there is none.
    """
    with opened_ledger() as ledger:
        ran = [name for name in pipeline_files() if name.startswith(prefix) and ledger.last_sequence(name)]
    found = [name for name in ran if not _in_shadow(name)]
    if not found:
        raise AirflowSkipException("no pipeline in live mode has taken orders over yet")
    return found


def _in_shadow(pipeline: str) -> bool:
    """Whether a pipeline is in shadow mode. One whose file is wrong is not: its own task names what is wrong."""
    try:
        shadow = load_pipeline(pipeline).shadow
    except WrongSetup:
        return False
    if shadow:
        log.info("%s is in shadow mode: its source is told nothing", pipeline)
    return shadow


def tell(pipeline: str, context: Context) -> dict[str, Any]:
    """Tell one pipeline's source everything that is due. Counts by step and outcome."""
    ctx = RunContext(pipeline, run_slug(context["dag_run"].run_id), WHO)
    with opened_wiring(pipeline) as wiring:
        ledger, settings, source = wiring.ledger, wiring.settings, wiring.feedback_taker
        # Telling another account than the ledger's would write our numbers into somebody else's orders.
        ledger.bind(pipeline, *accounts(wiring))
        parts = Parts(
            source,
            ledger,
            OrderArchive(wiring.store, lambda _name: wiring.transformer.reader),
            wiring.source_connection.fingerprint(),
            settings.feedback.parallel,
            settings.acknowledge.given_up_s,
            settings.feedback.most_refusals,
            settings.feedback.done_after == "import",
        )
        cancelled = note_cancelled(ctx, parts, settings.feedback.cancelled_days)
        counts = {"cancelled": cancelled, **give_feedback(ctx, parts)}
        reading = settings.reading
        counts |= mark_offline(ctx, parts, first_days=reading.first_days, overlap_s=reading.overlap_s)
    return {"pipeline": pipeline, **counts}
