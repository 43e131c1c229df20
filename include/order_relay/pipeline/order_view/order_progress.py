"""How far an order has come, as one line: received, checked, sent, imported, acknowledged, shipped, delivered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from order_relay.ledger.reporting.order_records import OrderHistory
from order_relay.ledger.schema.states import AT_DESTINATION, State

DELIVERED = frozenset({"DELIVERED", "COMPLETED"})
"""Statuses of a delivered parcel, in the normalized spelling of status accounts."""


class StepStatus(StrEnum):
    """How far one step is. ``not_needed``: it never follows, since the order was discarded, replaced or cancelled."""

    DONE = "done"
    CURRENT = "current"
    FAILED = "failed"
    NOT_YET = "not_yet"
    NOT_NEEDED = "not_needed"


STEP_TITLES = {
    StepStatus.DONE: "done",
    StepStatus.CURRENT: "in progress",
    StepStatus.FAILED: "failed",
    StepStatus.NOT_YET: "not yet",
    StepStatus.NOT_NEEDED: "not needed",
}


@dataclass(frozen=True, slots=True)
class ProgressStep:
    """One step; ``at``: when it was reached or failed, if known; ``note`` explains a step that is not simply done."""

    name: str
    status: StepStatus
    at: datetime | None = None
    note: str = ""


def order_progress(history: OrderHistory) -> tuple[ProgressStep, ...]:
    """The steps of an order in their order; the step ``cancelled`` only if the source cancelled it."""
    order = history.order
    steps = [
        ProgressStep("received", StepStatus.DONE, order.first_offered_at),
        *_to_the_destination(history),
        _acknowledged(history),
        *_to_the_customer(history),
    ]
    if order.source_cancelled_at is not None or order.cancelled_at is not None:
        steps.append(_cancelled(history))
    return tuple(steps)


_UNFINISHED: dict[str, tuple[str, StepStatus, str]] = {
    State.RECEIVED: ("checked", StepStatus.CURRENT, "the next run evaluates it"),
    State.WAITING: ("checked", StepStatus.CURRENT, "waiting"),
    State.QUARANTINED: ("checked", StepStatus.FAILED, "refused by the checks"),
    State.HELD: ("checked", StepStatus.CURRENT, "held: an operator must decide"),
    State.READY: ("sent", StepStatus.CURRENT, "the next run sends it"),
    State.SENDING: ("sent", StepStatus.CURRENT, "a request may be in flight"),
    State.IN_DOUBT: ("imported", StepStatus.CURRENT, "unconfirmed"),
    State.REJECTED: ("imported", StepStatus.FAILED, "rejected by the OMS"),
}
"""The step that an order in this state has not passed yet, and how far it is."""

_ENDED = {State.SUPERSEDED: "replaced by a newer version", State.DISCARDED: "discarded"}


def _to_the_destination(history: OrderHistory) -> Iterable[ProgressStep]:
    """Checked, sent and imported."""
    order = history.order
    times = {"checked": history.checked_at, "sent": order.first_sent_at, "imported": order.imported_at}
    if order.state in _ENDED:
        ended = False
        for name, at in times.items():
            ended = ended or at is None
            note = _ENDED[State(order.state)] if ended else ""
            yield ProgressStep(name, *((StepStatus.NOT_NEEDED, None) if ended else (StepStatus.DONE, at)), note)
        return
    stop, status, note = _UNFINISHED.get(order.state, ("", StepStatus.DONE, ""))
    reached = True
    for name, at in times.items():
        if name == stop:
            yield ProgressStep(name, status, order.changed_at, note)
            reached = False
        else:
            yield ProgressStep(name, StepStatus.DONE, at) if reached else ProgressStep(name, StepStatus.NOT_YET)


_ACKNOWLEDGEMENTS = {
    "confirmed": (StepStatus.DONE, ""),
    "due": (StepStatus.CURRENT, "due"),
    "sent": (StepStatus.CURRENT, "sent, not confirmed"),
    "refused": (StepStatus.FAILED, "refused by the source"),
}


def _acknowledged(history: OrderHistory) -> ProgressStep:
    status, note = _ACKNOWLEDGEMENTS.get(history.order.ack or "", (StepStatus.NOT_YET, ""))
    return ProgressStep("acknowledged", status, history.order.ack_at, note)


def _to_the_customer(history: OrderHistory) -> tuple[ProgressStep, ProgressStep]:
    """Shipped and delivered. Delivery is known only from the statuses of a fulfilment service."""
    order = history.order
    delivered = _delivered(history)
    if order.shipped == "shipped" or delivered.status is StepStatus.DONE:
        shipped = ProgressStep("shipped", StepStatus.DONE, order.shipped_at)
    elif order.shipped:
        shipped = ProgressStep("shipped", StepStatus.CURRENT, order.shipped_at, "partly")
    else:
        shipped = ProgressStep("shipped", StepStatus.NOT_YET)
    if order.state in _ENDED or order.cancelled_at is not None:
        note = _ENDED.get(State(order.state), "cancelled")
        return _close(shipped, note), _close(delivered, note)
    return shipped, delivered


def _delivered(history: OrderHistory) -> ProgressStep:
    parcels = [(status, at) for one in history.statuses for _, status, at in one.parcels]
    arrived = [at for status, at in parcels if status in DELIVERED]
    times = [at for at in arrived if at is not None]
    newest = max(times) if times else None
    if parcels and len(arrived) == len(parcels):
        if history.order.shipped != "partly":
            return ProgressStep("delivered", StepStatus.DONE, newest)
        return ProgressStep("delivered", StepStatus.CURRENT, newest, "every parcel so far")
    if arrived:
        return ProgressStep("delivered", StepStatus.CURRENT, newest, f"{len(arrived)} of {len(parcels)} parcels")
    whole = [one.changed_at for one in history.statuses if one.order_status in DELIVERED and not one.parcels]
    if whole and history.order.shipped != "partly":
        return ProgressStep("delivered", StepStatus.DONE, whole[0])
    return ProgressStep("delivered", StepStatus.NOT_YET)


def _close(step: ProgressStep, note: str) -> ProgressStep:
    return ProgressStep(step.name, StepStatus.NOT_NEEDED, None, note) if step.status is StepStatus.NOT_YET else step


def _cancelled(history: OrderHistory) -> ProgressStep:
    order = history.order
    if order.cancelled_at is not None:
        return ProgressStep("cancelled", StepStatus.DONE, order.cancelled_at)
    if order.cancellation_decided_at is not None:
        return ProgressStep("cancelled", StepStatus.NOT_NEEDED, order.cancellation_decided_at, "in the shop; kept")
    note = "in the shop; not yet in the OMS" if order.state in AT_DESTINATION else "in the shop"
    return ProgressStep("cancelled", StepStatus.CURRENT, order.source_cancelled_at, note)
