"""The timeline: merged, bounded, and each entry at the system that caused it."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import order_relay
from order_relay.ledger.reporting.order_records import (
    ActionEntry,
    Excerpt,
    FeedGapEntry,
    OrderFacts,
    OrderHistory,
    ParcelEntry,
    StateEvent,
)
from order_relay.ledger.schema.states import State
from order_relay.pipeline.order_view.order_timeline import AUTOMATIC, MAX_ENTRIES, order_timeline

START = datetime(2026, 5, 4, 6, 0, tzinfo=UTC)


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def history(**parts: Any) -> OrderHistory:
    empty: dict[str, Any] = {field.name: None if "None" in str(field.type) else "" for field in fields(OrderFacts)}
    facts = {**empty, "pipeline": "shop_to_oms__eu", "state": State.IMPORTED, "source_cancelled_at": at(5)}
    nothing: dict[str, Any] = {field.name: Excerpt() for field in fields(OrderHistory)}
    rest: dict[str, Any] = {"order": OrderFacts(**facts), "statuses": (), "runs": frozenset()}
    return OrderHistory(**{**nothing, **rest, **parts})


def event(minute: int, before: str, after: str, who: str = "run", why: str = "") -> StateEvent:
    return StateEvent(minute, at(minute), before, after, minute, "", who, why)


def excerpt(*rows: Any) -> Excerpt[Any]:
    return Excerpt(rows, len(rows))


def test_entries_of_all_kinds_are_in_the_order_of_time() -> None:
    parcel = ParcelEntry(1, "person", "UPS", "", "1Z", None, at(6), "ann", "phoned", "", "", Excerpt())
    found = order_timeline(
        history(
            events=excerpt(
                event(1, "", "received"),
                event(2, "received", "ready"),
                event(3, "sending", "imported"),
                event(5, "imported", "imported", why="its source cancelled it"),
                event(8, "imported", "imported", "oms", "OMS status CANCELLED: cancelled"),
                event(9, "imported", "superseded", "ann", "sent again"),
            ),
            left_out=excerpt(FeedGapEntry(1, "no items", at(4), at(7))),
            parcels=excerpt(parcel),
            actions=excerpt(ActionEntry(1, at(10), "bo", "note", "done", None)),
        )
    )
    assert [(one.system, one.what, one.who) for one in found.entries] == [
        ("shop", "received", ""),
        ("Order Relay", "checked", ""),
        ("oms", "imported", ""),
        ("order feed", "left out of the order feed", ""),
        ("shop", "its source cancelled it", ""),
        ("operator", "parcel reported", "ann"),
        ("order feed", "in the order feed again", ""),
        ("oms", "OMS status CANCELLED: cancelled", ""),
        ("operator", "superseded", "ann"),
        ("operator", "note", "bo"),
    ]
    assert [one.at for one in found.entries] == [at(minute) for minute in range(1, 11)]
    assert found.entries[5].details == "UPS; 1Z; the whole order; phoned"


def test_a_long_timeline_ends_with_the_newest_entries_and_counts_the_others() -> None:
    moves = [event(minute, "waiting", "received") for minute in range(MAX_ENTRIES + 30)]
    found = order_timeline(replace(history(), events=Excerpt(tuple(moves), len(moves) + 7)))
    assert len(found.entries) == MAX_ENTRIES
    assert (found.entries[-1].at, found.omitted) == (moves[-1].at, 37)


def test_no_job_is_taken_for_an_operator() -> None:
    jobs = Path(order_relay.__path__[0], "airflow", "jobs").glob("*.py")
    actors = {name for job in jobs for name in re.findall(r'^ACTOR = "(\w+)"', job.read_text(), re.MULTILINE)}
    assert "feedback" in actors
    assert actors <= AUTOMATIC
