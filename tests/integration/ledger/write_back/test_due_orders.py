"""The worklist of write-back: whatever happens, what is due is what reading all orders of the past would find."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from order_relay.errors import ConcurrentUpdateError
from order_relay.ledger import Ledger
from order_relay.ledger.schema.oms_tables import oms_status
from order_relay.ledger.schema.shipment_tables import shipment
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import pipeline, submission
from order_relay.ledger.schema.write_back_tables import enqueue_write_back, feedback, feedback_due
from order_relay.ledger.store.database import Database, Transaction
from order_relay.ledger.store.migrate import migrate, upgrade_to
from order_relay.ledger.write_back import due_orders
from order_relay.ledger.write_back.due_steps import (
    AFTER_IMPORT,
    AFTER_SHIPMENT,
    EACH_DELIVERY,
    LINE_NUMBERS,
    OMS_NUMBER,
    RETRY_PATIENCE,
    due_steps,
)
from order_relay.ledger.write_back.oms_cancellations import OMS_CANCELLED, REPORTED_FOR, SHIPPED
from order_relay.orders.fulfilment.oms_order import AskingPace, OmsOrder, OmsReading
from order_relay.orders.fulfilment.shipment_progress import OrderedLine, Shipment
from order_relay.orders.messages import Acknowledgement
from order_relay.orders.review.choices import CANCELLATION_CHOICES, KEEP
from tests.support.speedups import LONG

NAME = "shop_to_oms"
STEPS = (OMS_NUMBER, LINE_NUMBERS, SHIPPED, OMS_CANCELLED)
SETTINGS = (AFTER_SHIPMENT, AFTER_IMPORT, EACH_DELIVERY)
WEEK = timedelta(days=7)
_files = itertools.count()
_before = feedback.alias("step_before")
_other = submission.alias("another")


def flags(after: str) -> dict[str, bool]:
    return {"each_delivery": after == EACH_DELIVERY, "at_import": after == AFTER_IMPORT}


def _has(step: str, *states: str) -> sa.ColumnElement[bool]:
    where = [_before.c.submission_id == submission.c.id, _before.c.step == step]
    return sa.exists().where(*where, *([_before.c.state.in_(states)] if states else []))


def due_of_all_orders(tx: Transaction, step: str, after: str, now: datetime) -> list[tuple[int, int]]:
    """The definition before there was a worklist: reads all imported orders of the pipeline."""
    deliveries = after == EACH_DELIVERY and step == SHIPPED
    delivery = shipment.c.id if deliveries else sa.literal(0)
    source = submission.join(shipment, shipment.c.submission_id == submission.c.id) if deliveries else submission
    mine = sa.and_(
        feedback.c.submission_id == submission.c.id, feedback.c.step == step, feedback.c.delivery == delivery
    )
    patience = [
        sa.and_(feedback.c.tries < tries, feedback.c.at <= now - timedelta(seconds=900.0 * times))
        for tries, times in RETRY_PATIENCE
    ]
    over = ("done", "failed", "given_up")
    lines_tried = sa.or_(_has(LINE_NUMBERS, "refused", *over), _has(OMS_NUMBER, "failed", "given_up"))
    where = {
        OMS_NUMBER: [],
        LINE_NUMBERS: [_has(OMS_NUMBER, "done")],
        SHIPPED: [
            _has(LINE_NUMBERS, "done") if deliveries else lines_tried,
            submission.c.cancelled_at.is_(None),
            ~_has(OMS_CANCELLED),
            *([shipment.c.asks == "", shipment.c.closed == ""] if deliveries else []),
            *([submission.c.shipped == "shipped"] if after == AFTER_SHIPMENT else []),
        ],
        OMS_CANCELLED: [
            submission.c.cancelled_at >= now - REPORTED_FOR,
            submission.c.shipped.is_(None),
            sa.exists().where(oms_status.c.submission_id == submission.c.id, oms_status.c.reading == "cancelled"),
            ~_has(SHIPPED),
            ~sa.exists().where(
                _other.c.pipeline == submission.c.pipeline,
                _other.c.lineage == submission.c.lineage,
                _other.c.id != submission.c.id,
                _other.c.state != State.DISCARDED,
            ),
        ],
    }
    query = (
        sa.select(submission.c.id, delivery.label("delivery"))
        .select_from(source.outerjoin(feedback, mine))
        .where(
            submission.c.pipeline == NAME,
            submission.c.state == State.IMPORTED,
            submission.c.ack == "confirmed",
            submission.c.source_cancelled_at.is_(None),
            sa.or_(
                feedback.c.state.is_(None),
                sa.and_(feedback.c.state == "refused", feedback.c.due_at <= now),
                sa.and_(feedback.c.state == "sent", sa.or_(*patience)),
            ),
            *where[step],
        )
        .order_by(submission.c.id, delivery)
    )
    return [tuple(row) for row in tx.run(query)]


def assert_the_same_is_due(ledger: Ledger, after: str) -> list[str]:
    """At once, and in a week without another event; returns the steps that are due at once."""
    found = {step: ledger.feedback.due(NAME, step, 1_000, **flags(after)) for step in STEPS}

    def compare(tx: Transaction) -> None:
        for step in STEPS:
            at_once = [(one.submission_id, one.delivery) for one in found[step]]
            assert at_once == due_of_all_orders(tx, step, after, tx.now), (step, after)
            later = tx.now + WEEK
            in_a_week = tx.run(due_steps(NAME, step, after, beyond=0, now=later, given_up_s=900.0))
            expected = due_of_all_orders(tx, step, after, later)
            assert [(row[0], row.delivery) for row in in_a_week] == expected, (step, after)

    ledger.database.read(compare)
    return [one.step for step in STEPS for one in found[step]]


def listed(ledger: Ledger) -> list[int]:
    query = sa.select(feedback_due.c.submission_id).order_by(feedback_due.c.submission_id)
    return list(ledger.database.read(lambda tx: tx.run(query).scalars().all()))


def acknowledge(driver: Any, number: int) -> None:
    driver.ledger.acknowledgements.mark_sent(driver.ctx, [number])
    driver.ledger.acknowledgements.record_answers(driver.ctx, {number: Acknowledgement(True)})


def write_back(driver: Any, after: str = AFTER_SHIPMENT, accepted: bool = True) -> int:
    """Everything that is due, as a run does; returns how many steps."""
    number = 0
    for step in STEPS:
        found = driver.ledger.feedback.due(NAME, step, 100, **flags(after))
        claimed = driver.ledger.feedback.claim(driver.ctx, found)
        driver.ledger.feedback.record_answers(driver.ctx, [(one, Acknowledgement(accepted)) for one in claimed])
        number += len(claimed)
    driver.ledger.feedback.remove_finished(NAME, **flags(after))
    return number


def test_an_order_is_listed_from_its_acknowledgement_until_nothing_is_left_to_report(driver: Any) -> None:
    assert write_back(driver) == 0
    number = driver.imported("1")
    assert listed(driver.ledger) == []
    acknowledge(driver, number)
    assert listed(driver.ledger) == [number]
    assert write_back(driver, accepted=False) == 1
    driver.ledger.feedback._remove(NAME, AFTER_SHIPMENT, [number])
    assert listed(driver.ledger) == [number], "refused, and tried again later"
    with driver.ledger.database.engine.begin() as conn:
        conn.execute(feedback.update().values(due_at=feedback.c.at))
    assert write_back(driver) == 2
    assert listed(driver.ledger) == [], "it waits for its shipment, which is another event"
    notice = Shipment("test", "T1", ("N",), submission_id=number)
    driver.ledger.shipments.record(driver.ctx, notice, [OrderedLine("1", "A", 1)])
    assert listed(driver.ledger) == [number]
    assert write_back(driver) == 1
    assert listed(driver.ledger) == []


def test_every_event_that_makes_a_step_due_lists_the_order(driver: Any) -> None:
    ledger, number = driver.ledger, driver.imported("1")
    ledger.oms_questions.enrol(NAME, first_days=30)
    write_back(driver)

    def assert_listed(event: str) -> None:
        assert (event, listed(ledger)) == (event, [number])

    ledger.acknowledgements.mark_sent(driver.ctx, [number])
    driver.receive(fetched_at=datetime.now(UTC) + timedelta(seconds=1))
    assert_listed("absent from a complete answer")
    [step] = ledger.feedback.claim(driver.ctx, ledger.feedback.due(NAME, OMS_NUMBER, 1))
    ledger.feedback.record_answers(driver.ctx, [(step, Acknowledgement(False))], 1)
    ledger.feedback.remove_finished(NAME)
    assert listed(ledger) == []
    ledger.write_back_tasks.decide_failed("ann", ledger.write_back_tasks.failed(NAME), "x", retry=True)
    assert_listed("retried")
    write_back(driver)
    ledger.cancellations.record(driver.ctx, ["1"])
    ledger.cancellations.reinstate(driver.ctx, ["1"], datetime.now(UTC) + timedelta(hours=1))
    ledger.cancellations.decide({number: None}, KEEP, "x", "ann")
    assert_listed("reinstated")
    write_back(driver)
    assert listed(ledger) == []
    answer = {number: OmsOrder("CANCELED", OmsReading.CANCELLED)}
    ledger.oms_statuses.record(driver.ctx, answer, AskingPace(), datetime(2020, 1, 1, tzinfo=UTC))
    assert_listed("cancelled at the OMS")
    assert write_back(driver) == 1


def test_a_pipeline_that_never_wrote_back_has_no_worklist(driver: Any) -> None:
    acknowledge(driver, driver.imported("1"))
    assert listed(driver.ledger) == []


def test_orders_of_before_are_found_in_portions_that_resume_and_again_after_a_change_of_the_setting(
    driver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due_orders, "PORTION", 2)
    ledger = driver.ledger
    numbers = [driver.imported(str(n)) for n in range(1, 6)]
    for number in numbers:
        acknowledge(driver, number)
    ledger.feedback._start(NAME, AFTER_SHIPMENT)
    assert not ledger.feedback._fill(NAME, AFTER_SHIPMENT), "a run that ends here"
    assert 0 < len(listed(ledger)) < 5
    while write_back(driver):
        pass
    with ledger.database.engine.connect() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(feedback)).scalar() == 10
    assert listed(ledger) == []
    assert [one.submission_id for one in ledger.feedback.due(NAME, SHIPPED, 10, at_import=True)] == numbers
    ledger.feedback._start(NAME, AFTER_SHIPMENT)
    ledger.feedback._remove(NAME, AFTER_IMPORT, numbers)
    assert listed(ledger) == numbers, "by now the list is made for another setting"
    with pytest.raises(ConcurrentUpdateError, match="done_after"):
        ledger.feedback._fill(NAME, AFTER_IMPORT)


@pytest.fixture
def on_postgres(postgres_url: str, driver_class: Any) -> Iterator[Any]:
    """A driver of a PostgreSQL ledger, with a started run."""
    with closing(Ledger.open(postgres_url)) as ledger:
        ledger.runs.bind(NAME, "source", "oms")
        driver = driver_class(ledger)
        ledger.runs.begin(driver.ctx, "test", 0)
        yield driver


def finishes_only_after_commit(
    ledger: Ledger, change: Callable[[Transaction], object], work: Callable[[], object]
) -> Any:
    """The result of ``work``, which waits for a transaction that makes ``change``."""
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with ThreadPoolExecutor(1) as pool, ledger.database.engine.connect() as conn:
        change(Transaction(conn))
        result = pool.submit(work)
        while not conn.execute(waiting).scalar():
            assert not wait([result], 0.01).done, "it did not wait"
        conn.commit()
        return result.result(60)


def test_the_first_run_finds_an_order_that_was_being_acknowledged(on_postgres: Any) -> None:
    number = on_postgres.imported("1")

    def confirm(tx: Transaction) -> None:
        tx.run(submission.update().values(ack="confirmed"))
        enqueue_write_back(tx, [number])

    found = finishes_only_after_commit(
        on_postgres.ledger, confirm, lambda: on_postgres.ledger.feedback.due(NAME, OMS_NUMBER, 1)
    )
    assert [one.submission_id for one in found] == [number]


def test_an_order_to_which_something_happens_while_it_is_removed_stays_listed(on_postgres: Any) -> None:
    write_back(on_postgres)
    number, ledger = on_postgres.imported("1"), on_postgres.ledger
    acknowledge(on_postgres, number)
    for step in STEPS[:2]:
        found = ledger.feedback.claim(on_postgres.ctx, ledger.feedback.due(NAME, step, 1))
        ledger.feedback.record_answers(on_postgres.ctx, [(one, Acknowledgement(True)) for one in found])

    def ship(tx: Transaction) -> None:
        tx.run(submission.update().values(shipped="shipped"))
        enqueue_write_back(tx, [number])

    assert ledger.feedback._finished(NAME, AFTER_SHIPMENT, 0) == [number]
    finishes_only_after_commit(ledger, ship, lambda: ledger.feedback._remove(NAME, AFTER_SHIPMENT, [number]))
    assert [one.submission_id for one in ledger.feedback.due(NAME, SHIPPED, 1)] == [number]


# -- an upgrade ------------------------------------------------------------------------------------------------------

NOW = datetime.now(UTC)
STEP_STATES = (None, "done", "done", "done", "refused", "sent", "failed", "given_up", "cancelled")


def random_order(chance: random.Random) -> dict[str, Any]:
    one = chance.choice
    parcel_states = (None, None, "done", "refused", "failed")
    return {
        "state": one([State.IMPORTED] * 20 + list(State)),
        "ack": one(["confirmed"] * 6 + [None, "due", "sent", "refused"]),
        "source_cancelled": chance.random() < 0.1,
        "cancelled_days": one([None, None, 1, 29, 40]),
        "shipped": one([None, None, "partly", "shipped"]),
        "oms": one([None, "open", "cancelled", "cancelled"]),
        "other": one([None, None, None, State.DISCARDED, State.SUPERSEDED]),
        "steps": (*chance.choices(STEP_STATES, k=2), *chance.choices((*(None,) * 6, "done", "refused", "sent"), k=2)),
        "parcels": [(chance.random() < 0.2, one(parcel_states)) for _ in range(one([0, 0, 1, 2]))],
        "tries": one([1, 6, 20]),
    }


def fill_ledger(database: Database, orders: list[dict[str, Any]]) -> None:
    """These orders in a ledger of revision 0029."""
    rows, steps, parcels, statuses = [], [], [], []
    with database.engine.begin() as conn:
        accounts = {"source_account": "source", "destination_account": "oms"}
        conn.execute(
            pipeline.insert(), {"name": NAME, **accounts, "last_sequence": 1, "unproven": False, "bound_at": NOW}
        )
        for number, order in enumerate(orders, 1):
            cancelled = order["cancelled_days"] and NOW - timedelta(days=order["cancelled_days"])
            row = _row(number, order["state"]) | {
                "ack": order["ack"],
                "source_cancelled_at": NOW if order["source_cancelled"] else None,
                "cancelled_at": cancelled,
                "shipped": order["shipped"],
            }
            rows.append(row)
            if order["other"]:
                rows.append(row | {"id": 10_000 + number, "source_id": f"o{number}", "state": order["other"]})
            of_step = zip(STEPS, order["steps"], strict=True)
            steps += [_step(number, step, 0, state, order["tries"]) for step, state in of_step if state]
            for place, (asked, state) in enumerate(order["parcels"]):
                parcel = 10 * number + place
                parcels.append(_parcel(parcel, number, asks="is it the same?" if asked else ""))
                steps += [_step(number, SHIPPED, parcel, state, order["tries"])] if state else []
            if order["oms"]:
                statuses.append(_status(number, order["oms"]))
        tables = ((submission, rows), (shipment, parcels), (feedback, steps), (oms_status, statuses))
        for table, inserted in tables:
            conn.execute(table.insert(), inserted)


def _row(number: int, state: str) -> dict[str, Any]:
    blank = {column.name: "" for column in submission.c if not column.nullable and column.server_default is None}
    numbers = dict.fromkeys(("version", "part", "row", "revision", "payload_row", "attempt", "lookups"), 0)
    times = dict.fromkeys(("first_offered_at", "last_offered_at", "changed_at"), NOW)
    own = {"id": number, "pipeline": NAME, "source_id": f"s{number}", "lineage": f"l{number}", "state": state}
    return blank | numbers | times | {"edition": 1, "decided": False, "proven": True} | own


def _step(number: int, step: str, delivery: int, state: str, tries: int) -> dict[str, Any]:
    times = {"at": NOW - timedelta(hours=2), "due_at": NOW + timedelta(hours=1) if tries == 6 else NOW}
    rest = {"tries": tries, "run": "r", "message": "", "refusals": 0}
    return {"submission_id": number, "step": step, "delivery": delivery, "state": state, **times, **rest}


def _parcel(number: int, submission_id: int, asks: str) -> dict[str, Any]:
    texts = dict.fromkeys(("words", "carrier", "service", "tracking_number", "currency", "run", "who", "why"), "")
    own = {"id": number, "origin": "test", "key": str(number), "submission_id": submission_id, "asks": asks}
    return texts | own | {"recorded_at": NOW}


def _status(number: int, reading: str) -> dict[str, Any]:
    texts = {"received": reading, "reading": reading, "cancelled": "[]", "problem": ""}
    return {"submission_id": number, "pipeline": NAME, "changed_at": NOW, "misses": 0, **texts}


def assert_an_upgrade_changes_nothing(url: str, orders: list[dict[str, Any]]) -> list[str]:
    with closing(Database(url, create=True)) as database:
        upgrade_to(database, "0029")
        fill_ledger(database, orders)
    migrate(url)
    due: list[str] = []
    with closing(Ledger.open(url)) as ledger:
        for after in SETTINGS:
            due += assert_the_same_is_due(ledger, after)
            ledger.feedback.remove_finished(NAME, **flags(after))
            assert_the_same_is_due(ledger, after)
    return due


@pytest.fixture(params=["sqlite", "postgres"])
def url_before(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a ledger without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'before.sqlite'}"
        return
    cluster = request.getfixturevalue("postgres_cluster")
    cluster.admin("CREATE DATABASE before_the_worklist")
    yield cluster.url("before_the_worklist")
    cluster.admin("DROP DATABASE before_the_worklist WITH (FORCE)")


@pytest.mark.parametrize("seed", range(25 if LONG else 1))
def test_after_an_upgrade_the_same_steps_are_due(url_before: str, seed: int) -> None:
    chance = random.Random(seed)
    due = assert_an_upgrade_changes_nothing(url_before, [random_order(chance) for _ in range(800)])
    assert set(due) == set(STEPS)


# -- everything that happens to orders -------------------------------------------------------------------------------


def machine(template: Path, driver_class: Any, folder: Path) -> type[RuleBasedStateMachine]:
    class Events(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            path = folder / f"{next(_files)}.sqlite"
            shutil.copy(template, path)
            self.ledger = Ledger.open(f"sqlite:///{path}")
            self.ledger.runs.bind(NAME, "source", "oms")
            self.driver = driver_class(self.ledger)
            self.ledger.runs.begin(self.driver.ctx, "test", 0)
            self.numbers = {source_id: self.driver.imported(source_id) for source_id in ("1", "2")}
            self.ledger.oms_questions.enrol(NAME, first_days=30)
            self.after, self.parcels, self.begun = AFTER_SHIPMENT, 0, False

        def teardown(self) -> None:
            self.ledger.close()

        @rule(source_id=st.sampled_from("12"), accepted=st.booleans())
        def is_acknowledged(self, source_id: str, accepted: bool) -> None:
            self.ledger.acknowledgements.mark_sent(self.driver.ctx, [self.numbers[source_id]])
            answer = Acknowledgement(accepted, cancelled=not accepted and source_id == "2")
            self.ledger.acknowledgements.record_answers(self.driver.ctx, {self.numbers[source_id]: answer})

        @rule()
        def a_complete_answer_omits_what_was_acknowledged(self) -> None:
            self.driver.receive(fetched_at=datetime.now(UTC) + timedelta(seconds=1))

        @rule(source_id=st.sampled_from("12"))
        def the_source_cancels(self, source_id: str) -> None:
            self.ledger.cancellations.record(self.driver.ctx, [source_id])

        @rule(source_id=st.sampled_from("12"))
        def the_source_reinstates(self, source_id: str) -> None:
            self.ledger.cancellations.reinstate(self.driver.ctx, [source_id], datetime.now(UTC) + timedelta(hours=1))

        @rule(choice=st.sampled_from(CANCELLATION_CHOICES))
        def an_operator_decides(self, choice: str) -> None:
            if tasks := {one["id"]: one["revision"] for one in self.ledger.cancellations.unsettled(NAME)}:
                self.ledger.cancellations.decide(tasks, choice, "x", "ann")

        @rule(source_id=st.sampled_from("12"), reading=st.sampled_from([OmsReading.OPEN, OmsReading.CANCELLED]))
        def the_oms_answers(self, source_id: str, reading: OmsReading) -> None:
            answers = {self.numbers[source_id]: OmsOrder(reading, reading)}
            self.ledger.oms_statuses.record(self.driver.ctx, answers, AskingPace(), datetime(2020, 1, 1, tzinfo=UTC))

        @rule(source_id=st.sampled_from("12"), quantity=st.sampled_from([1, 2]), known=st.booleans())
        def a_parcel_leaves(self, source_id: str, quantity: int, known: bool) -> None:
            self.parcels += 1
            key, number = f"P{self.parcels}", self.numbers[source_id]
            notice = Shipment("test", key, ("N",), "UPS", "", key, submission_id=number if known else None)
            ordered = [OrderedLine("1", "A", quantity)]
            found = self.ledger.shipments.record(self.driver.ctx, notice, ordered)
            if not known and quantity == 2:
                self.ledger.shipments.match(found.shipment_id, number, ordered)

        @rule(answer=st.sampled_from([True, False, None]), most=st.sampled_from([1, 5]))
        def steps_are_written_back(self, answer: bool | None, most: int) -> None:
            self.begun = True
            for step in STEPS:
                found = self.ledger.feedback.due(NAME, step, 1, **flags(self.after))
                claimed = self.ledger.feedback.claim(self.driver.ctx, found)
                if answer is not None:
                    answers = [(one, Acknowledgement(answer)) for one in claimed]
                    self.ledger.feedback.record_answers(self.driver.ctx, answers, most)

        @precondition(lambda self: self.begun)
        @rule()
        def a_run_ends(self) -> None:
            self.ledger.feedback.remove_finished(NAME, **flags(self.after))

        @rule(retry=st.booleans())
        def an_operator_decides_about_what_failed(self, retry: bool) -> None:
            if failed := self.ledger.write_back_tasks.failed(NAME):
                self.ledger.write_back_tasks.decide_failed("ann", failed, "x", retry=retry)

        @precondition(lambda self: self.begun)
        @rule(after=st.sampled_from(SETTINGS))
        def a_setting_changes(self, after: str) -> None:
            self.after = after

        @invariant()
        def nothing_is_missing(self) -> None:
            if self.begun:
                assert_the_same_is_due(self.ledger, self.after)

    return Events


def test_whatever_happens_to_orders_the_same_steps_are_due_as_if_all_were_read(
    sqlite_template: Path, driver_class: Any, tmp_path: Path
) -> None:
    run_state_machine_as_test(
        machine(sqlite_template, driver_class, tmp_path),
        settings=settings(
            max_examples=300 if LONG else 5,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate),
        ),
    )
