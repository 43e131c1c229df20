"""Everything that happened to an order, at all systems, in one chronological list without personal data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from order_relay.ledger.oms.oms_statuses import OMS
from order_relay.ledger.reporting.order_records import (
    ActionEntry,
    OrderHistory,
    ParcelEntry,
    SendAttempt,
    ServiceEvent,
    StateEvent,
)
from order_relay.ledger.schema.states import State
from order_relay.ledger.store.text import load_json
from order_relay.orders.fulfilment.status_events import EventKind
from order_relay.pipeline.report.advice import advice_for
from order_relay.pipeline.report.formatting import format_time

MAX_ENTRIES = 200
"""Maximum entries of a timeline; the oldest are omitted."""

ORDER_RELAY, OPERATOR, FEED = "Order Relay", "operator", "order feed"
"""Systems that are not vendors."""

AUTOMATIC = frozenset({"", "run", OMS, "feedback", "statuses", "in_doubt_sweep"})
"""``who`` of events that no operator caused."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened. ``at``: in UTC, when it happened if its system says so, else when it was recorded.

    ``system``: a vendor's name, the name of a status account, or one of ``ORDER_RELAY``, ``OPERATOR`` and ``FEED``.
    ``who``: the operator, or empty. ``run``: the run that recorded it, or empty.
    """

    at: datetime
    system: str
    what: str
    who: str = ""
    details: str = ""
    run: str = ""


@dataclass(frozen=True)
class OrderTimeline:
    """The newest ``MAX_ENTRIES`` entries, the oldest of them first; ``omitted``: how many are not included."""

    entries: tuple[TimelineEntry, ...]
    omitted: int = 0


def order_timeline(history: OrderHistory) -> OrderTimeline:
    """The merged timeline of an order from its history."""
    names = history.order.pipeline.partition("__")[0].partition("_to_")
    found = sorted(_Entries(history, source=names[0], destination=names[2] or OMS), key=lambda one: one.at)
    parts = (history.events, history.actions, history.lookups, history.parcels, history.write_back, history.left_out)
    older = sum(part.omitted for part in parts) + sum(one.events.omitted for one in history.statuses)
    shown = found[-MAX_ENTRIES:]
    return OrderTimeline(tuple(shown), older + len(found) - len(shown))


@dataclass(frozen=True)
class _Entries:
    """The entries of all kinds, in the order of an order's life, so that entries of one time are sorted by it."""

    history: OrderHistory
    source: str
    destination: str

    def __iter__(self) -> Iterator[TimelineEntry]:
        order, history = self.history.order, self.history
        if order.submitted_at is not None:
            yield TimelineEntry(order.submitted_at, self.source, "order taken")
        yield from map(self._event, history.events.rows)
        for one in history.lookups.rows:
            counted = "" if one.counted else "does not count"
            yield TimelineEntry(
                one.at,
                self.destination,
                f"look-up: {one.finding}",
                _operator(one.who),
                _join(one.method, _oms_id(one.oms_id), counted, one.why),
                one.run,
            )
        yield from self._acknowledged()
        for gap in history.left_out.rows:
            yield TimelineEntry(gap.noted_at, FEED, "left out of the order feed", details=gap.problem)
            if gap.mended_at is not None:
                yield TimelineEntry(gap.mended_at, FEED, "in the order feed again")
        yield from map(self._parcel, history.parcels.rows)
        for status in history.statuses:
            stated = (one for one in status.events.rows if one.kind != EventKind.ANNOUNCED)  # which we derived
            yield from (_service_event(status.account, one) for one in stated)
        yield from self._write_back()
        yield from map(_action, history.actions.rows)

    def _event(self, event: StateEvent) -> TimelineEntry:
        known = advice_for(event.why)
        why = known.title if known else event.why
        system = self._system(event)
        who = event.who if system == OPERATOR else ""
        if event.from_state == event.to_state:
            return TimelineEntry(event.at, system, why or _state(event.to_state), who, run=event.run)
        what = _WHAT.get(event.to_state, _state(event.to_state)) if event.from_state else "received"
        states = f"{_state(event.from_state)} → {_state(event.to_state)}" if event.from_state else ""
        attempt = self._attempt(event)
        if attempt and event.to_state in _EXPLAINED:
            why = ""
        return TimelineEntry(event.at, system, what, who, _join(states, attempt, why), event.run)

    def _system(self, event: StateEvent) -> str:
        if event.who not in AUTOMATIC:
            return OPERATOR
        order = self.history.order
        if not event.from_state or event.at in {order.source_cancelled_at, order.source_reinstated_at}:
            return self.source
        answered = event.from_state == State.SENDING and event.to_state in _ANSWERS
        return self.destination if event.who == OMS or answered else ORDER_RELAY

    def _attempt(self, event: StateEvent) -> str:
        """The attempt that the event began or ended."""
        for one in self.history.attempts.rows:
            if event.to_state == State.SENDING and one.sent_at == event.at:
                return f"attempt {one.number}"
            if event.from_state == State.SENDING and one.settled_at == event.at:
                return _answer(one)
        return ""

    def _acknowledged(self) -> Iterator[TimelineEntry]:
        order = self.history.order
        what = _ACKNOWLEDGEMENTS.get(order.ack or "")
        if what and order.ack_at is not None:
            yield TimelineEntry(order.ack_at, self.source, what)

    def _parcel(self, parcel: ParcelEntry) -> TimelineEntry:
        system = {OMS: self.destination, "person": OPERATOR}.get(parcel.origin, parcel.origin)
        lines = [f"{line.quantity} × {line.item_number or line.line}" for line in parcel.lines.rows]
        more = [f"{parcel.lines.omitted} more lines"] if parcel.lines.omitted else []
        doubt = f"does not count: {parcel.closed}" if parcel.closed else parcel.asks
        return TimelineEntry(
            parcel.recorded_at,
            system,
            "parcel reported",
            parcel.who if system == OPERATOR else "",
            _join(
                f"{parcel.carrier} {parcel.service}".strip(),
                parcel.tracking_number,
                ", ".join([*lines, *more]) or "the whole order",
                f"shipped {format_time(parcel.shipped_at)}" if parcel.shipped_at else "",
                doubt,
                parcel.why,
            ),
        )

    def _write_back(self) -> Iterator[TimelineEntry]:
        for step in self.history.write_back.rows:
            parcel = f"parcel {step.delivery}" if step.delivery else ""
            tries = f"{step.tries} tries" if step.tries > 1 else ""
            what = f"write-back of {_state(step.step)}: {_state(step.state)}"
            yield TimelineEntry(step.at, self.source, what, details=_join(parcel, tries), run=step.run)


_WHAT: dict[str, str] = {State.RECEIVED: "to be evaluated again", State.READY: "checked", State.SENDING: "sent"}
"""What happened when an order entered a state; else the state's name says it."""

_ANSWERS = frozenset({State.IMPORTED, State.REJECTED})

_EXPLAINED = frozenset({State.SENDING, State.IMPORTED})
"""States that the attempt explains; the others need their reason too."""

_ACKNOWLEDGEMENTS = {
    "confirmed": "acknowledged",
    "sent": "acknowledgement sent, not confirmed",
    "refused": "acknowledgement refused",
}
_NO_LONGER_VALID = {"corrected": "corrected later", "deleted": "deleted by the service"}


def _answer(attempt: SendAttempt) -> str:
    http = f"HTTP {attempt.status}" if attempt.status else "no HTTP status"
    return _join(f"attempt {attempt.number}", http, _oms_id(attempt.oms_id), attempt.message)


def _oms_id(value: str | None) -> str:
    return f"OMS id {value}" if value else ""


def _service_event(account: str, event: ServiceEvent) -> TimelineEntry:
    at = event.happened_at or event.updated_at or event.first_seen_at
    about = f"parcel {event.parcel}" if event.parcel else _state(event.kind)
    details = _join(about, _NO_LONGER_VALID.get(event.state, ""), f"by {_state(event.channel)}")
    return TimelineEntry(at, account, f"status {event.status}", details=details)


def _action(action: ActionEntry) -> TimelineEntry:
    details = load_json(action.details, {})
    given = ", ".join(
        f"{_state(name)}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in details.items()
        if value not in (None, "")
    )
    what = f"{action.action} ({given})" if given else action.action
    return TimelineEntry(action.at, OPERATOR, what, action.who, action.why)


def _operator(who: str) -> str:
    return "" if who in AUTOMATIC else who


def _state(code: str) -> str:
    return code.replace("_", " ")


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
