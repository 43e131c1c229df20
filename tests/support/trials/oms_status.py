"""Trials of asking the OMS what became of orders: kills, wrong answers, contradictions, notifications that lie.

A run does what the DAGs do in a quarter of an hour: notifications arrive, the OMS is asked, the shop's cancellations
are read, and the shop receives its feedback. The audit then checks statuses, parcels, events and feedback, and at every
moment that nothing is shipped whose cancellation was known.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import httpx

from order_relay.batches import BatchStore
from order_relay.connections import Connection
from order_relay.endpoints.app import create_app
from order_relay.endpoints.dependencies import Deployment
from order_relay.errors import OrderRelayError
from order_relay.orders.fulfilment.oms_order import AskingPace
from order_relay.orders.messages import RunContext
from order_relay.pipeline.fulfilment.cancelled_orders import record_cancellations
from order_relay_sandbox import ThreadedSandbox
from order_relay_sandbox.shopatron.switches import ShopatronSwitches
from tests.support.engine import Engine
from tests.support.faults.cancelled_orders import CancellationAudit
from tests.support.faults.case import LOST_ANSWERS, Order
from tests.support.faults.cases import named
from tests.support.faults.world import World, finish, start, world
from tests.support.trials.crashes import killed_at, recorded
from tests.support.trials.feedback import _ship

CASE = "cloudsuite-shopatron"
SECRET = "trial-secret"
ROUNDS = 6
ALWAYS_DUE = AskingPace(first_s=0.0, share=0.0, longest_s=0.0)


@dataclass(frozen=True)
class Fate:
    """What happens to one order: at the OMS (``wish``), in the shop, and before that in the warehouse.

    ``reading``, ``parcels`` (tracking numbers) and ``shown`` (the shop's state and shipment state) are the end of it.
    """

    wish: Mapping[str, Any]
    reading: str
    parcels: tuple[str, ...] = ()
    shown: tuple[str, str | None] | None = ("processing", None)
    cancelled_by_shop: bool = False
    left_before: bool = False


FATES = (
    Fate({}, "open"),
    Fate({"ship": {"tracking": "T1"}}, "shipped", ("T1",), ("processing", "sent")),
    Fate({"ship": {"tracking": "T2", "items": {"0": 1}}}, "partly_shipped", ("T2",)),
    Fate({"cancel": True}, "cancelled", (), ("cancel", None)),
    Fate({"cancel_items": [0]}, "partly_cancelled"),
    Fate({"status": "CUSTOMER CARE"}, "unknown"),
    Fate({"cancel": True}, "cancelled", (), ("cancel", None), cancelled_by_shop=True),
    Fate({"ship": {"tracking": "T7"}}, "shipped", ("T7",), ("cancel", None), cancelled_by_shop=True),
    Fate({"cancel": True}, "cancelled", ("1Z0",), None, left_before=True),
)

PLACES = ("order", "shipments", "token")
ANSWERS: tuple[str | int, ...] = (
    *LOST_ANSWERS,
    *("throttle_403", "throttle_429", "bad_key", 400, 401, 403, 404, 429),
    *("no_id", "error_in_200", "wrong_type", "redirect", "echo", "oversized"),
)

CONTRADICTIONS: Mapping[str, Mapping[str, Any]] = {
    "another order's detail": {"detail_answers": "other"},
    "another order's detail without names": {
        "detail_answers": "other",
        "order_carries_external_id": False,
        "order_carries_manufacturer": False,
    },
    "shipments of all orders": {"shipment_search": "ignored"},
    "shipments of all orders without names": {"shipment_search": "ignored", "shipments_carry_order": False},
    "shipments cannot be searched": {"shipment_search": "error"},
    "no item shows its state": {"items_carry_state": False},
    **{f"search: {lie}": switches for lie, switches in named(CASE).destination.lies.items() if switches},
}

WORDS = {"READY": "open", "SHIPPED": "shipped", "CANCELLED": "cancelled", "CUSTOMER CARE": "unknown"}

HOSTILE_NOTIFICATIONS: tuple[tuple[int, bytes], ...] = (
    (200, b'{"orderID": 1, "orderStatus": "CANCELED"}'),
    (400, b'{"orderID": "7", "orderSta'),
    (400, b"[]"),
    (400, b'{"orderStatus": "CANCELED"}'),
    (400, b'{"orderID": true, "externalOrderID": ["1"]}'),
    (413, b" " * 1_048_577),
)
"""Notifications that are about no order of ours, with the status of their answer."""


def discover(params: dict[str, Any]) -> dict[str, int]:
    """Number of calls of each failpoint in the run after everything has happened."""
    with _happened(params) as (here, _, _):
        return recorded(here, lambda: run(here))


def crash(params: dict[str, Any]) -> dict[str, Any]:
    """That run is killed at the ``number``-th call of failpoint ``point``."""
    with _happened(params) as (here, sandbox, orders):
        audit = CancellationAudit(here, sandbox)
        code = killed_at(here, params, lambda: run(here))
        with _worker(here) as engine:
            late = audit.shipped(engine)
        result = _end(here, sandbox, orders, params, audit, late)
    return {**result, "killed": code == -signal.SIGKILL}


def answers(params: dict[str, Any]) -> dict[str, Any]:
    """Every answer ``at`` one place is ``answer`` for a run; at ``order``, those about every second order."""
    keys = [named(CASE).key(order) for order in _orders()[1::2]]
    rule = {"at": params["at"], "answer": params["answer"], "seconds": 3.0, "retry_after_s": 3600.0}
    struck = {**rule, "orders": keys} if params["at"] == "order" else rule
    return _deceived(params, {"faults": [struck]}, {"faults": []})


def contradiction(params: dict[str, Any]) -> dict[str, Any]:
    """The OMS contradicts itself in the ``way`` for a run: what it shows is of other orders, incomplete or too much."""
    switches = CONTRADICTIONS[params["way"]]
    usual = {name: ShopatronSwitches.model_fields[name].default for name in switches}
    return _deceived(params, switches, usual)


def sequences() -> list[list[tuple[str, ...]]]:
    """All sequences of three words, as many together as there are orders."""
    every = [*product(WORDS, repeat=3)]
    return [every[at : at + len(FATES)] for at in range(0, len(every), len(FATES))]


def changes(params: dict[str, Any]) -> dict[str, Any]:
    """The status words of orders change as in ``words``, one sequence for each; the last word counts.

    Once an order was cancelled, no later word gets it shipped.
    """
    late: list[str] = []
    with _imported(params) as (here, sandbox, orders):
        audit = CancellationAudit(here, sandbox)
        of_order = dict(zip(map(here.case.key, orders), params["words"], strict=False))
        for number in range(max(map(len, of_order.values()))):
            for key, words in of_order.items():
                sandbox.post("/_shopatron/change", {"order": key, "status": words[number]})
            run(here)
            with _worker(here) as engine:
                late += audit.shipped(engine)
        with _worker(here) as engine:
            readings = {key: _reading(engine, key) for key in of_order}
            breaches = engine.ledger.accounting.invariant_violations()
    expected = {key: WORDS[words[-1]] for key, words in of_order.items()}
    lost = [f"{key} is {readings[key]}, not {one}" for key, one in expected.items() if readings[key] != one]
    verdict = {"lost": lost, "doubled": [], "in_doubt": [], "breaches": breaches}
    return {**_result(params, verdict, late), "tried": len(of_order)}


def together(params: dict[str, Any]) -> dict[str, Any]:
    """Several workers do the same run at once."""
    with _happened(params) as (here, sandbox, orders):
        audit = CancellationAudit(here, sandbox)
        codes = [finish(pid) for pid in [start(partial(run, here)) for _ in range(params["workers"])]]
        result = _end(here, sandbox, orders, params, audit, [])
    if any(codes):
        result["faults"]["workers"] = codes
    return result


def run(here: World) -> list[int]:
    """What the DAGs and the endpoint do; the status of the answers to notifications. Each part fails by itself."""
    with _worker(here) as engine:
        keys = [here.case.key(order) for order in _orders()]
        told = [json.dumps({"externalOrderID": key, "orderStatus": "CANCELED"}).encode() for key in keys]
        statuses = asyncio.run(_notify(here, [*told, *(body for _, body in HOSTILE_NOTIFICATIONS)]))
        for work in (_ask, _read_cancellations, _send_feedback):
            with suppress(OrderRelayError):
                work(engine)
    return statuses


def _ask(engine: Engine) -> None:
    engine.ask_oms(pace=ALWAYS_DUE)


def _read_cancellations(engine: Engine) -> None:
    record_cancellations(RunContext(engine.pipeline, "cancelled"), engine.feedback_parts(), 30)


def _send_feedback(engine: Engine) -> None:
    engine.send_feedback("feedback")


async def _notify(here: World, bodies: list[bytes]) -> list[int]:
    """Post notifications to the receiver, each with a duplicate; returns the statuses of the first answers."""
    connections = here.case.connect(here.url, notification_secret=SECRET)
    store = BatchStore((here.folder / "batches").as_uri())

    def connection(conn_id: str) -> Connection:
        return connections[conn_id]

    parts = Deployment(connection, lambda: here.ledger_url, lambda: store)
    transport = httpx.ASGITransport(create_app(parts), raise_app_exceptions=True)
    statuses = []
    with closing(parts):
        async with httpx.AsyncClient(transport=transport, base_url="http://relay.example") as web:
            for body in bodies:
                for copy in range(2):
                    answer = await web.post("/shopatron/events", content=body, headers={"Authorization": SECRET})
                    statuses += [] if copy else [answer.status_code]
    return statuses


@contextmanager
def _worker(here: World) -> Iterator[Engine]:
    engine = here.engine()
    try:
        yield engine
    finally:
        engine.wiring.close()


def _orders() -> list[Order]:
    """One order with several lines for each fate."""
    return [order for order in named(CASE).plain(60) if len(order["order_lines"]) > 1][: len(FATES)]


@contextmanager
def _imported(params: Mapping[str, Any]) -> Iterator[tuple[World, ThreadedSandbox, list[Order]]]:
    """Imported and acknowledged orders that are open at the OMS, as a first run has read."""
    with world({"case": CASE, **params}) as here:
        here.extra["source"] = {**here.case.feedback["shipment state"].source, "report_cancelled": True}
        orders = _orders()
        with here.sandbox({}, orders) as sandbox:
            with _worker(here) as engine:
                here.until_quiet(engine)
            run(here)
            yield here, sandbox, orders


@contextmanager
def _happened(params: Mapping[str, Any]) -> Iterator[tuple[World, ThreadedSandbox, list[Order]]]:
    """The same orders after their fates."""
    with _imported(params) as (here, sandbox, orders):
        with _worker(here) as engine:
            for order, fate in zip(orders, FATES, strict=True):
                key = here.case.key(order)
                if fate.left_before:
                    _ship(engine, key, order, "all")
                if fate.cancelled_by_shop:
                    sandbox.change_order(key, state="cancel")
                sandbox.post("/_shopatron/change", {"order": key, **fate.wish})
        yield here, sandbox, orders


def _deceived(params: dict[str, Any], switches: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """A run with ``switches`` of the OMS, after which nothing wrong may be recorded; then runs without."""
    with _happened(params) as (here, sandbox, orders):
        audit = CancellationAudit(here, sandbox)
        sandbox.change(here.case.at_destination(**switches))
        run(here)
        with _worker(here) as engine:
            late = audit.shipped(engine)
            wrong = _wrong_meanwhile(here, engine, orders)
        sandbox.change(here.case.at_destination(**usual))
        result = _end(here, sandbox, orders, params, audit, late)
    if wrong:
        result["faults"]["believed"] = wrong
    return result


def _wrong_meanwhile(here: World, engine: Engine, orders: list[Order]) -> list[str]:
    """Statuses and parcels that are neither those before nor those after what happened."""
    found = []
    for order, fate in zip(orders, FATES, strict=True):
        key = here.case.key(order)
        if (reading := _reading(engine, key)) not in ("open", fate.reading):
            found.append(f"{key} is {reading}")
        found += [f"{key} has parcel {one}" for one in _parcels(engine, key) if one not in fate.parcels]
    return found


def _end(
    here: World,
    sandbox: ThreadedSandbox,
    orders: list[Order],
    params: dict[str, Any],
    audit: CancellationAudit,
    late: list[str],
) -> dict[str, Any]:
    """Run until nothing changes, and return the findings."""
    before: Any = None
    for _ in range(ROUNDS):
        time.sleep(here.settings["acknowledge"]["given_up_s"] + 0.05)
        statuses = run(here)
        with _worker(here) as engine:
            late = [*late, *audit.shipped(engine)]
            verdict = _verdict(here, engine, sandbox, orders)
        if verdict == before or not any(verdict.values()):
            break
        before = verdict
    expected = [200] * len(orders) + [status for status, _ in HOSTILE_NOTIFICATIONS]
    verdict["answers to notifications"] = [] if statuses == expected else statuses
    return _result(params, verdict, late)


def _result(params: dict[str, Any], verdict: dict[str, Any], late: list[str]) -> dict[str, Any]:
    faults = {name: found for name, found in verdict.items() if found}
    if late:
        faults["shipped after the cancellation was known"] = late
    return {**params, "faults": faults, "verdict": verdict, "late": sorted(set(late))}


def _verdict(here: World, engine: Engine, sandbox: ThreadedSandbox, orders: list[Order]) -> dict[str, list[Any]]:
    """What became of every order, compared with its fate; empty lists mean that nothing is wrong."""
    found: dict[str, list[Any]] = {"lost": [], "doubled": [], "in_doubt": []}
    feedback = sandbox.report()[here.case.source_side]["feedback"]
    for order, fate in zip(orders, FATES, strict=True):
        key = here.case.key(order)
        shown = tuple(feedback[key][name] for name in ("state", "shipment_state"))
        actual = (_reading(engine, key), sorted(set(_parcels(engine, key))), shown if fate.shown else None)
        if actual != (fate.reading, list(fate.parcels), fate.shown):
            found["lost"].append(f"{key} is {actual}, not {fate}")
        found["doubled"] += [f"{key}: {what}" for what in _repeated(engine, key)]
    tasks = sorted(row["order_number"] for row in engine.ledger.cancellations.unsettled(engine.pipeline))
    expected = [here.case.key(orders[7])]
    found["tasks"] = [] if tasks == expected else [f"{tasks}, not {expected}"]
    found["breaches"] = engine.ledger.accounting.invariant_violations()
    return found


def _repeated(engine: Engine, key: str) -> list[str]:
    """Parcels and changes of the status that are recorded more than once."""
    events = [event["why"] for event in _life(engine, key)["events"] if event["who"] == "oms"]
    return [one for one, times in Counter([*_parcels(engine, key), *events]).items() if times > 1]


def _life(engine: Engine, key: str) -> dict[str, Any]:
    (life,) = engine.ledger.queries.find(key)
    return dict(life)


def _reading(engine: Engine, key: str) -> str:
    status = engine.ledger.oms_statuses.of(_life(engine, key)["id"])
    return status.reading if status else ""


def _parcels(engine: Engine, key: str) -> list[str]:
    rows = engine.ledger.shipments.of_order(_life(engine, key)["id"])
    return [row["tracking_number"] for row in rows if not row["asks"] and not row["closed"]]
