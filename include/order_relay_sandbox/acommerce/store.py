"""The orders at aCommerce and their histories."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from order_relay_sandbox.acommerce.switches import AcommerceSwitches
from order_relay_sandbox.kit import clock

NAME = "acommerce"

Document = dict[str, Any]

_LEVELS = {
    "order": ("orderStatus", "orderStatus", ""),
    "detailed": ("orderDetailedStatus", "orderDetailedStatus", "orderUpdatedTime"),
    "parcel": ("statusHistory", "shippingStatus", "shippingUpdatedTime"),
}
_PLACES = ("Bangkok", "Nonthaburi", "เชียงใหม่", "Jakarta")
_WAY: tuple[tuple[str, str], ...] = (
    ("order", "NEW"),
    ("detailed", "NEW"),
    ("detailed", "READY_TO_PICK"),
    ("detailed", "READY_TO_SHIP"),
    ("parcel", "IN_TRANSIT"),
    ("order", "IN_PROGRESS"),
    ("detailed", "IN_TRANSIT"),
    ("parcel", "DELIVERED"),
    ("order", "COMPLETED"),
    ("detailed", "COMPLETED"),
)


@dataclass(slots=True)
class Event:
    """One status event. Times are UTC."""

    event_id: str
    level: str
    status: str
    parcel: str
    updated: datetime
    happened: datetime
    detail: str | None = None


@dataclass(slots=True)
class StatusOrder:
    """One order: its events in order of publication, and its parcels."""

    order_id: str
    changed: datetime
    events: list[Event] = field(default_factory=list)
    parcels: list[str] = field(default_factory=list)


class StatusStore:
    """All orders of one channel. ``on_event`` is called with each event that a webhook would carry."""

    def __init__(self, switches: AcommerceSwitches, on_event: Callable[[StatusOrder, Event], None]) -> None:
        self.switches = switches
        self.orders: dict[str, StatusOrder] = {}
        self._on_event = on_event
        self._by_event: dict[str, StatusOrder] = {}
        self._last = datetime.min.replace(tzinfo=UTC)
        self._number = 1000

    def now(self) -> datetime:
        """The vendor's clock, strictly increasing from change to change."""
        self._last = max(clock.now(), self._last + timedelta(microseconds=1))
        return self._last

    def add(self, order_id: str, level: str, status: str, parcel: str = "", at: datetime | None = None) -> Event:
        """Publish a new event. An event with a past time ``at`` sends no webhook."""
        moment = at or self.now()
        order = self.orders.setdefault(order_id, StatusOrder(order_id, moment))
        if parcel and parcel not in order.parcels:
            order.parcels.append(parcel)
        self._number += 1
        made = Event(f"e-{self._number}", level, status, parcel, moment, moment - timedelta(seconds=30))
        order.events.append(made)
        order.changed = max(order.changed, moment)
        self._by_event[made.event_id] = order
        if at is None:
            self._on_event(order, made)
        return made

    def correct(self, event_id: str, **changes: Any) -> Event:
        """Change an event under its id; raises ``KeyError`` for an unknown id."""
        order = self._by_event[event_id]
        event = next(entry for entry in order.events if entry.event_id == event_id)
        for name, value in changes.items():
            setattr(event, name, value)
        if self.switches.corrections_republished:
            event.updated = self.now()
        self._touch(order)
        self._on_event(order, event)
        return event

    def delete(self, event_id: str) -> None:
        """Delete an event; raises ``KeyError`` for an unknown id."""
        order = self._by_event.pop(event_id)
        order.events = [entry for entry in order.events if entry.event_id != event_id]
        self._touch(order)

    def _touch(self, order: StatusOrder) -> None:
        if self.switches.corrections_listed:
            order.changed = self.now()

    def announce(self, order_id: str, parcel: str) -> None:
        """Announce a parcel without a history."""
        order = self.orders.setdefault(order_id, StatusOrder(order_id, self.now()))
        order.parcels.append(parcel)
        self._touch(order)

    def generate(self, count: int, seed: int, spread_s: float = 3600.0) -> None:
        """Generate orders with histories: some without parcels, some with two, some cancelled."""
        now = clock.now()
        for number in range(count):
            rng = random.Random(f"acommerce:{seed}:{number}")
            order_id = f"WEB-{10_000 + number}"
            parcels = [f"PKG{number:06d}{n}" for n in range(rng.choice((0, 1, 1, 2)))]
            steps = [step for step in _WAY[: rng.randrange(1, len(_WAY) + 1)] if step[0] != "parcel" or parcels]
            if rng.random() < 0.05:
                steps.append(("detailed", "CANCELLED"))
            start = now - timedelta(seconds=spread_s * rng.random())
            for position, (level, status) in enumerate(steps):
                parcel = rng.choice(parcels) if level == "parcel" else ""
                self.add(order_id, level, status, parcel, min(start + timedelta(seconds=9 * position), now))
            self.orders[order_id].parcels = parcels

    def change_some(self, count: int) -> None:
        """Add an event to the ``number`` orders whose last change is oldest."""
        for order in sorted(self.orders.values(), key=lambda order: order.changed)[:count]:
            self.add(order.order_id, "detailed", "IN_TRANSIT")

    def changed_since(self, since: datetime | None) -> list[StatusOrder]:
        """The orders in list order."""
        inclusive = self.switches.since_inclusive
        found = [
            order
            for order in self.orders.values()
            if since is None or order.changed > since or (inclusive and order.changed == since)
        ]
        if self.switches.order_of_list == "by_id":
            return sorted(found, key=lambda order: order.order_id)
        return sorted(found, key=lambda order: order.changed, reverse=self.switches.order_of_list == "newest_change")

    def record(self, order: StatusOrder, events: Iterator[Event] | list[Event] | None = None) -> Document:
        """The order as the vendor shows it, or only the given events (as in webhooks)."""
        shown = order.events if events is None else list(events)
        parcels = order.parcels if events is None else sorted({entry.parcel for entry in shown if entry.parcel})
        record: Document = {"orderId": order.order_id, "partnerId": 4021}
        for level in ("order", "detailed"):
            entries = [self._entry(entry) for entry in shown if entry.level == level]
            if entries or events is None:
                record[_LEVELS[level][0]] = entries
        by_parcel = {
            name: [self._entry(e) for e in shown if e.level == "parcel" and e.parcel == name] for name in parcels
        }
        if self.switches.version == 2:
            mixed = [entry for entries in by_parcel.values() for entry in entries]
            record["orderDetailedStatus"] = [*record.get("orderDetailedStatus", []), *mixed]
            record["shipPackage"] = {"trackingId": parcels[0]} if parcels else None
        else:
            record["shipPackage"] = [{"trackingId": name, "statusHistory": all_} for name, all_ in by_parcel.items()]
        return record

    def _entry(self, event: Event) -> Document:
        _, status, happened = _LEVELS[event.level]
        entry: Document = {"eventId": event.event_id} if self.switches.event_ids else {}
        entry |= {status: event.status, "updatedTime": _time(event.updated)}
        if happened:
            entry[happened] = _time(event.happened)
        if event.level == "order":
            entry["orderStatusDetail"] = event.detail
        if event.level == "parcel":
            entry |= {"shippingLocation": _PLACES[len(event.event_id) % 4], "shippingDetail": event.detail or "scanned"}
        return entry


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
