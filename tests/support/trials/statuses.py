"""Crash trials of a status account: one run is killed at a failpoint; the next must end as if it had not been.

The run that dies polls three pages, reads a file, takes a webhook, reads a doubtful order by its id, records a shipped
parcel as a shipment, and finds one that was taken back.
"""

from __future__ import annotations

import random
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from order_relay.batches import BatchStore
from order_relay.connections import Connection
from order_relay.ledger import Ledger
from order_relay.ledger.fulfilment.status_queries import OwnOrders
from order_relay.orders.fulfilment.status_events import Channel
from order_relay.orders.fulfilment.status_records import StatusPage, parse_records
from order_relay.orders.messages import RunContext
from order_relay.pipeline.fulfilment.shipments import record_shipment
from order_relay.pipeline.fulfilment.status_files import DropFolder, read_drops
from order_relay.pipeline.fulfilment.status_poll import StatusIntake, poll_changes, read_due, record_shipments
from order_relay.pipeline.settings.status_account import StatusSettings
from order_relay.wiring.statuses import StatusWiring
from order_relay_sandbox import ThreadedSandbox
from tests.support.faults.world import World, world
from tests.support.status_histories import derive_state
from tests.support.trials.crashes import killed_at, recorded

ACCOUNT = "acommerce_status"
CASE = "supercat-shopatron"
SCENARIO = {"acommerce": {"page_size": 20}}
LATE = {
    "orderId": "PUSHED",
    "orderStatus": [{"eventId": "p-1", "orderStatus": "NEW", "updatedTime": "2026-01-01T00:00:00Z"}],
}
FILE = b"orderId,status,eventId,updatedTime\nFILED,NEW,f-1,2026-01-01T00:00:00Z\nFILED,NEW,f-2,never\n"
DROP = f"{ACCOUNT}/drops/one.csv"
ONCE = {"shipment KEPT", "shipment TAKEN", "file in archive", "refused row 3", "asked about TAKEN"}
"""What must exist exactly once in the end."""


def wiring_of(here: World, settled_s: float = 0.0, *, full: bool = True) -> StatusWiring:
    """The account, put together."""
    extra = {"channel": "demo-channel", "auth_url": here.url}
    connection = Connection("acommerce_default", here.url, "demo-user", "demo-api-key", extra=extra)
    settings = StatusSettings.model_validate(
        {
            "name": ACCOUNT,
            "source": {"vendor": "acommerce", "connection": "acommerce_default"},
            "poll": {"full": full},
            "ours": {"pipelines": [here.case.pipeline]},
            "by_id": {"first_wait_s": 1, "longest_wait_s": 1},
            "files": {"settled_s": settled_s},
        }
    )
    store = (here.folder / "batches").as_uri()
    return StatusWiring(settings, lambda _name: connection, here.ledger_url, store)


def run(here: World, settled_s: float = 0.0) -> None:
    """What the DAG's tasks do, and a webhook."""
    with wiring_of(here, settled_s) as wiring:
        intake, settings = StatusIntake(RunContext(ACCOUNT, "run"), wiring.ledger, wiring.reader), wiring.settings
        intake.take(StatusPage((LATE,), datetime.now(UTC)), Channel.WEBHOOK)
        poll_changes(intake, wiring.source, settings.poll, datetime.now(UTC))
        read_drops(intake, DropFolder(wiring.store, wiring.form, settings.files, datetime.now(UTC)))
        wiring.ledger.statuses.match(ACCOUNT, OwnOrders((here.case.pipeline,), "order_number"), 1e9, 0.0)
        read_due(intake, wiring.source, settings.by_id)
        record_shipments(
            intake,
            settings.shipments,
            "acommerce",
            lambda deliveries: record_shipment(intake.ledger, wiring.archive, "statuses", deliveries),
        )


def before(here: World, sandbox: ThreadedSandbox) -> None:
    """Two of our orders, one reported as shipped; then many changes, a waiting file, and one doubtful order."""
    ours = here.case.plain(2)
    sandbox.offer(ours)
    engine = here.engine()
    here.run(engine)
    engine.wiring.close()
    kept, taken_back = (order["order_number"] for order in ours)

    def add(number: str, parcel: str) -> dict[str, Any]:
        return {"add": {"order_id": number, "level": "parcel", "status": "DELIVERED", "parcel": parcel}}

    (mistake,) = sandbox.happen(add(taken_back, "TAKEN"))
    run(here)
    sandbox.generate_statuses(45, 2)
    sandbox.happen(
        add(kept, "KEPT"), {"delete": mistake}, {"add": {"order_id": "DOUBT", "level": "order", "status": "NEW"}}
    )
    BatchStore((here.folder / "batches").as_uri()).write_bytes(DROP, FILE)
    ledger = Ledger.open(here.ledger_url)
    wiring = wiring_of(here)
    intake = StatusIntake(RunContext(ACCOUNT, "before"), ledger, wiring.reader)
    for status in ("NEW", "ERROR"):  # two contents without any time: their sequence is unknown
        deliveries = {"orderId": "DOUBT", "orderStatus": [{"eventId": "x-1", "orderStatus": status}]}
        intake.take(StatusPage((deliveries,), datetime.now(UTC)), Channel.WEBHOOK)
    ledger.close()


def discover(params: dict[str, Any]) -> dict[str, int]:
    """One complete run: number of calls of each failpoint."""
    with world({"case": CASE, **params}) as here, here.sandbox(SCENARIO, []) as sandbox:
        before(here, sandbox)
        return recorded(here, lambda: run(here))


def crash(params: dict[str, Any]) -> dict[str, Any]:
    """Kill a run at the ``number``-th call of failpoint ``point`` and run again. Returns the faults."""
    with world({"case": CASE, **params}) as here, here.sandbox(SCENARIO, []) as sandbox:
        before(here, sandbox)
        code = killed_at(here, params, lambda: run(here))
        return {**evaluated(here, sandbox, params), "killed": code == -signal.SIGKILL}


def withdrawn(params: dict[str, Any]) -> dict[str, Any]:
    """Events that are withdrawn, on default settings: what polls, webhooks and files showed before and after arrives in
    an order that ``seed`` chooses, and repeatedly; then the usual polls and reads by id follow.
    """
    rng = random.Random(params["seed"])
    numbers = [f"W{number}" for number in range(params.get("orders", 8))]
    with world({"case": CASE, **params}) as here, here.sandbox({"acommerce": {}}, []) as sandbox:
        here.engine().wiring.close()  # makes the ledger
        mistakes = []
        for number in numbers:
            for level, status in (("order", "NEW"), ("order", "COMPLETED"), ("parcel", "DELIVERED")):
                made = sandbox.happen(
                    {
                        "add": {
                            "order_id": number,
                            "level": level,
                            "status": status,
                            "parcel": "P" if level == "parcel" else "",
                        }
                    }
                )
                mistakes += [(number, event) for event in made if status != "NEW"]
        with wiring_of(here, full=False) as wiring:
            intake, settings = StatusIntake(RunContext(ACCOUNT, "run"), wiring.ledger, wiring.reader), wiring.settings
            before = _deliveries(sandbox)
            sandbox.happen(*({"delete": event} for _, event in mistakes if rng.random() < 0.8))
            deliveries = [*before, *_deliveries(sandbox)]
            rng.shuffle(deliveries)
            polls = sorted(rng.choices(range(len(deliveries)), k=3))
            for position, (channel, record) in enumerate([*deliveries, *rng.choices(deliveries, k=4)]):
                intake.take(StatusPage((record,), datetime.now(UTC)), channel)
                if position in polls:
                    poll_changes(intake, wiring.source, settings.poll, datetime.now(UTC))
            for _ in range(3):
                poll_changes(intake, wiring.source, settings.poll, datetime.now(UTC))
                read_due(intake, wiring.source, settings.by_id)
            states = {row["order_number"]: row["order_status"] for row in wiring.ledger.statuses.recent()}
            shown = {number: state[0] for number, state in _expected(wiring, sandbox).items() if number in numbers}
            due = wiring.ledger.status_reads.due(ACCOUNT, 1e9, 10)
        wrong = [
            f"{number} is {states.get(number)}, not {status}"
            for number, status in shown.items()
            if states.get(number) != status
        ]
    verdict = {"lost": wrong, "doubled": [], "in_doubt": due}
    return {**params, "tried": len(numbers), "faults": {n: v for n, v in verdict.items() if v}, "verdict": verdict}


def _deliveries(sandbox: ThreadedSandbox) -> list[tuple[Channel, dict[str, Any]]]:
    """The current state of every order as webhooks (one event each) and files (everything)."""
    found: list[tuple[Channel, dict[str, Any]]] = []
    for record in sandbox.status_records():
        found.append((Channel.CSV, record))
        found += [
            (Channel.WEBHOOK, {"orderId": record["orderId"], "orderStatus": [entry]}) for entry in record["orderStatus"]
        ]
    return found


def evaluated(
    here: World, sandbox: ThreadedSandbox, params: dict[str, Any], pardoned: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Run again and return the faults. ``pardoned``: prefixes of what may exist more than once."""
    with Ledger.open(here.ledger_url).database.engine.begin() as conn:  # nobody waits for the back-off here
        conn.exec_driver_sql("UPDATE status_order SET read_after = NULL")
    run(here)
    verdict = _verdict(here, sandbox, pardoned)
    return {**params, "faults": {name: found for name, found in verdict.items() if found}, "verdict": verdict}


def _verdict(here: World, sandbox: ThreadedSandbox, pardoned: tuple[str, ...]) -> dict[str, list[str]]:
    """What became of it all; empty lists are what one hopes for."""
    with wiring_of(here) as wiring:
        ledger = wiring.ledger
        states = {
            row["order_number"]: (row["order_status"], row["detailed_status"], tuple(row["parcels"]))
            for row in ledger.statuses.recent()
        }
        there = Counter(
            [
                *(f"shipment {row['tracking_number']}" for row in ledger.shipments.recent()),
                *(f"file in {name.split('/')[1]}" for name in wiring.store.list(ACCOUNT)),
                *(f"refused {row['place']}" for row in ledger.status_refusals.recent()),
                *(f"asked about {row['asks'].rpartition(' ')[2]}" for row in ledger.statuses.recent(asked=True)),
            ]
        )
        wrong = [
            f"{number} is {states.get(number)}, not {state}"
            for number, state in _expected(wiring, sandbox).items()
            if states.get(number) != state
        ]
        return {
            "lost": [*wrong, *sorted(ONCE - there.keys())],
            "doubled": sorted(name for name, times in there.items() if times > 1 and not name.startswith(pardoned)),
            "in_doubt": ledger.status_reads.due(ACCOUNT, 1e9, 10),
            "strange": sorted(name for name in there.keys() - ONCE if not name.startswith(pardoned)),
            "breaches": ledger.accounting.invariant_violations(),
        }


def _expected(wiring: StatusWiring, sandbox: ThreadedSandbox) -> dict[str, Any]:
    """The result of reading every history once, plus what only a file and a webhook reported."""
    later = datetime.now(UTC) + timedelta(days=1)
    deliveries = parse_records(wiring.reader.shape, sandbox.status_records(), Channel.BY_ID, later, full=True).reports
    states = {report.order_id: derive_state(report.events) for report in deliveries}
    shown = {
        number: (s.order_status, s.detailed_status, tuple((p.parcel, p.status, p.at) for p in s.parcels))
        for number, s in states.items()
    }
    return {**shown, "FILED": ("NEW", "", ()), "PUSHED": ("NEW", "", ())}
