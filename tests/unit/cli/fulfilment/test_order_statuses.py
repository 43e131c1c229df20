"""What people see of statuses by command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from order_relay.airflow.installation import Installation
from order_relay.batches import BatchStore
from order_relay.cli import app as app_module
from order_relay.errors import ValidationIssue
from order_relay.ledger import Ledger
from order_relay.ledger.fulfilment.status_queries import OwnOrders
from order_relay.orders.fulfilment.status_events import Channel, EventKind, StatusEvent, StatusReport
from order_relay.orders.fulfilment.status_records import RejectedRecord
from order_relay.orders.messages import RunContext
from tests.support.archived_orders import Relay, plain_orders

MOMENT = datetime(2026, 5, 1, tzinfo=UTC)
CTX = RunContext("acommerce_status", "poll-1")


@pytest.fixture
def number(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An imported order with statuses, beside one that is not ours and a record that could not be used."""
    monkeypatch.setattr(Installation, "ledger_url", sqlite_url)
    monkeypatch.setattr(Installation, "store", BatchStore(tmp_path.as_uri()))
    ledger = Ledger.open(sqlite_url)
    relay, (document,) = Relay(ledger, BatchStore(tmp_path.as_uri())), plain_orders(1)
    relay.imported(document)
    found: str = document["order_number"]
    ledger.status_history.bind(CTX.pipeline, "acommerce:x")
    events = (
        StatusEvent("e-1", EventKind.ORDER, "NEW", detail="Left with Ms Doe"),
        StatusEvent("e-2", EventKind.PARCEL, "IN_TRANSIT", "PKG1", MOMENT),
    )
    reports = [StatusReport(number, events, Channel.POLL, MOMENT) for number in (found, "ELSEWHERE")]
    refused = [RejectedRecord(1, "B", (ValidationIssue("wrong_type", "/orderStatus", "is no list"),))]
    ledger.status_history.store(CTX, reports, refused=refused, origin="poll")
    pipelines = tuple({life["pipeline"] for life in ledger.queries.find(found)})
    ledger.statuses.match(CTX.pipeline, OwnOrders(pipelines, "order_number"), 1e6, 0)
    (due,) = ledger.statuses.due_follow_ups(CTX.pipeline)
    ledger.statuses.record_follow_up(CTX.pipeline, due, [], "parcel PKG1 is not shipped any more")
    yield found
    ledger.close()


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app_module.app, list(arguments))


def as_json(*arguments: str) -> Any:
    return json.loads(call(*arguments, "--json").stdout)


def test_in_the_life_of_the_order(number: str) -> None:
    (status,) = as_json("order", number)["submissions"][0]["statuses"]
    assert (status["order_status"], status["parcels"][0][:2]) == ("NEW", ["PKG1", "IN_TRANSIT"])
    assert [event["state"] for event in status["events"]] == ["stands", "stands"]
    assert "PKG1 IN_TRANSIT" in call("order", number).stdout


def test_free_text_is_shown_only_where_personal_data_is_asked_for(number: str) -> None:
    assert "Ms Doe" not in call("order", number).stdout + call("order", number, "--json").stdout
    assert "Ms Doe" in call("order", number, "--payload").stdout


def test_lists(number: str) -> None:
    assert {row["order_number"] for row in as_json("statuses")["rows"]} == {number, "ELSEWHERE"}
    assert [row["order_number"] for row in as_json("statuses", "--unmatched")["rows"]] == ["ELSEWHERE"]
    [row] = as_json("statuses", "--refused")["rows"]
    assert (row["code"], row["closed_at"]) == ("wrong_type", None)
    assert "PKG1 IN_TRANSIT" in call("statuses").stdout


def test_refused_records_are_in_the_report(number: str) -> None:
    assert as_json("report", "--no-archive")["statuses_refused"] == 1
    assert "1 status records or rows were refused" in " ".join(call("report", "--no-archive").stdout.split())


def test_what_was_dealt_with_is_asked_no_more(number: str) -> None:
    assert [row["order_number"] for row in as_json("statuses", "--asked")["rows"]] == [number]
    assert call("statuses", "--done", number).exit_code == 0
    assert call("statuses", "--asked").stdout == "none\n"


def test_refused_records_are_closed_with_who_and_why(number: str) -> None:
    closed = ("statuses", "--refused", "--close")
    assert call(*closed, "poll").exit_code != 0, "a reason is needed"
    assert call(*closed, "elsewhere", "--reason", "seen").exit_code != 0
    assert "refused records closed: 1" in call(*closed, "poll", "--reason", "told by phone", "--who", "ann").stdout
    [row] = as_json("statuses", "--refused")["rows"]
    assert (row["closed_by"], row["closed_why"]) == ("ann", "told by phone")
    assert call("statuses", "--refused").stdout.strip() == "none"
    assert call(*closed, "all", "--reason", "again").exit_code != 0, "nothing is open any more"
