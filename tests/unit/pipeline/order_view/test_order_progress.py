"""The progress line: every state has one, and it never goes back and forth."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.ledger.reporting.order_records import Excerpt, OrderFacts, OrderHistory, ServiceStatus
from order_relay.ledger.schema.states import State
from order_relay.pipeline.order_view.order_progress import ProgressStep, StepStatus, order_progress

NOW = datetime(2026, 5, 4, 6, 0, tzinfo=UTC)
NAMES = ("received", "checked", "sent", "imported", "acknowledged", "shipped", "delivered")
DONE, CURRENT, FAILED, NOT_YET, NOT_NEEDED = StepStatus


def facts(state: str, **more: Any) -> OrderFacts:
    """A submission; columns that are not given are empty."""
    values: dict[str, Any] = {field.name: None if "None" in str(field.type) else "" for field in fields(OrderFacts)}
    return OrderFacts(**{**values, "first_offered_at": NOW, "changed_at": NOW, "state": state, **more})


def history(order: OrderFacts, checked_at: datetime | None = None, *statuses: ServiceStatus) -> OrderHistory:
    nothing: Excerpt[Any] = Excerpt()
    parts: dict[str, Any] = {
        field.name: nothing for field in fields(OrderHistory) if str(field.type).startswith("Excerpt")
    }
    rest: dict[str, Any] = {
        "notes": (),
        "checked_at": checked_at,
        "statuses": statuses,
        "unread": None,
        "attention": None,
        "runs": frozenset(),
    }
    return OrderHistory(order=order, **parts, **rest)


def at_service(*parcels: str, order_status: str = "") -> ServiceStatus:
    found = tuple((f"P{number}", status, NOW + timedelta(days=number)) for number, status in enumerate(parcels))
    return ServiceStatus("service", "N1", order_status, "", found, NOW, NOW, "", Excerpt())


def line(shown: OrderHistory) -> dict[str, StepStatus]:
    return {step.name: step.status for step in order_progress(shown)}


EXPECTED = {
    State.RECEIVED: (DONE, CURRENT, NOT_YET, NOT_YET),
    State.WAITING: (DONE, CURRENT, NOT_YET, NOT_YET),
    State.QUARANTINED: (DONE, FAILED, NOT_YET, NOT_YET),
    State.HELD: (DONE, CURRENT, NOT_YET, NOT_YET),
    State.READY: (DONE, DONE, CURRENT, NOT_YET),
    State.SENDING: (DONE, DONE, CURRENT, NOT_YET),
    State.IN_DOUBT: (DONE, DONE, DONE, CURRENT),
    State.REJECTED: (DONE, DONE, DONE, FAILED),
    State.IMPORTED: (DONE, DONE, DONE, DONE),
    State.SUPERSEDED: (DONE, NOT_NEEDED, NOT_NEEDED, NOT_NEEDED),
    State.DISCARDED: (DONE, NOT_NEEDED, NOT_NEEDED, NOT_NEEDED),
}


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_line(state: State) -> None:
    found = line(history(facts(state)))
    assert tuple(found)[:7] == NAMES
    assert tuple(found.values())[:4] == EXPECTED[state]


def test_a_step_names_its_time() -> None:
    order = facts("in_doubt", first_sent_at=NOW + timedelta(hours=2))
    checked = NOW + timedelta(hours=1)
    steps = {step.name: step for step in order_progress(history(order, checked))}
    assert [steps[name].at for name in NAMES[:3]] == [NOW, checked, NOW + timedelta(hours=2)]
    assert steps["imported"] == ProgressStep("imported", CURRENT, NOW, "unconfirmed")


def test_a_superseded_order_keeps_the_steps_that_it_passed() -> None:
    found = line(history(facts("superseded"), NOW))
    assert (found["checked"], found["sent"], found["shipped"]) == (DONE, NOT_NEEDED, NOT_NEEDED)


@pytest.mark.parametrize(
    ("ack", "status"), [(None, NOT_YET), ("due", CURRENT), ("sent", CURRENT), ("confirmed", DONE), ("refused", FAILED)]
)
def test_the_acknowledgement(ack: str | None, status: StepStatus) -> None:
    assert line(history(facts("imported", ack=ack)))["acknowledged"] is status


@pytest.mark.parametrize(
    ("shipped", "service", "expected"),
    [
        (None, (), (NOT_YET, NOT_YET)),
        ("partly", (), (CURRENT, NOT_YET)),
        ("shipped", (), (DONE, NOT_YET)),
        ("shipped", ("IN_TRANSIT",), (DONE, NOT_YET)),
        ("shipped", ("DELIVERED", "IN_TRANSIT"), (DONE, CURRENT)),
        ("shipped", ("DELIVERED", "COMPLETED"), (DONE, DONE)),
        ("partly", ("DELIVERED",), (CURRENT, CURRENT)),
        (None, ("COMPLETED",), (DONE, DONE)),
    ],
)
def test_delivery_is_known_from_the_parcels(shipped: str | None, service: tuple[str, ...], expected: Any) -> None:
    found = line(history(facts("imported", shipped=shipped), None, at_service(*service)))
    assert (found["shipped"], found["delivered"]) == expected


def test_a_completed_order_without_parcels_is_delivered() -> None:
    assert line(history(facts("imported"), None, at_service(order_status="COMPLETED")))["delivered"] is DONE


def test_a_cancelled_order_has_one_more_step_and_is_not_shipped() -> None:
    asked = facts("imported", source_cancelled_at=NOW)
    assert order_progress(history(asked))[-1] == ProgressStep(
        "cancelled", CURRENT, NOW, "in the shop; not yet in the OMS"
    )
    kept = order_progress(history(replace(asked, cancellation_decided_at=NOW)))[-1]
    assert (kept.status, kept.note) == (NOT_NEEDED, "in the shop; kept")
    found = line(history(replace(asked, cancelled_at=NOW)))
    assert (found["cancelled"], found["shipped"], found["delivered"]) == (DONE, NOT_NEEDED, NOT_NEEDED)


some_time = st.one_of(st.none(), st.just(NOW))
statuses = st.sampled_from(["", "NEW", "IN_TRANSIT", "DELIVERED", "COMPLETED", "CANCELED"])


@given(
    state=st.sampled_from(list(State)),
    times=st.fixed_dictionaries(
        dict.fromkeys(("first_sent_at", "imported_at", "source_cancelled_at", "cancelled_at"), some_time)
    ),
    checked_at=some_time,
    shipped=st.sampled_from([None, "partly", "shipped"]),
    ack=st.sampled_from([None, "due", "sent", "confirmed", "refused"]),
    service=st.lists(st.lists(statuses, max_size=3), max_size=2),
)
def test_no_step_is_reached_before_an_earlier_one(
    state: State,
    times: dict[str, Any],
    checked_at: datetime | None,
    shipped: str | None,
    ack: str | None,
    service: list[list[str]],
) -> None:
    """Whatever the columns hold: done steps first, then at most one that is under way or failed, then none."""
    order = facts(state, shipped=shipped, ack=ack, **times)
    steps = order_progress(history(order, checked_at, *(at_service(*parcels) for parcels in service)))
    found = {step.name: step.status for step in steps}
    ranks = [(DONE, CURRENT, FAILED, NOT_YET, NOT_NEEDED).index(found[name]) for name in NAMES[:4]]
    assert ranks == sorted(ranks)
    assert sum(found[name] in (CURRENT, FAILED) for name in NAMES[:4]) <= 1
    assert found["shipped"] is DONE or found["delivered"] is not DONE
    assert len(found) == len(steps)
