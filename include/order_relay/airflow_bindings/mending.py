"""What the tasks of ``quarantine_replay`` do. Imports the engine; the DAG file does not."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow_bindings.opening import accounts, opened_ledger, opened_wiring
from order_relay.airflow_bindings.runs import person_of, run_slug
from order_relay.batches import Manifest
from order_relay.errors import WrongSetup
from order_relay.ledger import Ledger
from order_relay.orders.exchange import RunContext
from order_relay.pipeline.archive import run_prefix
from order_relay.pipeline.dedupe import dedupe
from order_relay.pipeline.transform import transform
from order_relay.pipeline.validate import validate
from order_relay.wiring import Wiring

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

STOPPED = ("quarantined", "rejected")
MOST_SHOWN = 200
"""So many lines of reasons stand in a report; the rest is counted."""


@dataclass(frozen=True)
class Order:
    """What a person ordered in the trigger form. ``since`` is aware UTC."""

    action: str
    reason: str
    numbers: tuple[str, ...] = ()
    code: str | None = None
    since: datetime | None = None
    pipeline: str | None = None
    everything: bool = False

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Order:
        """From the form. Raises ``WrongSetup`` where it chooses nothing or gives no reason."""
        given = cls(
            action=str(params["action"]),
            reason=str(params["reason"]).strip(),
            numbers=tuple(dict.fromkeys(str(n).strip() for n in params.get("numbers") or () if str(n).strip())),
            code=str(params.get("code") or "").strip() or None,
            since=_moment(params.get("since")),
            pipeline=params.get("pipeline") or None,
            everything=bool(params.get("everything")),
        )
        if not given.reason:
            raise WrongSetup("a reason is needed: it stands in the life of each of these orders")
        if not (given.numbers or given.code or given.since or given.everything):
            raise WrongSetup("nothing is chosen: give order numbers, a reason code, a time, or switch on 'everything'")
        return given


def _moment(given: Any) -> datetime | None:
    if not given:
        return None
    moment = datetime.fromisoformat(str(given))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def choose(context: Context) -> list[str]:
    """Find the orders that the form means and write down which; the pipelines that they belong to.

    Written down before anything is done: a second try of the next task then means the same orders.
    """
    order = Order.of(context["params"])
    with opened_ledger() as ledger:
        rows = ledger.quarantined(order.code, order.numbers or None, order.since)
    chosen: dict[str, set[int]] = {}
    for row in rows:
        if order.pipeline in {None, row["pipeline"]}:
            chosen.setdefault(row["pipeline"], set()).add(row["id"])
    if not chosen:
        raise AirflowSkipException("no quarantined or rejected order matches")
    for pipeline, ids in chosen.items():
        with opened_wiring(pipeline) as wiring:
            wiring.store.write_json(_choice(_ctx(pipeline, context)), {"ids": sorted(ids)})
    log.info("chosen: %s", {name: len(ids) for name, ids in chosen.items()})
    return sorted(chosen)


def carry_out(pipeline: str, context: Context) -> dict[str, Any]:
    """Discard one pipeline's chosen orders, or bring them back and judge them; write what became of them."""
    order, ctx = Order.of(context["params"]), _ctx(pipeline, context)
    with opened_wiring(pipeline) as wiring:
        ledger = wiring.ledger
        ids = [int(i) for i in wiring.store.read_json(_choice(ctx))["ids"]]
        if order.action == "discard":
            ledger.discard(ctx, ids, order.reason)
        else:
            ledger.bind(pipeline, *accounts(wiring))
            ledger.replay(ctx, ids, order.reason)
            _judge(ctx, wiring, ledger)
        states = Counter(str(work.state) for work in ledger.works(ids))
        text = _report(ctx, order, states, _still_stopped(ledger, ids))
        wiring.store.write_text(f"{run_prefix(ctx)}/report.md", text)
    log.info("\n%s", text)
    return {"pipeline": pipeline, "action": order.action, "chosen": len(ids), **states}


def _judge(ctx: RunContext, wiring: Wiring, ledger: Ledger) -> None:
    """Everything received, from the archive: schema, versions, payload. Nothing is sent here."""
    store, transformer, policies = wiring.store, wiring.transformer, wiring.settings.engine_policies
    valid = validate(
        ctx,
        ledger,
        store,
        source=wiring.source.format,
        transformer=transformer,
        manifest=Manifest("replay", ctx.pipeline),
    )
    winners = dedupe(ctx, ledger, store, policies=policies, manifest=valid)
    transform(ctx, ledger, store, transformer=transformer, policies=policies, manifest=winners)


def _still_stopped(ledger: Ledger, ids: Sequence[int]) -> list[dict[str, Any]]:
    numbers = [work.order_number for work in ledger.works(ids) if work.state in STOPPED]
    wanted = set(ids)
    return [row for row in ledger.quarantined(None, numbers) if row["id"] in wanted] if numbers else []


def _report(ctx: RunContext, order: Order, states: Mapping[str, int], stopped: Sequence[Mapping[str, Any]]) -> str:
    """Counts, then each order that still fails with every reason. Holds order numbers and codes, no customers' data."""
    lines = [
        f"# {ctx.pipeline}: {order.action} of {sum(states.values())} orders",
        "",
        f"By {ctx.who}: {order.reason}",
        "",
        *(f"- {state}: {number}" for state, number in sorted(states.items())),
    ]
    if stopped:
        lines += ["", "## Still stopped", "", "| order | code | where | why |", "|---|---|---|---|"]
        lines += [
            f"| {row['order_number']} | `{row['code']}` | `{row['pointer'] or '/'}` | {row['message']} |"
            for row in stopped[:MOST_SHOWN]
        ]
        if len(stopped) > MOST_SHOWN:
            lines.append(f"\nand {len(stopped) - MOST_SHOWN} more reasons: python -m order_relay quarantine")
    if states.get("ready"):
        lines += ["", "What is ready is sent by the pipeline's next run."]
    return "\n".join([*lines, ""])


def _choice(ctx: RunContext) -> str:
    return f"{run_prefix(ctx)}/chosen.json"


def _ctx(pipeline: str, context: Context) -> RunContext:
    return RunContext(pipeline, run_slug(context["dag_run"].run_id), person_of(context))
