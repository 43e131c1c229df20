"""Trials of a lost ledger: orders are already at the destination, whose search gives wrong results."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from sqlalchemy import text

from order_relay.errors import OrderRelayError
from order_relay.orders.messages import RunContext
from order_relay.pipeline.runs import start
from tests.support.engine import Engine
from tests.support.faults.case import Case
from tests.support.faults.world import faults_of, world

ORDERS, BEFORE = 12, 7


def forget(params: dict[str, Any]) -> dict[str, Any]:
    """Some orders are imported, the ledger is lost, and the search is wrong; no order may be imported again."""
    with world(params) as here:
        case = here.case
        orders = case.plain(ORDERS)
        with here.sandbox(case.at_destination(), orders) as sandbox:
            _send(here.engine(), "first", BEFORE)
            before = len(sandbox.report()["orders"])
            sandbox.change(case.at_destination(**{**case.harsh, **case.destination.lies[params["lie"]]}))
            here.ledger_url = ""
            engine = here.engine(here.another_ledger("second"))
            for number in range(3):
                _send(engine, f"again-{number}")
            verdict = here.verdict(engine, sandbox, {})
            verdict["lost"] = sorted(_imported(engine) - sandbox.report()["orders"].keys())
    # what is not sent waits for an operator, or for a search that works; what only counts as imported is lost
    verdict["breaches"] = []
    verdict["unacknowledged"] = []
    faults = faults_of(verdict)
    if before != BEFORE:
        faults["nothing was forgotten"] = [before]
    return {**params, "tried": BEFORE, "faults": faults, "verdict": verdict}


def _imported(engine: Engine) -> set[str]:
    """The external ids of what the ledger calls imported."""
    with engine.ledger.database.engine.connect() as conn:
        return set(conn.execute(text("SELECT destination_key FROM submission WHERE state = 'imported'")).scalars())


def _send(engine: Engine, run: str, limit: int | None = None) -> None:
    """A run without acknowledging, so that the source offers everything again."""
    ctx, wiring = RunContext(engine.pipeline, run), engine.wiring
    start.start_run(ctx, engine.ledger, wiring.store, (wiring.source.account, wiring.destination.account))
    for chunk in engine.prepare(ctx, engine.extract(ctx), limit):
        with suppress(OrderRelayError):
            engine.load(ctx, chunk)


def product(case: Case) -> list[dict[str, Any]]:
    """Every lie."""
    return [{"lie": lie} for lie in case.destination.lies]
