"""Windows of last modified orders: what is in them, what they cost, and what commits beside a reader."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from inspect import unwrap

import pytest
import sqlalchemy as sa

from order_relay import failpoints
from order_relay.ledger import Ledger
from order_relay.ledger.fulfilment.feed_ids import feed_id
from order_relay.ledger.fulfilment.feed_index import COMMIT_SLACK, restamp_long_transactions
from order_relay.ledger.fulfilment.shipments import Shipments
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.store import database
from order_relay.orders.fulfilment.shipment_progress import OrderedLine, Shipment, ShippedLine
from order_relay.orders.messages import RunContext, SendOutcome
from tests.support.ledger_rows import IMPORTED

START = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
WHO = RunContext("", "", "shiprush")
EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC))


class Clock:
    """The database's clock, in the test's hand."""

    def __init__(self):
        self.now = START

    def __call__(self, _conn):
        self.now += timedelta(milliseconds=1)
        return self.now

    def pass_time(self, seconds):
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(database, "read_clock", clock)
    return clock


def ids(ledger, start, end, **options):
    window = ledger.feed_index.modified_between(start, end, **{"entered": State.IMPORTED, **options})
    return [order.work.id for order in window.orders]


def test_last_modified_is_a_minute_ahead_and_both_ends_belong_to_the_window(clock, driver):
    clock.pass_time(29)
    number = driver.imported("1")
    (order,) = driver.ledger.feed_index.modified_between(*EVER, entered=State.IMPORTED).orders
    stamp = START + timedelta(minutes=1)
    assert order.modified_at == stamp
    assert (order.work.id, order.work.state, order.destination_key) == (number, "imported", "KEY-N-1")
    assert ids(driver.ledger, stamp, stamp) == [number]
    assert ids(driver.ledger, stamp, stamp + timedelta(seconds=59)) == [number]
    second = timedelta(seconds=1)
    assert ids(driver.ledger, stamp + second, EVER[1]) == ids(driver.ledger, EVER[0], stamp - second) == []


def test_parcels_and_cancellations_are_modifications(clock, driver):
    number = driver.imported("1")
    for change in ("parcel", "cancellation"):
        clock.pass_time(600)
        if change == "parcel":
            driver.ledger.shipments.record(WHO, Shipment("x", "k", (), submission_id=number), [])
        else:
            from tests.support.offers import offer

            driver.receive(offer("1", content_hash="changed"))
            clock.pass_time(600)
            driver.ledger.decisions.decide("N-1", "replacement", "x", "ann", cancelled=True)
        (order,) = driver.ledger.feed_index.modified_between(*EVER, entered=State.IMPORTED).orders
        assert COMMIT_SLACK <= order.modified_at - clock.now <= COMMIT_SLACK + timedelta(minutes=1)
        assert ids(driver.ledger, EVER[0], clock.now - timedelta(minutes=5)) == [], "it left the older windows"
    assert (order.shipped, bool(order.cancelled_at)) == ("shipped", True)


def test_only_orders_that_were_in_the_state_and_only_of_the_pipelines(clock, driver):
    number = driver.imported("1")
    waiting = driver.all_ready("2")[0]
    assert ids(driver.ledger, *EVER) == [number]
    assert sorted(ids(driver.ledger, *EVER, entered=State.READY)) == sorted([number, waiting])
    driver.claim(waiting)
    driver.settle(waiting, SendOutcome.REJECTED, status=400)
    assert waiting in ids(driver.ledger, *EVER, entered=State.READY), "also what became of it later"
    assert ids(driver.ledger, *EVER, pipelines=["another"]) == []


@pytest.mark.parametrize("begun_at_second", [0, 25, 50])
@pytest.mark.parametrize("held", ["while it writes", "about to commit"])
def test_what_commits_after_a_poll_is_in_the_next_window(clock, driver, monkeypatch, held, begun_at_second):
    """Two connections: one has written and not committed, the other polls. The next window begins a minute further."""
    monkeypatch.setattr(database.Transaction, "seconds_since_begun", lambda tx: (clock.now - tx.begun).total_seconds())
    number = driver.imported("1")
    clock.pass_time(180 + begun_at_second)
    shipment = Shipment("x", "k", (), lines=(ShippedLine(1, "1"),), submission_id=number)
    there, go = threading.Event(), threading.Event()

    def hold(_crossing=""):
        there.set()
        assert go.wait(60)

    def work(tx):
        unwrap(Shipments.record)(driver.ledger.shipments.recent, tx, WHO, shipment, [OrderedLine("1", "A", 2)])
        if held == "while it writes":
            hold()
        else:
            monkeypatch.setattr(failpoints, "hook", lambda name: hold() if name.startswith("before ledger") else None)

    with ThreadPoolExecutor(1) as another:
        writing = another.submit(driver.ledger.database.write, work)
        assert there.wait(60)
        clock.pass_time(90 if held == "while it writes" else 14)
        end = clock.now.replace(second=0, microsecond=0)
        assert ids(driver.ledger, end, end) == []
        go.set()
        writing.result()
    clock.pass_time(180)
    assert ids(driver.ledger, end + timedelta(minutes=1), clock.now) == [number]


def _filled(url, rows=20_000):
    """A ledger with many orders, one a minute, written past the package."""
    db = database.Database(url, restamp_long_transactions)
    blank = {**IMPORTED, "destination": "d"}
    times = [START + timedelta(minutes=n) for n in range(rows)]
    with db.engine.begin() as conn:
        conn.execute(
            metadata.tables["pipeline"].insert(),
            {
                "name": "p",
                "source_account": "s",
                "destination_account": "d",
                "bound_at": START,
                "last_sequence": 0,
                "unproven": False,
            },
        )
        conn.execute(
            metadata.tables["submission"].insert(),
            [
                {
                    **blank,
                    "id": n,
                    "source_id": str(n),
                    "lineage": f"L{n}",
                    "destination_key": str(n),
                    "changed_at": at,
                    "order_number": f"N{n}",
                    "first_offered_at": at,
                    "last_offered_at": at,
                }
                for n, at in enumerate(times, 1)
            ],
        )
        conn.execute(
            metadata.tables["event"].insert(),
            [
                {
                    "submission_id": n,
                    "from_state": "sending",
                    "to_state": "imported",
                    "revision": 1,
                    "at": at,
                    "run": "",
                    "who": "",
                    "why": "",
                }
                for n, at in enumerate(times, 1)
            ],
        )
        conn.execute(sa.text("ANALYZE"))
    db.close()


@contextmanager
def planned(ledger, word=""):
    """The plans of all statements that hold this word, as the database's own planner makes them."""
    plans = []

    def explain(conn, cursor, statement, parameters, context, executemany):
        if word in statement and statement.startswith(("SELECT", "WITH")):
            how = "EXPLAIN QUERY PLAN " if conn.dialect.name == "sqlite" else "EXPLAIN "
            rows = conn.exec_driver_sql(how + statement, parameters)
            plans.append("\n".join([statement, *(str(row) for row in rows)]))

    sa.event.listen(ledger.database.engine, "after_cursor_execute", explain)
    yield plans
    sa.event.remove(ledger.database.engine, "after_cursor_execute", explain)


def test_a_page_costs_what_its_window_holds(ledger_url):
    """Asked of the database's own planner: no table is read from one end to the other."""
    _filled(ledger_url)
    ledger = Ledger.open(ledger_url)
    with planned(ledger, "touched") as plans:
        window = ledger.feed_index.modified_between(
            START + timedelta(minutes=9_000), START + timedelta(minutes=9_059), entered=State.IMPORTED, limit=50
        )
    ledger.close()
    assert (window.places, len(window.orders)) == (60, 50)
    assert len([plan for plan in plans if "ix_event_at" in plan]) == 2, plans
    for plan in plans:
        for table in ("event", "submission", "shipment"):
            assert f"SCAN {table}" not in plan, plan
            assert f"Seq Scan on {table}" not in plan or table == "shipment", plan


def test_an_order_is_found_without_reading_the_others(ledger_url):
    """An operator's word, the names in a notice, and the parcels that wait: no statement scans the submissions."""
    _filled(ledger_url, 4_000)
    with closing(Ledger.open(ledger_url)) as ledger:
        number = feed_id(ledger.feed_index.key(), ledger.worklist.get([77])[0])
        with planned(ledger) as plans:
            assert [life["id"] for life in ledger.queries.find("77")] == [77]
            assert [life["id"] for life in ledger.queries.find(number)] == [77]
            assert ledger.queries.find("nobody") == []
            for pipelines in (None, ["p"]):
                for ids, named in ((["77"], number), ([], number), (["77"], "")):
                    work = ledger.order_references.match(ids, named, pipelines).work
                    assert work
                    assert work.id == 77
                assert ledger.order_references.match(["nobody"], "", pipelines).work is None
                assert ledger.order_references.named("nobody", pipelines) == []
                assert not ledger.order_references.has_number("nobody", pipelines)
            assert ledger.shipments.waiting()[0] == 0
    assert len(plans) > 20
    scans = ("SCAN submission", "SCAN other", "Seq Scan on submission")
    assert [plan for plan in plans if any(expected in plan for expected in scans)] == []
