"""The decision about an imported order that its source cancelled, and a model of everything that can happen to it."""

from __future__ import annotations

import itertools
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from order_relay.errors import ConcurrentUpdateError, ConfigurationError, IllegalTransitionError
from order_relay.ledger import Ledger
from order_relay.ledger.fulfilment.feed_index import FeedOrder
from order_relay.ledger.schema.oms_tables import oms_status
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.write_back.due_steps import LINE_NUMBERS, OMS_NUMBER
from order_relay.ledger.write_back.oms_cancellations import OMS_CANCELLED, SHIPPED
from order_relay.orders.fulfilment.oms_order import AskingPace, OmsOrder, OmsReading
from order_relay.orders.fulfilment.shipment_progress import Shipment
from order_relay.orders.messages import Acknowledgement
from order_relay.orders.review.choices import AT_OMS, CANCELLATION_CHOICES, KEEP, REINSTATED

NAME = "shop_to_oms"
EARLY = datetime(2020, 1, 1, tzinfo=UTC)
_files = itertools.count()


@pytest.fixture
def cancelled(driver):
    """An imported and acknowledged order that its source cancelled afterwards."""
    number = driver.imported("1", "OMS1")
    acknowledge(driver, number)
    driver.ledger.cancellations.record(driver.ctx, ["1"])
    return number


def acknowledge(driver, number):
    driver.ledger.acknowledgements.mark_sent(driver.ctx, [number])
    driver.ledger.acknowledgements.record_answers(driver.ctx, {number: Acknowledgement(True)})


def tasks(driver):
    return {task["id"]: task["revision"] for task in driver.ledger.cancellations.unsettled(NAME)}


def decide(driver, choice, shown=None):
    return driver.ledger.cancellations.decide(shown or tasks(driver), choice, "by phone", "ann")


def reinstate(driver, as_of=None):
    return driver.ledger.cancellations.reinstate(driver.ctx, ["1"], as_of or datetime.now(UTC) + timedelta(hours=1))


def in_feed(ledger: Ledger) -> FeedOrder:
    now = datetime.now(UTC)
    page = ledger.feed_index.modified_between(now - timedelta(days=1), now + timedelta(days=1), entered=State.IMPORTED)
    [order] = page.orders
    return order


def due(ledger: Ledger) -> list[str]:
    steps = (OMS_NUMBER, LINE_NUMBERS, SHIPPED)
    return [one.step for step in steps for one in ledger.feedback.due(NAME, step, 10, at_import=True)]


@pytest.mark.parametrize(("choice", "stopped"), [(AT_OMS, True), (KEEP, False)])
def test_a_decision_ends_the_task_and_the_feed_follows_it(driver, cancelled, choice, stopped):
    assert in_feed(driver.ledger).cancelled
    assert decide(driver, choice) == [cancelled]
    assert tasks(driver) == {}
    assert in_feed(driver.ledger).cancelled is stopped
    assert due(driver.ledger) == [], "the shop still counts it as cancelled"
    assert driver.ledger.cancellations.record(driver.ctx, ["1"]).sent == 0, "it is decided"
    event = driver.row("1")["events"][-1]
    assert (event["who"], "by phone" in event["why"]) == ("ann", True)


@pytest.mark.parametrize("change", ["decided", "reinstated", "cancelled again"])
def test_a_decision_about_an_older_case_is_refused(driver, cancelled, change):
    shown = tasks(driver)
    if change == "decided":
        decide(driver, KEEP)
    else:
        reinstate(driver)
    if change == "cancelled again":
        driver.ledger.cancellations.record(driver.ctx, ["1"])
    with pytest.raises(ConcurrentUpdateError):
        decide(driver, AT_OMS, shown)


def test_a_decision_that_is_not_needed_or_not_known_is_refused(driver):
    number = driver.imported("1", "OMS1")
    with pytest.raises(IllegalTransitionError):
        decide(driver, KEEP, {number: None})
    driver.ledger.cancellations.record(driver.ctx, ["1"])
    with pytest.raises(ConfigurationError):
        decide(driver, "perhaps")


@pytest.mark.parametrize(("choice", "stopped"), [(AT_OMS, True), (KEEP, False)])
def test_a_cancellation_that_the_source_takes_back_waits_for_a_decision(driver, cancelled, choice, stopped):
    assert reinstate(driver) == 1
    assert reinstate(driver) == 0, "once"
    [task] = driver.ledger.cancellations.unsettled(NAME)
    assert task["source_reinstated_at"] is not None
    assert in_feed(driver.ledger).cancelled, "somebody may have cancelled it at the destination"
    decide(driver, choice)
    assert tasks(driver) == {}
    assert in_feed(driver.ledger).cancelled is stopped
    assert due(driver.ledger) == ([] if stopped else [OMS_NUMBER])


def test_one_that_is_cancelled_at_the_destination_and_reinstated_at_its_source_is_a_task_again(driver, cancelled):
    decide(driver, AT_OMS)
    reinstate(driver)
    assert list(tasks(driver)) == [cancelled]
    assert in_feed(driver.ledger).cancelled
    driver.ledger.cancellations.record(driver.ctx, ["1"])
    assert tasks(driver) == {}, "cancelled at both again"
    reinstate(driver)
    decide(driver, KEEP)
    assert not in_feed(driver.ledger).cancelled


def test_one_that_was_kept_proceeds_once_it_is_reinstated_and_is_a_task_if_it_is_cancelled_again(driver, cancelled):
    decide(driver, KEEP)
    reinstate(driver)
    assert (tasks(driver), due(driver.ledger)) == ({}, [OMS_NUMBER])
    assert driver.ledger.cancellations.record(driver.ctx, ["1"]).sent == 1
    assert list(tasks(driver)) == [cancelled]


def test_an_answer_from_before_the_cancellation_takes_nothing_back(driver, cancelled):
    assert reinstate(driver, datetime.now(UTC) - timedelta(hours=1)) == 0


def test_offers_of_the_source_cancel_and_reinstate_what_was_sent(driver):
    number = driver.imported("1", "OMS1")
    follow = driver.ledger.cancellations.follow_offers
    follow(driver.ctx, {"1", "new"}, set(), datetime.now(UTC))
    assert list(tasks(driver)) == [number]
    revision = driver.work("1").revision
    follow(driver.ctx, {"1"}, set(), datetime.now(UTC))
    assert driver.work("1").revision == revision, "once"
    follow(driver.ctx, set(), {"1", "new"}, datetime.now(UTC) + timedelta(hours=1))
    [task] = driver.ledger.cancellations.unsettled(NAME)
    assert task["source_reinstated_at"] is not None


@pytest.mark.parametrize("step", [OMS_NUMBER, SHIPPED])
def test_a_cancellation_between_reading_and_claiming_a_step_stops_it(driver, step):
    number = driver.imported("1", "OMS1")
    acknowledge(driver, number)
    [found] = driver.ledger.feedback.due(NAME, OMS_NUMBER, 10)
    if step == SHIPPED:
        driver.ledger.feedback.claim(driver.ctx, [found])
        driver.ledger.feedback.record_answers(driver.ctx, [(found, Acknowledgement(False))], 1)
        [found] = driver.ledger.feedback.due(NAME, SHIPPED, 10, at_import=True)
    driver.ledger.cancellations.record(driver.ctx, ["1"])
    assert driver.ledger.feedback.claim(driver.ctx, [found]) == []


def oms_cancels(driver, number):
    driver.ledger.oms_questions.enrol(NAME, first_days=30)
    answer = {number: OmsOrder("CANCELED", OmsReading.CANCELLED)}
    driver.ledger.oms_statuses.record(driver.ctx, answer, AskingPace(), EARLY)


def reportable(driver):
    return [one.submission_id for one in driver.ledger.feedback.due(NAME, OMS_CANCELLED, 10)]


def test_what_the_oms_cancelled_is_reported_once_and_never_as_shipped(driver):
    number = driver.imported("1", "OMS1")
    acknowledge(driver, number)
    assert reportable(driver) == []
    oms_cancels(driver, number)
    assert due(driver.ledger) == [OMS_NUMBER], "not as shipped"
    found = driver.ledger.feedback.due(NAME, OMS_CANCELLED, 10)
    assert driver.ledger.feedback.claim(driver.ctx, found) == found
    driver.ledger.feedback.record_answers(driver.ctx, [(found[0], Acknowledgement(True))])
    assert reportable(driver) == []
    driver.ledger.cancellations.record(driver.ctx, ["1"])
    assert tasks(driver) == {}, "cancelled everywhere: nothing to decide"


@pytest.mark.parametrize("case", ["its source cancelled it", "a part was shipped", "an operator confirmed it alone"])
def test_a_cancellation_at_the_oms_is_not_reported_if(driver, case):
    number = driver.imported("1", "OMS1")
    acknowledge(driver, number)
    oms_cancels(driver, number)
    found = driver.ledger.feedback.due(NAME, OMS_CANCELLED, 10)
    with driver.ledger.database.engine.begin() as conn:
        if case == "its source cancelled it":
            conn.execute(submission.update().values(source_cancelled_at=EARLY))
        elif case == "a part was shipped":
            conn.execute(submission.update().values(shipped="partly"))
        else:
            conn.execute(oms_status.update().values(reading="open"))
    assert reportable(driver) == []
    if case != "an operator confirmed it alone":
        assert driver.ledger.feedback.claim(driver.ctx, found) == [], "checked again when it is claimed"


def machine(template, driver_class, folder):
    """What the source, the destination, workers and operators do with one order, in any order."""

    class Cancelling(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            path = folder / f"{next(_files)}.sqlite"
            shutil.copy(template, path)
            self.ledger = Ledger.open(f"sqlite:///{path}")
            self.ledger.runs.bind(NAME, "source", "oms")
            self.driver = driver_class(self.ledger)
            self.ledger.runs.begin(self.driver.ctx, "test", 0)
            acknowledge(self.driver, self.driver.imported("1", "OMS1"))
            self.shop_cancelled = self.known = False  # in the shop, and as the ledger has read it
            self.kept = self.at_oms = False
            self.ledger.oms_questions.enrol(NAME, first_days=30)
            self.written, self.parcels = set(), 0

        def teardown(self):
            assert self.ledger.accounting.invariant_violations() == []
            self.ledger.close()

        @rule()
        def the_source_cancels_or_reinstates(self):
            self.shop_cancelled = not self.shop_cancelled

        @rule()
        def the_source_is_read(self):
            before = set(tasks(self.driver))
            if self.shop_cancelled:
                self.ledger.cancellations.record(self.driver.ctx, ["1"])
                if not self.known and not self.at_oms:
                    assert tasks(self.driver), "a cancellation becomes a task"
            else:
                reinstate(self.driver)
                if self.known and self.at_oms:
                    assert tasks(self.driver), "so does an order that is cancelled at the destination alone"
                self.kept = False if self.known else self.kept
            assert not before or tasks(self.driver) or (self.shop_cancelled and self.at_oms), "no task is lost"
            self.known = self.shop_cancelled

        @rule(choice=st.sampled_from([*CANCELLATION_CHOICES, REINSTATED]))
        def an_operator_decides(self, choice):
            if shown := tasks(self.driver):
                self.driver.ledger.cancellations.decide(shown, choice, "x", "ann")
                if choice == AT_OMS or self.at_oms:
                    self.at_oms = choice == AT_OMS
                if not self.at_oms:
                    self.written.discard(OMS_CANCELLED)  # not true any more
                self.kept = choice == KEEP and self.known
                self.known = self.known and choice != REINSTATED

        @rule(reading=st.sampled_from([OmsReading.OPEN, OmsReading.CANCELLED]))
        def the_oms_answers(self, reading):
            number = self.driver.work("1").id
            self.ledger.oms_statuses.record(self.driver.ctx, {number: OmsOrder(reading, reading)}, AskingPace(), EARLY)
            if reading is OmsReading.CANCELLED:
                self.at_oms, self.kept = True, False

        @rule()
        def a_parcel_is_reported(self):
            self.parcels += 1
            notice = Shipment("test", f"P{self.parcels}", ("N-1",), submission_id=self.driver.work("1").id)
            self.ledger.shipments.record(self.driver.ctx, notice, None)

        @rule(accepted=st.booleans())
        def a_step_is_written_back(self, accepted):
            for step in (OMS_NUMBER, LINE_NUMBERS, SHIPPED, OMS_CANCELLED):
                found = self.ledger.feedback.due(NAME, step, 1, at_import=True)
                claimed = self.ledger.feedback.claim(self.driver.ctx, found)
                assert not (claimed and (self.known or (step == SHIPPED and self.at_oms)))
                self.written |= {one.step for one in claimed}
                assert not self.written >= {SHIPPED, OMS_CANCELLED}, "the source is sent one or the other"
                self.ledger.feedback.record_answers(
                    self.driver.ctx, [(one, Acknowledgement(accepted)) for one in claimed], 1
                )

        @invariant()
        def a_known_cancellation_is_never_offered(self):
            order = in_feed(self.ledger)
            undecided = bool(tasks(self.driver))
            assert order.cancelled or not (undecided or self.at_oms or (self.known and not self.kept))
            assert not (self.kept and order.cancelled), "a kept order is offered"

    return Cancelling


def test_whatever_happens_nothing_is_offered_or_reported_as_shipped_after_its_cancellation_was_known(
    sqlite_template, driver_class, tmp_path
):
    run_state_machine_as_test(
        machine(sqlite_template, driver_class, tmp_path),
        settings=settings(
            max_examples=12,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate),
        ),
    )
