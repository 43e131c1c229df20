"""Merging reports into the stored histories of orders: which rows a report adds or changes, and the derived state."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.text import dump_json, load_json
from order_relay.orders.fulfilment.event_history import EventHistory, merge_report
from order_relay.orders.fulfilment.status_events import (
    EventKind,
    EventPosition,
    EventRevision,
    Recency,
    StatusEvent,
    StatusReport,
)
from order_relay.orders.fulfilment.status_state import OrderState, state_of
from order_relay.orders.json_text import encode
from order_relay.orders.messages import RunContext

STANDS, CORRECTED, DELETED = "stands", "corrected", "deleted"

_Key = tuple[str, str]  # event key, content hash


@dataclass(frozen=True)
class StoredStatuses:
    """Counts of one call. ``changed``: orders whose derived state changed; ``late``: see ``StatusHistory.store``."""

    orders: int = 0
    new: int = 0
    corrected: int = 0
    deleted: int = 0
    doubtful: int = 0
    changed: int = 0
    late: int = 0
    refused: int = 0

    def __add__(self, other: StoredStatuses) -> StoredStatuses:
        return StoredStatuses(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


class StoredHistory:
    """One order's events as rows and as a history."""

    def __init__(self, rows: Iterable[Any], full_at: datetime | None, shown_at: datetime | None) -> None:
        self.states: dict[_Key, str] = {}
        self.contents: Counter[str] = Counter()
        revisions: dict[str, dict[str, EventRevision]] = defaultdict(dict)
        for row in rows:
            event = StatusEvent(
                row.event_key,
                EventKind(row.kind),
                row.status,
                row.parcel,
                row.updated_at,
                row.happened_at,
                row.location,
                row.detail,
                row.content_hash,
            )
            revisions[row.event_key][row.content_hash] = _revision(event, row)
            self.states[row.event_key, row.content_hash] = row.state
            self.contents[row.event_key] += 1
        self.history = EventHistory(revisions, full_at, shown_at)


def _revision(event: StatusEvent, row: Any) -> EventRevision:
    """A stored content. A row from before the sighting columns counts as seen when it arrived."""
    arrived = row.known_at if row.was_read else row.first_seen_at
    position = EventPosition(row.listed_at or arrived, row.position or 0)
    first_at, last_at = row.first_at or row.first_seen_at, row.last_at or arrived
    return EventRevision(event, Recency(row.known_at, row.was_read), position, first_at, last_at)


class StatusMerge:
    """One call of ``StatusHistory.store``: merges the reports of each order and collects the rows to write."""

    def __init__(self, tx: Transaction, ctx: RunContext, late_before: datetime | None, final: Collection[str]) -> None:
        self._tx, self._ctx, self._late_before, self._final = tx, ctx, late_before, final
        self.inserts: list[dict[str, Any]] = []
        self.updates: list[dict[str, Any]] = []
        self.orders: list[dict[str, Any]] = []

    def merge(
        self, order: Mapping[str, Any], stored: StoredHistory, order_reports: Sequence[StatusReport]
    ) -> StoredStatuses:
        """Merge one order's reports."""
        touched: dict[_Key, EventRevision] = {}
        fresh: dict[_Key, StatusReport] = {}
        doubts: frozenset[str] = frozenset()
        for report in order_reports:
            merged = merge_report(stored.history, report)
            stored.history, doubts = merged.history, doubts | merged.unsettled
            touched |= {(r.event.key, r.event.content_hash): r for r in merged.changed}
            fresh |= {(r.event.key, r.event.content_hash): report for r in merged.fresh}
        counts = self._collect(order["order_number"], stored, touched, fresh)
        return StoredStatuses(
            orders=1,
            new=counts["new"],
            corrected=counts["corrected"],
            deleted=counts[DELETED],
            doubtful=int(bool(doubts)),
            changed=int(self._note_order(order, stored.history, doubts)),
            late=sum(self._is_late(touched[key].event) for key in fresh),
        )

    def _is_late(self, event: StatusEvent) -> bool:
        if self._late_before is None or event.kind is EventKind.ANNOUNCED:
            return False
        return event.updated_at is None or event.updated_at < self._late_before

    def _collect(
        self,
        number: str,
        stored: StoredHistory,
        touched: Mapping[_Key, EventRevision],
        fresh: Mapping[_Key, StatusReport],
    ) -> Counter[str]:
        """Collect the rows to be written, and count what happened."""
        counts: Counter[str] = Counter()
        for event_key, contents in stored.history.revisions.items():
            newest = stored.history.newest(event_key)
            for content_hash, revision in contents.items():
                key = event_key, content_hash
                state = CORRECTED
                if revision is newest:
                    state = STANDS if stored.history.is_current(revision) else DELETED
                before = stored.states.get(key)
                counts[DELETED] += state == DELETED != before
                if key in fresh:
                    counts["corrected" if stored.contents[event_key] else "new"] += 1
                    stored.contents[event_key] += 1
                    row = self._row(number, revision, fresh[key])
                    self.inserts.append({**row, "revision": stored.contents[event_key], "state": state})
                elif key in touched or state != before:
                    self.updates.append(
                        {
                            "b_account": self._ctx.pipeline,
                            "b_number": number,
                            "b_key": event_key,
                            "b_hash": content_hash,
                            "b_state": state,
                            **{f"b_{name}": value for name, value in _sightings(revision).items()},
                        }
                    )
        return counts

    def _row(self, number: str, revision: EventRevision, report: StatusReport) -> dict[str, Any]:
        event = revision.event
        return {
            "account": self._ctx.pipeline,
            "order_number": number,
            "event_key": event.key,
            "content_hash": event.content_hash,
            "kind": str(event.kind),
            "status": event.status,
            "parcel": event.parcel,
            "location": event.location,
            "detail": event.detail,
            "updated_at": event.updated_at,
            "happened_at": event.happened_at,
            "channel": str(report.channel),
            "first_seen_at": self._tx.now,
            "run": self._ctx.run,
            **_sightings(revision),
        }

    def _note_order(self, order: Mapping[str, Any], history: EventHistory, doubts: Collection[str]) -> bool:
        """Collect the order's row with its derived state; returns whether the derived state changed.

        An order with a new doubt is read by id in the next run; with the same doubt as before, only after its delay.
        """
        state = state_of(history.current(), self._final)
        derived = {
            "order_status": state.order_status,
            "detailed_status": state.detailed_status,
            "parcels": _parcels(state),
        }
        changed = any(order[name] != value for name, value in derived.items())
        values = (
            {name: order[name] for name in ORDER_COLUMNS}
            | derived
            | {
                "seen_at": self._tx.now,
                "full_read_at": history.full_at,
                "shown_at": history.shown_at,
                "doubtful": order["doubtful"] or bool(doubts),
            }
        )
        if changed:
            values |= {"changed_at": self._tx.now, "reads": 0, "followed": False, "settled": False}
        if doubts:
            doubt = hashlib.sha256(encode(sorted(doubts))).hexdigest()[:32]
            values |= {"doubt": doubt, "settled": False}
            if doubt != order["doubt"]:
                values |= {"reads": 0, "read_after": None}
        self.orders.append(
            {
                "b_account": self._ctx.pipeline,
                "b_number": order["order_number"],
                **{f"b_{name}": value for name, value in values.items()},
            }
        )
        return changed


SIGHTING_COLUMNS = ("known_at", "was_read", "listed_at", "position", "first_at", "last_at")

ORDER_COLUMNS = (
    "order_status",
    "detailed_status",
    "parcels",
    "changed_at",
    "seen_at",
    "full_read_at",
    "shown_at",
    "doubtful",
    "doubt",
    "reads",
    "read_after",
    "settled",
    "followed",
)


def _sightings(revision: EventRevision) -> dict[str, Any]:
    """The values of ``SIGHTING_COLUMNS``."""
    values = (
        revision.recency.at,
        revision.recency.read,
        revision.listed.moment,
        revision.listed.position,
        revision.first_at,
        revision.last_at,
    )
    return dict(zip(SIGHTING_COLUMNS, values, strict=True))


def _parcels(state: OrderState) -> str:
    return dump_json([[p.parcel, p.status, p.at.isoformat() if p.at else None] for p in state.parcels])


def parcels_of(text: str) -> list[tuple[str, str, datetime | None]]:
    """Parcel, status and time of each entry of the column ``parcels``."""
    return [(name, status, datetime.fromisoformat(at) if at else None) for name, status, at in load_json(text, [])]
