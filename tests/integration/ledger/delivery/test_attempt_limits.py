"""No order is sent without end, and no clock of an alert starts again because an order was tried again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from order_relay.errors import ValidationIssue
from order_relay.ledger import AttemptResult, LookupFinding
from order_relay.ledger.delivery import attempts
from order_relay.ledger.schema.records import LookupResult, PositiveControl
from order_relay.orders.identity.traits import Traits
from order_relay.orders.messages import SearchHit, SearchResult, SendOutcome, SendResult
from order_relay.pipeline.alerts.kinds import STUCK
from order_relay.pipeline.alerts.rules import PipelineFacts, check_pipeline, state_limits
from order_relay.pipeline.lookup.in_doubt import look_up
from order_relay.pipeline.settings.pipeline import PipelineSettings
from order_relay.vendors.shopatron.client import IMPORT_OUTCOMES
from tests.support.offers import offer

NAME = "shop_to_oms"
HOUR = timedelta(hours=1)
START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
NO_ANSWER = SendResult(SendOutcome.IN_DOUBT, 0, code="ServerDisconnectedError", message="no complete answer")
SETTINGS = PipelineSettings.model_validate(
    {
        "name": "supercat_to_shopatron",
        "mode": "live",
        "source": {"vendor": "supercat", "connection": "supercat_default"},
        "destination": {"vendor": "shopatron", "connection": "shopatron_default"},
    }
)


class Clock:
    """The database's clock, set by the test."""

    def __init__(self):
        self.now = START

    def forward(self, **by):
        self.now += timedelta(**by)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("order_relay.ledger.store.database.read_clock", lambda conn: clock.now)
    return clock


def answered(status, body=b""):
    return IMPORT_OUTCOMES.classify(status, CIMultiDict(), body)


def attempt(driver, clock, number, answer):
    """Send once, lose the answer or get this one, and find the order absent as often as it takes."""
    claim = driver.claim(number)[number]
    driver.ledger.outcomes.record(driver.ctx, [AttemptResult(number, claim.attempt, answer)])
    for _ in range(2):
        clock.forward(minutes=40)
        found = LookupResult(number, claim.attempt, LookupFinding.absent(), "external_id")
        driver.ledger.lookups.record(driver.ctx, [found], 960.0, 3)


ENDLESS = {
    "409": answered(409, b'{"code": 5011, "message": "order is locked"}'),
    "413": answered(413),
    "500": answered(500, b"<html>Internal error</html>"),
    "503": answered(503),
    "200 with an error": answered(200, b'{"status": "error", "message": "catalog is closed"}'),
    "no answer": NO_ANSWER,
}


@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS)
def test_an_order_that_never_arrives_is_rejected_after_three_attempts(driver, clock, answer):
    number = driver.all_ready("1")[0]
    for _ in range(3):
        attempt(driver, clock, number, answer)
    row = driver.row("1")
    assert (row["state"], len(row["attempts"])) == ("rejected", 3)
    assert row["reason"] == attempts.answer_code(answer)
    assert "3 attempts" in row["events"][-1]["why"]
    assert row["attempts"][-1]["body"] == answer.body
    (listed,) = driver.ledger.queries.quarantined()
    assert (listed["order_number"], listed["code"]) == (row["order_number"], row["reason"])


def test_answers_that_differ_end_as_well(driver, clock):
    number = driver.all_ready("1")[0]
    for _ in range(3):
        for answer in (ENDLESS["500"], ENDLESS["409"]):
            assert driver.state("1") == "ready"
            attempt(driver, clock, number, answer)
    assert (driver.state("1"), len(driver.row("1")["attempts"])) == ("rejected", 6)


def test_a_worker_that_dies_proves_nothing_about_the_order(driver, clock):
    number = driver.all_ready("1")[0]
    for _ in range(5):
        driver.claim(number)
        clock.forward(minutes=5)
        driver.ledger.leases.expire(driver.ctx, 60.0)
        for _ in range(2):
            clock.forward(minutes=40)
            found = LookupResult(number, driver.row("1")["attempt"], LookupFinding.absent(), "external_id")
            driver.ledger.lookups.record(driver.ctx, [found], 960.0, 3)
        assert driver.state("1") == "ready"


def test_throttled_and_unsent_attempts_do_not_count(driver, clock):
    number = driver.all_ready("1")[0]
    for outcome in (SendOutcome.THROTTLED, SendOutcome.NOT_SENT, SendOutcome.CONFIGURATION_ERROR) * 3:
        claim = driver.claim(number)[number]
        driver.settle(number, outcome, attempt=claim.attempt)
        clock.forward(minutes=15)
    assert driver.state("1") == "ready"
    assert driver.row("1")["absences"] == 0


@pytest.mark.parametrize("how", ["replay", "changed content"])
def test_what_begins_anew_gets_new_attempts(driver, clock, how):
    number = driver.all_ready("1")[0]
    for _ in range(3):
        attempt(driver, clock, number, ENDLESS["500"])
    if how == "replay":
        assert driver.ledger.bulk.replay(driver.ctx, [number], "the OMS was repaired") == 1
    else:
        driver.receive(offer("1", content_hash="other"))
    driver.make_ready(*driver.resolve())
    assert driver.row("1")["first_sent_at"] is None
    attempt(driver, clock, number, ENDLESS["500"])
    assert driver.state("1") == "ready"


def test_the_setting_decides_how_often(driver, clock):
    number = driver.all_ready("1")[0]
    claim = driver.claim(number)[number]
    driver.settle(number, SendOutcome.IN_DOUBT, attempt=claim.attempt, status=500)
    for _ in range(2):
        clock.forward(hours=1)
        driver.ledger.lookups.record(driver.ctx, [LookupResult(number, 1, LookupFinding.absent(), "key")], 960.0, 1)
    assert driver.state("1") == "rejected"


class Oms:
    """Stores nothing, answers every POST alike, and shows in each search the one order that it had before."""

    account, search_by = "oms:https://oms.example/1", "external_id"
    timeout_s, visible_after_s = 60.0, 900.0
    idempotent = False

    def __init__(self, answer):
        self.answer = answer
        self.posts = 0

    def post(self):
        self.posts += 1
        return self.answer

    async def find_by_key(self, keys):
        return SearchResult(tuple(SearchHit("OMS-OLD", key) for key in keys if key == "KEY-OLD"), complete=True)

    def expected_traits(self, payload):
        return Traits()


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS)
def test_two_days_of_an_order_that_never_arrives(driver, clock, answer, monkeypatch):
    old = PositiveControl("KEY-OLD", "OMS-OLD", START - 24 * HOUR)
    monkeypatch.setattr(driver.ledger.lookups, "positive_controls", lambda *_, **__: [old])
    driver.all_ready("1")
    oms, notes, rejected_at = Oms(answer), [], None
    while clock.now < START + 48 * HOUR:
        one_run(driver, clock, oms)
        notes += [(clock.now - START, note) for note in one_watch(driver, clock)]
        if rejected_at is None and driver.state("1") == "rejected":
            rejected_at = clock.now - START
        clock.forward(minutes=240 if rejected_at else 15)
    assert oms.posts <= 3
    assert rejected_at is not None
    assert rejected_at < 6 * HOUR
    assert [row["order_number"] for row in driver.ledger.queries.quarantined()] == [driver.row("1")["order_number"]]
    assert len({note.cause for _, note in notes}) == 1, "one alert for one order"
    assert HOUR <= notes[0][0] <= 3 * HOUR
    assert all(at - notes[0][0] >= 23 * HOUR for at, _ in notes[1:]), "repeated at most once a day"
    assert not any(note.over for _, note in notes)


def one_run(driver, clock, oms):
    """What a scheduled run does: take in what is offered, look up what is due, send what is ready."""
    driver.receive(offer("1"), fetched_at=clock.now)
    if due := driver.ledger.lookups.due(NAME):
        asyncio.run(look_up(driver.ctx, driver.ledger.lookups, oms, oms, due, now=lambda: clock.now))
    for number in driver.ledger.claims.ready(NAME):
        claim = driver.claim(number)[number]
        driver.ledger.outcomes.record(driver.ctx, [AttemptResult(number, claim.attempt, oms.post())])


def one_watch(driver, clock):
    """What the DAG ``watch`` does: note what takes too long, and deliver what is due."""
    facts = PipelineFacts(
        NAME,
        clock.now,
        driver.ledger.health.heartbeat(NAME),
        driver.ledger.health.overdue(NAME, state_limits(SETTINGS)),
    )
    driver.ledger.alerts.record(NAME, [m for m in check_pipeline(facts, SETTINGS) if m.kind == STUCK], {STUCK})
    notes = driver.ledger.alerts.claim_due()
    for note in notes:
        driver.ledger.alerts.mark_delivered(note)
    return notes


def test_an_alert_counts_from_the_first_attempt(driver, clock):
    number = driver.all_ready("1")[0]
    attempt(driver, clock, number, ENDLESS["500"])
    began = driver.row("1")["first_sent_at"]
    assert began == START
    driver.claim(number)
    driver.settle(number, SendOutcome.IN_DOUBT, attempt=2, status=500)
    (late,) = driver.ledger.health.overdue(NAME, {"in_doubt": 3600.0, "ready": 60.0, "sending": 60.0, "rejected": 60.0})
    assert (late.state, late.oldest) == ("in_doubt", START)


def test_throttling_starts_no_clock_anew(driver, clock):
    number = driver.all_ready("1")[0]
    for n in range(1, 10):
        driver.claim(number)
        driver.settle(number, SendOutcome.THROTTLED, attempt=n, status=429)
        clock.forward(minutes=15)
    (late,) = driver.ledger.health.overdue(NAME, {"ready": 7200.0})
    assert (late.state, late.oldest) == ("ready", START)


def test_an_order_that_waits_and_is_offered_again_never_stopped_waiting(driver, clock):
    versions = [offer("1", lineage="L"), offer("2", lineage="L", problem="", base_number="N-1")]
    driver.receive(*versions)
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work("2"), [ValidationIssue("bad", "/x", "is bad")])])
    driver.resolve()
    for _ in range(4):
        assert driver.state("1") == "waiting"
        clock.forward(hours=12)
        driver.receive(*versions, fetched_at=clock.now)
        driver.resolve()
    (late,) = driver.ledger.health.overdue(NAME, {"waiting": 47 * 3600.0})
    assert (late.state, late.oldest) == ("waiting", START)
    driver.ledger.bulk.discard(driver.ctx, [driver.work("2").id], "given up")
    driver.receive(versions[0], fetched_at=clock.now)
    driver.make_ready(*driver.resolve())
    assert (driver.state("1"), driver.row("1")["waiting_since"]) == ("ready", None)


class Ended:
    """How one attempt ended."""

    def __init__(self, status, code="", died=False):
        self.status, self.code, self.outcome = status, code, "in_doubt"
        self.settled_at = None if died else START


ENDINGS = st.builds(Ended, st.sampled_from([0, 200, 409, 413, 500, 503]), st.sampled_from(["", "5011"]), st.booleans())


@given(st.lists(ENDINGS, max_size=14), st.integers(1, 5))
def test_every_series_of_attempts_ends(endings, most):
    ended = [n for n in range(len(endings) + 1) if attempts.exhausted(endings[:n], most)]
    if len(endings) >= attempts.OF_ANY_KIND * most:
        assert ended
    if ended:
        assert most <= ended[0] <= attempts.OF_ANY_KIND * most


@given(st.integers(1, 5), st.sampled_from([0, 200, 409, 413, 500]))
def test_the_same_answer_ends_at_the_limit_exactly(most, status):
    alike = [Ended(status, "TimeoutError" if not status else "") for _ in range(most)]
    assert attempts.exhausted(alike, most)
    assert not attempts.exhausted(alike[:-1], most)


ERRORS = [
    b'{"orderID": 7, "success": false, "error": "item dropped"}',
    b'{"orderID": "7", "errors": [{"code": 5012, "message": "item dropped"}]}',
    b'{"orderID": 7, "status": "PARTIAL", "message": "item dropped"}',
    b'{"orderID": 7, "warnings": {"line 2": "item dropped"}}',
    b'{"orderID": 7, "success": "false", "description": "item dropped"}',
]
CLEAN = [
    b'{"orderID": 7}',
    b'{"orderID": 7, "success": true, "message": "Order imported"}',
    b'{"orderID": 7, "error": null, "errors": [], "warnings": {}, "errorCode": 0, "status": "NEW"}',
    b'{"orderID": 7, "success": null, "error": "", "failed": false, "errorMessage": "None"}',
]


@pytest.mark.parametrize(("status", "body"), list(product((200, 201), ERRORS)))
def test_an_error_beside_an_order_id_is_kept(status, body):
    answer = answered(status, body)
    assert (answer.outcome, answer.oms_id) == (SendOutcome.IMPORTED, "7")
    assert "item dropped" in answer.remark
    assert "item dropped" not in answer.message


@pytest.mark.parametrize("body", CLEAN)
def test_a_plain_success_has_no_remark(body):
    answer = answered(200, body)
    assert (answer.outcome, answer.remark, answer.message) == (SendOutcome.IMPORTED, "", "")


def test_an_order_imported_beside_an_error_is_flagged(driver):
    one, two = driver.all_ready("1", "2")
    driver.claim(one, two)
    plain = answered(200, b'{"orderID": 8}')
    driver.ledger.outcomes.record(
        driver.ctx, [AttemptResult(one, 1, answered(200, ERRORS[0])), AttemptResult(two, 1, plain)]
    )
    assert [driver.state(s) for s in "12"] == ["imported", "imported"]
    ((number, oms_id, expected),) = driver.ledger.accounting.imported_with_remarks(NAME, driver.ctx.run, 10)
    assert (number, oms_id) == (driver.row("1")["order_number"], "7")
    assert "item dropped" in expected
    assert driver.ledger.accounting.imported_with_remarks(NAME, "another run", 10) == []
    assert "names an error" in driver.row("1")["attempts"][0]["message"]
