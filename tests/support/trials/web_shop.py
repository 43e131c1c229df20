"""Trials of a web shop: details that cannot be read or vanish, and orders that the shop cancels at any moment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from order_relay.orders.messages import RunContext
from order_relay.pipeline.fulfilment.cancelled_orders import record_cancellations
from order_relay.pipeline.runs.start import start_run
from order_relay_sandbox import ThreadedSandbox
from tests.support.engine import Engine
from tests.support.faults.cancelled_orders import CancellationAudit
from tests.support.faults.case import Order, lost
from tests.support.faults.world import World, faults_of, world
from tests.support.trials.feedback import _ship

ORDERS = 10
UNREADABLE: tuple[str | int, ...] = (500, 503, "cut", "cut_body", "hang", "html", "empty", 403, 302)
VANISHING = 404
QUICK = {"detail_tries": 1, "detail_pause_s": 0.0, "timeout_s": 0.5}

BEFORE_SENDING, UNSTORED, STORED, BEFORE_TAKE_OVER, AFTER_TAKE_OVER = MOMENTS = (
    "before it is sent",
    "in doubt, not stored",
    "in doubt, stored",
    "before the take-over",
    "after the take-over",
)
"""When the shop cancels an order."""

ROUNDS = 12
AFTER_CANCEL = "feedback after the cancellation"


def unread(params: dict[str, Any]) -> dict[str, Any]:
    """Three of ten details, at the places ``struck``, answer wrongly for some runs, then well again."""
    with world(params) as here:
        here.extra["source"] = QUICK
        orders = here.case.plain(ORDERS)
        with here.sandbox({}, orders) as sandbox:
            struck = [here.case.key(orders[place]) for place in params["struck"]]
            rules = [{"at": "detail", "answer": params["answer"], "orders": [key], "seconds": 1.0} for key in struck]
            sandbox.change(here.case.at_source(faults=rules))
            engine = here.engine()
            complaints = here.until_quiet(engine, 3)
            well = sandbox.report()["imported"]
            sandbox.change(here.case.at_source(faults=[]))
            here.until_quiet(engine)
            verdict = here.verdict(engine, sandbox, dict.fromkeys(map(here.case.source_id, orders), "imported"))
    faults = faults_of(verdict)
    if complaints or well != ORDERS - len(struck):
        faults["others held up"] = [well, *complaints]
    return {**params, "tried": len(struck), "faults": faults, "verdict": verdict}


def cancelled(params: dict[str, Any]) -> dict[str, Any]:
    """The shop cancels three of six orders at the ``moment``; then all are shipped and reported in the ``way``."""
    with world(params) as here:
        here.extra["source"] = here.case.feedback[params["way"]].source
        orders = here.case.plain(6)
        missing, kept = orders[::2], orders[1::2]
        with here.sandbox({}, orders) as sandbox:
            engine, audit = here.engine(), CancellationAudit(here, sandbox)
            _until_cancelled(here, engine, sandbox, missing, params["moment"])
            late = audit.shipped(engine)
            unsent = params["moment"] in (BEFORE_SENDING, UNSTORED)
            expected = dict.fromkeys(map(here.case.source_id, missing), "waiting" if unsent else "imported")
            expected |= dict.fromkeys(map(here.case.source_id, kept), "imported")
            for order in kept if unsent else orders:
                _ship(engine, here.case.key(order), order, "all")
            _send_everything(here, engine)
            here.until_quiet(engine)
            verdict = here.verdict(engine, sandbox, expected)
            faults = faults_of(verdict) | _received(
                here, engine, sandbox, missing, kept, tasks=0 if unsent else len(missing)
            )
            late += [*audit.shipped(engine), *faults.get(AFTER_CANCEL, ())]
    if late:
        faults["shipped after the cancellation was known"] = late
    return {**params, "tried": len(missing), "faults": faults, "verdict": verdict, "late": late}


def _until_cancelled(here: World, engine: Engine, sandbox: ThreadedSandbox, missing: list[Order], moment: str) -> None:
    """Run until ``moment``, cancel, and run on until quiet."""
    keys = [here.case.key(order) for order in missing]
    if moment == BEFORE_SENDING:
        ctx, wiring = RunContext(engine.pipeline, "prepared"), engine.wiring
        start_run(ctx, engine.ledger, wiring.store, (wiring.source.account, wiring.destination.account))
        engine.prepare(ctx, engine.extract(ctx))
    elif moment in (UNSTORED, STORED):
        effect = "done" if moment == STORED else "none"
        sandbox.change(here.case.at_destination(faults=[lost(effect, 504, orders=keys)]))
        here.run(engine)
    elif moment == BEFORE_TAKE_OVER:
        refused = [{"at": here.case.acknowledged_at, "effect": "none", "answer": 400, "orders": keys}]
        sandbox.change(here.case.at_source(faults=refused))
        here.run(engine)
    else:
        here.until_quiet(engine)
    for key in keys:
        sandbox.change_order(key, state="cancel")
    sandbox.change({**here.case.at_source(faults=[]), **here.case.at_destination(faults=[])})
    here.until_quiet(engine)


def _send_everything(here: World, engine: Engine) -> None:
    """The steps of the feedback DAG, until nothing is left to send."""
    for number in range(ROUNDS):
        time.sleep(engine.wiring.settings.acknowledge.given_up_s + 0.05)
        ctx = RunContext(engine.pipeline, f"cancelled-{number}")
        news = record_cancellations(ctx, engine.feedback_parts(), 30)
        if not engine.send_feedback(f"feedback-{number}") and not news:
            return


def _received(
    here: World, engine: Engine, sandbox: ThreadedSandbox, missing: list[Order], kept: list[Order], *, tasks: int
) -> dict[str, Any]:
    """The feedback that the shop received about cancelled and other orders, and the operators' tasks."""
    side: Mapping[str, Any] = sandbox.report()[here.case.source_side]
    found: dict[str, Any] = {}
    if side["told_after_cancel"]:
        found[AFTER_CANCEL] = side["told_after_cancel"]
    if sorted(side["cancelled"]) != sorted(map(here.case.key, missing)):
        found["cancelled"] = side["cancelled"]
    untold = [key for key in map(here.case.key, kept) if not side["feedback"].get(key, {}).get("is_oms_id")]
    if untold:
        found["no feedback for the others"] = untold
    known = engine.ledger.cancellations.unsettled(engine.pipeline)
    if len(known) != tasks:
        found["tasks"] = [row["order_number"] for row in known]
    return found
