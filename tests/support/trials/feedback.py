"""Trials of feedback to a source about its orders: workers are killed, and responses are lost.

The audit then checks that the source received each step of each order, and none again without need.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from order_relay.errors import OrderRelayError
from order_relay.ledger.write_back import feedback as steps
from order_relay.orders.fulfilment.shipment_progress import Shipment, ShippedLine
from order_relay.pipeline.fulfilment import write_back
from order_relay.pipeline.fulfilment.shipments import record_shipment
from order_relay_sandbox import ThreadedSandbox
from tests.support.engine import Engine
from tests.support.faults.case import FeedbackMode, Order
from tests.support.faults.world import World, finish, start, world
from tests.support.feedback_counts import feedback_counts
from tests.support.trials.crashes import killed_at, recorded

LOST: tuple[str | int, ...] = ("cut", "cut_body", 500, 504, "empty", "html")
RUNS = 15


@dataclass(frozen=True)
class Imported:
    """An imported order with ``parcels`` shipped parcels; ``left``: all of it was shipped.

    ``received``: how often the source had received each step by then.
    """

    order: Order
    parcels: int
    left: bool
    received: Mapping[str, int] = field(default_factory=dict)


def discover(params: dict[str, Any]) -> dict[str, int]:
    """Number of calls of each failpoint while all feedback is sent in the ``way``."""
    with _taken_over(params) as (here, _, _):
        return recorded(here, lambda: _send_feedback(here, "victim"))


def crash(params: dict[str, Any]) -> dict[str, Any]:
    """A worker is killed at the ``number``-th call of failpoint ``point``."""
    with _taken_over(params) as (here, sandbox, orders):
        code = killed_at(here, params, lambda: _send_feedback(here, "victim"))
        _until_all_sent(here)
        result = _check(here, sandbox, orders, params, most=2 if code else 1)
    return {**result, "killed": bool(code)}


def lose(params: dict[str, Any]) -> dict[str, Any]:
    """Responses are lost at every endpoint, each kind once, with or without effect."""
    with _taken_over(params) as (here, sandbox, orders):
        keys = [here.case.key(one.order) for one in orders]
        struck = dict(zip(keys, LOST, strict=False))
        rules: list[Mapping[str, Any]] = [
            {"at": place, "effect": params["effect"], "answer": answer, "orders": [key], "times": 1}
            for place in _way(params, here).places
            for key, answer in struck.items()
        ]
        # messages name no single order
        rules += [{"at": "delivery", "effect": params["effect"], "answer": 504, "every": 3}]
        sandbox.change(here.case.at_source(faults=rules))
        _until_all_sent(here)
        return {**_check(here, sandbox, orders, params, most=2), "tried": len(rules)}


def together(params: dict[str, Any]) -> dict[str, Any]:
    """Several workers send feedback concurrently."""
    with _taken_over(params) as (here, sandbox, orders):
        usual, here.settings = here.settings, {**here.settings, "acknowledge": {"given_up_s": 60.0}}
        pids = [start(partial(_send_feedback, here, f"worker-{n}")) for n in range(params["workers"])]
        codes = [finish(pid) for pid in pids]
        here.settings = usual
        _until_all_sent(here)
        result = _check(here, sandbox, orders, params, most=1)
    if any(codes):
        result["faults"]["workers"] = codes
    return result


@contextmanager
def _taken_over(params: Mapping[str, Any]) -> Iterator[tuple[World, ThreadedSandbox, list[Imported]]]:
    """Six imported and acknowledged orders: some shipped complete, some in two parcels, some not shipped."""
    steps.FIRST_DELAY = steps.LONGEST_DELAY = timedelta(milliseconds=10)
    write_back.SLICE_SIZE = 4
    with world(params) as here:
        plain = here.case.plain(6)
        here.extra["source"] = _way(params, here).source
        with here.sandbox({}, plain) as sandbox:
            engine = here.engine()
            here.until_quiet(engine)
            parts = ("nothing", "all", "bit by bit")
            orders = [_ship(engine, here.case.key(order), order, parts[n % 3]) for n, order in enumerate(plain)]
            engine.wiring.close()
            received = sandbox.report()[here.case.source_side]["feedback"]
            yield here, sandbox, [replace(one, received=received[here.case.key(one.order)]["told"]) for one in orders]


def _way(params: Mapping[str, Any], here: World) -> FeedbackMode:
    return here.case.feedback[params["way"]]


def _ship(engine: Engine, key: str, order: Order, what: str) -> Imported:
    """Somebody records what left of an order; one of a single line leaves in a single parcel."""
    if what == "nothing":
        return Imported(order, 0, left=False)
    work = engine.ledger.order_references.match([key]).work
    assert work is not None
    ordered = engine.archive().read([work])[work.id].ordered() or []
    lines = [ShippedLine(line.quantity, line.line, line.item_number) for line in ordered]
    parcels = [()] if what == "all" else [tuple(lines[:1]), tuple(lines[1:])][: len(lines)]
    for number, parcel in enumerate(parcels):
        shipment = Shipment(
            "trial", f"{key}-{number}", (key,), "UPS", "", f"1Z{number}", datetime.now(UTC), lines=parcel
        )
        record_shipment(engine.ledger, engine.archive(), "trial", shipment)
    return Imported(order, len(parcels), left=True)


def _send_feedback(here: World, run: str) -> dict[str, int]:
    engine = here.engine()
    with suppress(OrderRelayError):
        return engine.send_feedback(run)
    return {}


def _until_all_sent(here: World) -> None:
    """Send feedback again, after each time-out, until none is due."""
    engine = here.engine()
    for number in range(RUNS):
        time.sleep(engine.wiring.settings.acknowledge.given_up_s + 0.05)
        sent = _send_feedback(here, f"again-{number}")
        if not sent and all(name.endswith("_done") for name in feedback_counts(engine.ledger, engine.pipeline)):
            return


def _check(
    here: World, sandbox: ThreadedSandbox, orders: list[Imported], params: Mapping[str, Any], most: int
) -> dict[str, Any]:
    """Compare what the source shows and received with what it should; no step more than ``most`` times."""
    seen, way, engine = sandbox.report(), _way(params, here), here.engine()
    received = seen[here.case.source_side]["feedback"]
    wrong: dict[str, Any] = {}
    again: dict[str, Any] = {}
    for one in orders:
        key = here.case.key(one.order)
        there = received.get(key, {})
        want = {"state": "processing", "is_oms_id": True, **(way.shipped if one.left else {})}
        want["line_numbers"] = list(range(1, len(there.get("line_numbers", ())) + 1))
        shown = {**there, "deliveries": len(there.get("deliveries", ()))}
        want["deliveries"] = one.parcels if way.deliveries else 0
        wrong |= {f"{key}: {name}": shown.get(name) for name, value in want.items() if shown.get(name) != value}
        repeats = {step: times - one.received.get(step, 0) for step, times in there.get("told", {}).items()}
        again |= {f"{key}: {step}": times for step, times in repeats.items() if times > most}
    open_ = {n: c for n, c in feedback_counts(engine.ledger, engine.pipeline).items() if not n.endswith("_done")}
    verdict = here.verdict(engine, sandbox, {here.case.source_id(one.order): "imported" for one in orders})
    named = {
        "wrong": wrong,
        "received too often": again,
        "not done": open_,
        "forbidden": verdict["forbidden"],
        "doubled": verdict["doubled"],
        "breaches": verdict["breaches"],
    }
    return {**params, "tried": 1, "faults": {name: what for name, what in named.items() if what}, "verdict": verdict}
