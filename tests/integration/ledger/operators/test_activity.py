"""What operators did beside the transitions, and what retention leaves of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from order_relay.errors import ConfigurationError, IllegalTransitionError
from order_relay.ledger import Ledger
from order_relay.ledger.operators.activity import record_action
from order_relay.orders.messages import Acknowledgement

PIPELINE = "shop_to_oms"


def test_an_action_is_recorded_in_the_transaction_that_carries_it_out(ledger: Ledger, driver: Any) -> None:
    (number,) = driver.all_ready("1")

    def work(tx: Any) -> None:
        record_action(
            tx,
            who=" ann ",
            action="correct",
            why="wrong zip\x00",
            pipeline=PIPELINE,
            submission_id=number,
            details={"fields": ["zip"]},
        )

    ledger.database.write(work)
    assert ledger.activity.note([number], "customer phoned", "bob") == 1
    first, second = ledger.activity.of_submission(number)
    assert (first.who, first.action, first.why, first.details) == (
        "ann",
        "correct",
        "wrong zip\ufffd",
        {"fields": ["zip"]},
    )
    assert (second.who, second.action, second.why, second.pipeline) == ("bob", "note", "customer phoned", PIPELINE)
    assert first.at <= second.at


def test_actions_about_no_single_order_are_listed_newest_first(ledger: Ledger) -> None:
    for why in ("OMS is down", "still down"):
        ledger.activity.record(who="ann", action="stop", why=why)
    ledger.activity.record(who="ann", action="resume", why="up again")
    assert [(one.why, one.pipeline) for one in ledger.activity.general("stop")] == [
        ("still down", ""),
        ("OMS is down", ""),
    ]


def test_a_note_needs_an_author_a_text_and_orders_that_exist(ledger: Ledger, driver: Any) -> None:
    (number,) = driver.all_ready("1")
    with pytest.raises(ConfigurationError, match="the note is empty"):
        ledger.activity.note([number], "  ", "ann")
    with pytest.raises(ConfigurationError, match="name is missing"):
        ledger.activity.note([number], "x", " ")
    with pytest.raises(IllegalTransitionError, match="unknown submission ids: 99"):
        ledger.activity.note([number, 99], "x", "ann")
    assert ledger.activity.of_submission(number) == []


def test_retention_keeps_only_who_did_what_and_when(ledger: Ledger, driver: Any) -> None:
    number = driver.imported("1")
    ledger.activity.note([number], "Jane Doe phoned", "ann")
    ledger.activity.record(
        who="ann", action="correct", why="Jane", pipeline=PIPELINE, submission_id=number, details={"field": "zip"}
    )
    due = [entry.id for entry in ledger.acknowledgements.due(PIPELINE, 100)]
    ledger.acknowledgements.mark_sent(driver.ctx, due)
    ledger.acknowledgements.record_answers(driver.ctx, dict.fromkeys(due, Acknowledgement(accepted=True)))
    later = datetime.now(UTC) + timedelta(days=1)
    before = ledger.activity.of_submission(number)
    ledger.retention.remove_personal_data(PIPELINE, datetime.now(UTC) - timedelta(days=1), 10)
    assert ledger.activity.of_submission(number) == before, "too early"
    assert list(ledger.retention.with_personal_data(PIPELINE, later)) == [number]
    ledger.retention.remove_personal_data(PIPELINE, later, 10)
    assert list(ledger.retention.with_personal_data(PIPELINE, later)) == []
    assert ledger.activity.of_submission(number) == [one._replace(why="", details={}) for one in before]
