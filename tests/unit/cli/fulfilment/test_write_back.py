"""``feedback``, ``cancelled`` and what ``order`` shows of an unread order, on a real ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from order_relay.airflow.installation import Installation
from order_relay.cli import app as app_module
from order_relay.errors import ValidationIssue
from order_relay.ledger import AttemptResult, BatchInfo, Ledger, ReadyPayload
from order_relay.ledger.schema.records import UnreadRules
from order_relay.orders.messages import DETAIL_UNREADABLE, Acknowledgement, RunContext, SendOutcome, SendResult
from tests.support.offers import offer

PIPELINE = "cloudsuite_to_shopatron"
CTX = RunContext(PIPELINE, "run-1")
NO = Acknowledgement(False, "HTTP 400: state cannot be changed")
WHY = "it answered HTTP 500"


@pytest.fixture
def ledger(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """The take-over of order 1 has failed, order 2 was cancelled after its import, order 3 could not be read."""
    monkeypatch.setattr(Installation, "ledger_url", sqlite_url)
    ledger = Ledger.open(sqlite_url)
    ledger.runs.bind(PIPELINE, "cloudsuite:https://shop.example/a", "shopatron:https://oms.example/1")
    ledger.runs.begin(CTX, "run", 0)
    rows = [{**offer(number), "part": 0, "row": place} for place, number in enumerate("123")]
    rows[2] |= {"problem": DETAIL_UNREADABLE, "order_number": ""}
    info = BatchInfo(
        "b1", "b1/manifest.json", 3, datetime.now(UTC), unread={"3": WHY}, unread_rules=UnreadRules(ask_again_s=900.0)
    )
    ledger.intake.receive(CTX, info, pd.DataFrame(rows), "t")
    works = {work.source_id: work for work in ledger.worklist.to_validate(PIPELINE, "b1")}
    ledger.validation.quarantine(CTX, [(works["3"], [ValidationIssue(DETAIL_UNREADABLE, "", "cannot be read")])])
    ledger.payloads.make_ready(
        CTX,
        [
            ReadyPayload(works[s].id, works[s].revision, f"N-{s}", "p", place, f"f{s}", "t", 100, "EUR")
            for place, s in enumerate("12")
        ],
    )
    for s in "12":
        claim = ledger.claims.claim(CTX, [works[s].id], "test", 30)[works[s].id]
        ledger.outcomes.record(
            CTX, [AttemptResult(works[s].id, claim.attempt, SendResult(SendOutcome.IMPORTED, 201, oms_id=f"90{s}"))]
        )
    ledger.acknowledgements.mark_sent(CTX, [works["1"].id])
    ledger.acknowledgements.record_answers(CTX, {works["1"].id: NO}, 1)
    ledger.cancellations.record(CTX, ["2"])
    yield ledger
    ledger.close()


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app_module.app, list(arguments))


def as_json(*arguments: str) -> Any:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_failed_steps_are_listed_with_the_sources_answer(ledger: Ledger) -> None:
    [row] = as_json("feedback", "--failed")["rows"]
    assert (row["order_number"], row["step"], row["message"]) == ("N-1", "take_over", NO.message)
    text = call("feedback").output
    assert "N-1" in text
    assert "take_over" in text


@pytest.mark.parametrize(("option", "due"), [("--retry", 1), ("--give-up", 0)])
def test_a_failed_step_is_repeated_or_given_up(ledger: Ledger, option: str, due: int) -> None:
    answer = as_json("feedback", option, "N-1", "--reason", "corrected in the shop", "--who", "tester")
    assert answer["number"] == "N-1"
    assert as_json("feedback")["rows"] == []
    waiting = [one.order_number for one in ledger.acknowledgements.due(PIPELINE, given_up_s=900.0)]
    assert waiting.count("N-1") == due
    assert "no failed write-backs" in call("feedback").output


@pytest.mark.parametrize(("option", "left"), [("--retry-all", "refused"), ("--give-up-all", "given_up")])
def test_all_failed_steps_are_counted_and_repeated_or_given_up(ledger: Ledger, option: str, left: str) -> None:
    [count] = as_json("feedback", "--counts")["rows"]
    assert (count["step"], count["state"], count["number"]) == ("take_over", "failed", 1)
    assert call("feedback", option, "--step", "shipped", "--reason", "x").exit_code != 0, "none of this step has failed"
    assert call("feedback", option).exit_code != 0, "without a reason"
    done = as_json("feedback", option, "--step", "take_over", "--reason", "shop repaired", "--who", "tester")["done"]
    assert done.startswith("1 write-backs")
    [count] = as_json("feedback", "--counts")["rows"]
    assert count["state"] == left
    assert "take_over" in call("feedback", "--counts").output


@pytest.mark.parametrize(
    "arguments",
    [
        ("feedback", "--retry-all", "--give-up-all", "--reason", "x"),
        ("feedback", "--retry", "N-9", "--reason", "x"),
        ("feedback", "--retry", "N-1", "--give-up", "N-1"),
        ("cancelled", "--done", "N-1", "--reason", "x"),
        ("cancelled", "--done", "N-2", "--reinstated", "N-2"),
        ("cancelled", "--done", "N-2", "--keep", "N-2", "--reason", "x"),
    ],
)
def test_a_wrong_number_or_conflicting_options_change_nothing(ledger: Ledger, arguments: tuple[str, ...]) -> None:
    assert call(*arguments).exit_code != 0
    assert len(as_json("feedback")["rows"]) == 1
    assert len(as_json("cancelled")["rows"]) == 1


@pytest.mark.parametrize(("option", "marked"), [("--done", True), ("--keep", True), ("--reinstated", False)])
def test_a_cancellation_is_listed_and_settled(ledger: Ledger, option: str, marked: bool) -> None:
    [row] = as_json("cancelled")["rows"]
    assert (row["order_number"], row["oms_id"]) == ("N-2", "902")
    assert "N-2" in (text := call("cancelled").output)
    assert max(map(len, text.splitlines())) <= 80
    as_json("cancelled", option, "2", "--reason", "by phone", "--who", "tester")
    assert as_json("cancelled")["rows"] == []
    life = ledger.queries.find("N-2")[0]
    assert (life["source_cancelled_at"] is not None) is marked
    assert any("by phone" in event["why"] and event["who"] == "tester" for event in life["events"])


def test_a_cancellation_that_the_shop_took_back_is_shown(ledger: Ledger) -> None:
    ledger.cancellations.reinstate(CTX, ["2"], datetime.now(UTC))
    assert "source_reinstated_at" in call("cancelled").output


def test_an_unread_order_shows_the_cause_and_its_next_read(ledger: Ledger) -> None:
    [life] = as_json("order", "3")["submissions"]
    [asked] = life["unread"]
    assert (asked["problem"], asked["why"], asked["asks"]) == (DETAIL_UNREADABLE, WHY, 1)
    assert asked["due_at"]
    text = call("order", "3").output
    assert "HTTP 500" in " ".join(text.split())
    assert "due_at" in text
    assert as_json("order", "N-1")["submissions"][0]["unread"] == []
