"""What the tasks of ``quarantine_replay`` do."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay import COMMAND
from order_relay.airflow.context.run_request import triggered_by
from order_relay.airflow.session import account_names, open_ledger, open_wiring
from order_relay.batches import Manifest
from order_relay.errors import ConfigurationError
from order_relay.ledger import Ledger
from order_relay.ledger.schema.listed_rows import QuarantinedSubmission
from order_relay.orders.markdown import markdown_table
from order_relay.orders.messages import RunContext
from order_relay.pipeline.run import PipelineRun
from order_relay.pipeline.runs.objects import run_prefix, run_slug
from order_relay.times import as_utc
from order_relay.wiring.pipeline import Wiring

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

STOPPED_STATES = ("quarantined", "rejected")
MAX_REASONS_SHOWN = 200
"""Maximum lines of reasons in a report; the rest is counted."""


@dataclass(frozen=True)
class ReplayRequest:
    """The values of the trigger form. ``since`` is in UTC."""

    action: str
    reason: str
    numbers: tuple[str, ...] = ()
    code: str | None = None
    since: datetime | None = None
    pipeline: str | None = None
    everything: bool = False

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> ReplayRequest:
        """Read the form. Raises ``ConfigurationError`` if it selects nothing or gives no reason."""
        given = cls(
            action=str(params["action"]),
            reason=str(params["reason"]).strip(),
            numbers=tuple(dict.fromkeys(str(n).strip() for n in params.get("numbers") or () if str(n).strip())),
            code=str(params.get("code") or "").strip() or None,
            since=_parse_time(params.get("since")),
            pipeline=params.get("pipeline") or None,
            everything=bool(params.get("everything")),
        )
        if not given.reason:
            raise ConfigurationError("a reason is required: it is recorded in the history of each order")
        if not (given.numbers or given.code or given.since or given.everything):
            raise ConfigurationError(
                "nothing is selected: give order numbers, a reason code or a time, or switch on 'everything'"
            )
        return given


def _parse_time(given: Any) -> datetime | None:
    if not given:
        return None
    return as_utc(datetime.fromisoformat(str(given)))


def choose(context: Context) -> list[str]:
    """Find the orders that match the form. Returns their pipelines.

    The selection is stored before anything is done, so that a retry of the next task acts on the same orders.
    """
    request = ReplayRequest.of(context["params"])
    with open_ledger() as ledger:
        rows = ledger.queries.quarantined(request.code, request.numbers or None, request.since)
    chosen: dict[str, set[int]] = {}
    for row in rows:
        if request.pipeline in {None, row["pipeline"]}:
            chosen.setdefault(row["pipeline"], set()).add(row["id"])
    if not chosen:
        raise AirflowSkipException("no quarantined or rejected order matches")
    for pipeline, ids in chosen.items():
        with open_wiring(pipeline) as wiring:
            wiring.store.write_json(_selection_object(_run_context(pipeline, context)), {"ids": sorted(ids)})
    log.info("chosen: %s", {name: len(ids) for name, ids in chosen.items()})
    return sorted(chosen)


def carry_out(pipeline: str, context: Context) -> dict[str, Any]:
    """Discard one pipeline's selected orders, or evaluate them again, and write a report."""
    request, ctx = ReplayRequest.of(context["params"]), _run_context(pipeline, context)
    with open_wiring(pipeline) as wiring:
        ledger = wiring.ledger
        ids = [int(i) for i in wiring.store.read_json(_selection_object(ctx))["ids"]]
        if request.action == "discard":
            ledger.bulk.discard(ctx, ids, request.reason)
        else:
            ledger.runs.bind(pipeline, *account_names(wiring))
            ledger.bulk.replay(ctx, ids, request.reason)
            _reevaluate(ctx, wiring, ledger)
        states = Counter(str(work.state) for work in ledger.worklist.get(ids))
        text = _render_report(ctx, request, states, _still_failing(ledger, ids))
        wiring.store.write_text(f"{run_prefix(ctx)}/report.md", text)
    log.info("\n%s", text)
    return {"pipeline": pipeline, "action": request.action, "chosen": len(ids), **states}


def _reevaluate(ctx: RunContext, wiring: Wiring, ledger: Ledger) -> None:
    """Evaluate everything received from the archive: schema, versions, payload. Sends nothing."""
    run = PipelineRun(ctx, wiring, ledger)
    run.transform(run.dedupe(run.validate(Manifest("replay", ctx.pipeline))))


def _still_failing(ledger: Ledger, ids: Sequence[int]) -> list[QuarantinedSubmission]:
    numbers = [work.order_number for work in ledger.worklist.get(ids) if work.state in STOPPED_STATES]
    wanted = set(ids)
    return [row for row in ledger.queries.quarantined(None, numbers) if row["id"] in wanted] if numbers else []


def _render_report(
    ctx: RunContext, request: ReplayRequest, states: Mapping[str, int], failing: Sequence[Mapping[str, Any]]
) -> str:
    """Counts, then every reason of each order that failed again. Contains no customer data."""
    lines = [
        f"# {ctx.pipeline}: {request.action} of {sum(states.values())} orders",
        "",
        f"By {ctx.who}: {request.reason}",
        "",
        *(f"- {state}: {number}" for state, number in sorted(states.items())),
    ]
    if failing:
        lines += ["", "## Failed again", ""]
        rows = (
            (row["order_number"], f"`{row['code']}`", f"`{row['pointer'] or '/'}`", row["message"])
            for row in failing[:MAX_REASONS_SHOWN]
        )
        lines.append(markdown_table(("order", "code", "where", "why"), rows))
        if len(failing) > MAX_REASONS_SHOWN:
            lines.append(f"\nand {len(failing) - MAX_REASONS_SHOWN} more reasons: {COMMAND} quarantine")
    if states.get("ready"):
        lines += ["", "The pipeline's next run sends the orders that are ready."]
    return "\n".join([*lines, ""])


def _selection_object(ctx: RunContext) -> str:
    return f"{run_prefix(ctx)}/chosen.json"


def _run_context(pipeline: str, context: Context) -> RunContext:
    return RunContext(pipeline, run_slug(context["dag_run"].run_id), triggered_by(context))
