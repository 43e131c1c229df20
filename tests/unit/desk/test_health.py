"""*Health*: findings in the background, runs, alerts, backup and reconciliation, and the stop switch."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from order_relay.desk.access import Principal
from order_relay.desk.diagnosis import GIVEN_UP_AFTER, KEPT_FOR, Diagnosis, Finding
from order_relay.ledger import Alert, Ledger
from order_relay.ledger.delivery.history_imports import HistoryRange, HistorySlice
from order_relay.ledger.operators.completed_checks import BACKUP, RECONCILE
from order_relay.orders.messages import RunContext
from order_relay.pipeline.runs.stop_switch import StopSwitch
from order_relay.pipeline.settings.pipeline import load_file, pipeline_files
from tests.support.desk import (
    ADMIN,
    OTHER,
    PIPELINE,
    VIEWER,
    FixedFinding,
    FixedHost,
    FixedParts,
    desk_app,
    desk_client,
)
from tests.support.desk import main_text as text

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
FAILED = FixedFinding("fail", "connection shopatron_default", "the password is missing", "edit this connection")
SETTINGS = {name: load_file(pipeline_files()[name]) for name in (PIPELINE, OTHER)}
STOP = {"pipeline": PIPELINE, "confirmation": "stop", "reason": "OMS maintenance"}


@pytest.fixture
def ledger(sqlite_url: str) -> Iterator[Ledger]:
    opened = Ledger.open(sqlite_url)
    opened.runs.bind(PIPELINE, "source", "destination")
    yield opened
    opened.close()


def client_of(ledger: Ledger, user: Principal = ADMIN, host: FixedHost | None = None) -> TestClient:
    return desk_client(desk_app(FixedParts(str(ledger.database.url), pipelines=SETTINGS), user, host))


class Checks:
    """A check that waits until the test lets it end."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[bool] = []
        self.error, self.goes_on = error, threading.Event()

    def __call__(self, *, vendors: bool) -> list[Finding]:
        self.asked.append(vendors)
        assert self.goes_on.wait(60)
        if self.error:
            raise self.error
        return [FAILED]


def ended(diagnosis: Diagnosis) -> None:
    for thread in threading.enumerate():
        if thread.name == "order desk: doctor":
            thread.join(60)


def test_a_page_never_waits_for_a_check() -> None:
    checks = Checks()
    diagnosis = Diagnosis(checks)
    assert diagnosis.latest(NOW).findings == ()
    assert diagnosis.latest(NOW).running_since == NOW
    assert not diagnosis.start(NOW, vendors=True), "one at a time"
    checks.goes_on.set()
    ended(diagnosis)
    found = diagnosis.latest(datetime.now(UTC))
    assert (found.findings, found.running_since, found.vendors) == ((FAILED,), None, False)
    assert checks.asked == [False]
    assert diagnosis.start(datetime.now(UTC), vendors=True)
    ended(diagnosis)
    assert diagnosis.latest(datetime.now(UTC)).vendors
    diagnosis.latest(datetime.now(UTC) + KEPT_FOR + timedelta(seconds=1))
    ended(diagnosis)
    assert checks.asked == [False, True, False]


def test_a_check_that_does_not_end_is_given_up() -> None:
    checks = Checks()
    diagnosis = Diagnosis(checks)
    diagnosis.latest(NOW)
    late = diagnosis.latest(NOW + GIVEN_UP_AFTER + timedelta(seconds=1))
    assert "did not end within 3 minutes" in late.problem
    assert late.running_since is None
    checks.goes_on.set()
    ended(diagnosis)
    assert diagnosis.latest(NOW + GIVEN_UP_AFTER + timedelta(seconds=2)) == late, "its findings come too late"


def test_an_unexpected_error_ends_a_check_without_quoting_it(caplog: pytest.LogCaptureFixture) -> None:
    checks = Checks(KeyError("Ann Example"))
    checks.goes_on.set()
    diagnosis = Diagnosis(checks)
    diagnosis.latest(NOW)
    ended(diagnosis)
    assert "KeyError" in diagnosis.latest(datetime.now(UTC)).problem
    assert "Ann Example" not in diagnosis.latest(datetime.now(UTC)).problem + caplog.text


def test_findings_are_shown_with_the_next_step_the_worst_first(ledger: Ledger) -> None:
    host = FixedHost(found=[FixedFinding("ok", "alerts", "sent to the log"), FAILED])
    with client_of(ledger, host=host) as client:
        first = client.get("/health").text
        assert 'hx-trigger="every 3s"' in first or "the password is missing" in first
        ended(client.app.state.desk.diagnosis)  # type: ignore[attr-defined]
        shown = client.get("/health/findings").text
    assert "every 3s" not in shown
    assert shown.index("the password is missing") < shown.index("sent to the log")
    assert "edit this connection" in shown


def test_the_vendors_are_queried_only_when_an_operator_asks(ledger: Ledger) -> None:
    host = FixedHost()
    with client_of(ledger, host=host) as client:
        client.get("/health")
        ended(client.app.state.desk.diagnosis)  # type: ignore[attr-defined]
        assert client.post("/health/check").status_code == 204
        ended(client.app.state.desk.diagnosis)  # type: ignore[attr-defined]
    assert host.diagnosed == [False, True]
    with client_of(ledger, VIEWER, host) as client:
        assert client.post("/health/check").status_code == 403
        assert 'id="check-now"' not in client.get("/health").text


def test_runs_alerts_backup_and_reconciliation(ledger: Ledger) -> None:
    for name, facts in (("good", {"balanced": "yes", "run_imported": 7}), ("bad", {"failed_tasks": 1, "cause": "no"})):
        ctx = RunContext(PIPELINE, name)
        ledger.runs.begin(ctx, "run")
        ledger.runs.end(ctx, facts)
    ledger.alerts.record(PIPELINE, [Alert("stuck", "stuck", "3 orders are stuck")])
    ledger.alerts.record(OTHER, [Alert("stuck", "stuck", "orders of another pipeline")])
    with client_of(ledger) as client:
        before = text(client.get("/health").text)
        ledger.completed_checks.record(BACKUP, {"bytes": 12_345})
        counts = {"imported": 9, "seen": 8, "missing": 1, "unsure": 0, "unread": 0, "breaches": 0}
        ledger.completed_checks.record(RECONCILE, counts, PIPELINE)
        after = text(client.get("/health").text)
    assert "No backup by order-relay ledger backup is recorded" in before
    assert f"{PIPELINE} not compared yet" in before
    assert "backed up less than a minute ago (12,345 bytes)" in after
    assert f"{PIPELINE} 1 missing, compared with the OMS" in after
    assert "3 orders are stuck" in after
    assert "another pipeline" not in after
    assert after.index("failed") < after.index("passed")


def test_history_imports_show_how_far_they_got(ledger: Ledger) -> None:
    imports, ctx = ledger.history_imports, RunContext(PIPELINE, "history-1")
    what = HistoryRange(NOW - timedelta(days=2), NOW)
    number = imports.begin(ctx, what, [HistorySlice(0, "2026-04-29"), HistorySlice(1, "2026-04-30")], again=False)
    for orders in (1234, None):
        one = imports.claim(ctx, number)
        assert one is not None
        if orders is not None:
            imports.finish(ctx, number, one.number, orders)
    with client_of(ledger) as client:
        shown = text(client.get("/health").text)
    assert "2026-04-29 to 2026-05-01" in shown
    assert "1 of 2 done, at 2026-04-30" in shown
    assert "1,234" in shown


def test_sending_is_stopped_and_resumed_with_a_typed_word_and_a_reason(ledger: Ledger) -> None:
    host = FixedHost()
    with client_of(ledger, host=host) as client:
        wrong = client.post("/health/stop", data={**STOP, "confirmation": "yes"})
        assert (wrong.status_code, host.written) == (422, [])
        assert "Type the word stop" in wrong.text
        assert client.post("/health/stop", data={**STOP, "reason": " "}).status_code == 422
        assert client.post("/health/stop", data={**STOP, "pipeline": OTHER}).status_code == 404
        assert client.post("/health/stop", data=STOP).status_code == 204
        assert host.switch.stops(PIPELINE)
        assert "UTC: OMS maintenance" in text(client.get("/health").text)
        assert client.post("/health/resume", data={**STOP, "confirmation": "Resume "}).status_code == 204
        assert not host.switch.stops(PIPELINE)
    assert [action.who for action in ledger.activity.general("resume")] == ["admin"]


def test_everything_is_stopped_and_resumed(ledger: Ledger) -> None:
    host = FixedHost(switch=StopSwitch(everything=True))
    with client_of(ledger, host=host) as client:
        page = client.get("/health").text
        assert 'data-dialog="stop"' not in page
        form = {"pipeline": "all pipelines", "confirmation": "resume", "reason": "done"}
        assert client.post("/health/resume", data=form).status_code == 204
    assert host.switch == StopSwitch()


def test_who_may_not_configure_has_no_switch(ledger: Ledger) -> None:
    with client_of(ledger, replace(ADMIN, may_configure=False)) as client:
        assert 'data-dialog="stop"' not in client.get("/health").text
        assert client.post("/health/stop", data=STOP).status_code == 403
