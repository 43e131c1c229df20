"""Storing what a fulfilment service says about orders: every content of every event, and the state that follows.

The rules of what stands are ``orders.status_events``; here they meet rows. All that one call brings is one transaction,
and a call may be repeated freely.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from order_relay.errors import ConfigurationError
from order_relay.ledger.fulfilment.status_refusals import close_for_orders
from order_relay.ledger.schema.status_tables import status_account, status_event, status_order, status_refusal
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, writes
from order_relay.ledger.store.text import clean_text, dump_json, load_json
from order_relay.orders.fulfilment.status_events import (
    EventHistory,
    EventKind,
    EventPosition,
    EventRevision,
    Recency,
    StatusEvent,
    StatusReport,
    merge_report,
)
from order_relay.orders.fulfilment.status_records import RejectedRecord
from order_relay.orders.fulfilment.status_state import OrderState, state_of
from order_relay.orders.json_text import encode
from order_relay.orders.messages import RunContext

STANDS, CORRECTED, DELETED = "stands", "corrected", "deleted"

_Key = tuple[str, str]  # event key, content hash


@dataclass(frozen=True)
class StoredStatuses:
    """Counts of one call. ``changed``: orders whose derived state is another one now; ``late``: see ``store``."""

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


class StatusHistory(Repository):
    """Status events as fulfilment services report them."""

    @writes
    def bind(self, tx: Transaction, name: str, account: str) -> None:
        """Bind a status account's name, at first use, to the account itself. Raises ``ConfigurationError`` for another
        one.
        """
        found = tx.run(
            sa.select(status_account).where((status_account.c.name == name) | (status_account.c.account == account))
        ).first()
        if found is None:
            tx.run(status_account.insert(), {"name": name, "account": account, "bound_at": tx.now})
        elif (found.name, found.account) != (name, account):
            raise ConfigurationError(
                f"{found.name!r} is bound in this ledger to {found.account}, so {name!r} can not be bound to "
                f"{account}; mend the connection, or start another file under include/config for another account"
            )

    @writes
    def store(
        self,
        tx: Transaction,
        ctx: RunContext,
        reports: Sequence[StatusReport],
        *,
        refused: Sequence[RejectedRecord] = (),
        origin: str = "",
        late_before: datetime | None = None,
        final: Collection[str] = (),
    ) -> StoredStatuses:
        """Put reports into the histories of their orders, and derive what follows. ``ctx.pipeline`` is the account's
        name.

        ``final``: statuses that nothing is expected to follow. ``late`` counts contents never seen before although they
        were published before ``late_before``.
        """
        by_order: dict[str, list[StatusReport]] = defaultdict(list)
        for report in reports:
            by_order[report.order_id].append(report)
        rows = _locked(tx, ctx.pipeline, sorted(by_order))
        stored_histories = _stored_histories(tx, ctx.pipeline, rows)
        storing = _StatusMerge(tx, ctx, late_before, final)
        total = StoredStatuses(refused=len(refused))
        for number, order_reports in by_order.items():
            total += storing.merge(rows[number], stored_histories[number], order_reports)
        tx.many(status_event.insert(), storing.inserts)
        tx.many(_UPDATE, storing.updates)
        tx.many(_UPDATE_ORDER, storing.orders)
        whole = {number for number, order_reports in by_order.items() if any(report.full for report in order_reports)}
        close_for_orders(tx, ctx.pipeline, whole)
        keep_refused(tx, ctx, refused, origin)
        return total


def keep_refused(tx: Transaction, ctx: RunContext, refused: Iterable[RejectedRecord], origin: str) -> None:
    """Keep why records could not be used; the same again only renews the time."""
    rows = {
        (place, refusal.code): {
            "account": ctx.pipeline,
            "origin": clean_text(origin, 300),
            "place": place,
            "code": refusal.code,
            "pointer": refusal.pointer,
            "message": refusal.message,
            "at": tx.now,
            "run": ctx.run,
        }
        for entry in refused
        for place in (clean_text(entry.order_id or f"row {entry.position}", 300),)
        for refusal in entry.issues
    }
    if rows:
        insert = insertion(tx, status_refusal)
        keys = [column.name for column in status_refusal.primary_key]
        again = {"at": insert.excluded.at, "closed_at": None, "closed_by": "", "closed_why": ""}
        tx.many(insert.on_conflict_do_update(index_elements=keys, set_=again), [*rows.values()])


class _StoredHistory:
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
    """A stored content. A row that is older than some of the columns was seen, as far as we know, when it came."""
    came = row.known_at if row.was_read else row.first_seen_at
    place = EventPosition(row.listed_at or came, row.position or 0)
    first_at, last_at = row.first_at or row.first_seen_at, row.last_at or came
    return EventRevision(event, Recency(row.known_at, row.was_read), place, first_at, last_at)


class _StatusMerge:
    """One call of ``store``: what it makes of each order, and the rows that it collects for writing."""

    def __init__(self, tx: Transaction, ctx: RunContext, late_before: datetime | None, final: Collection[str]) -> None:
        self._tx, self._ctx, self._late_before, self._final = tx, ctx, late_before, final
        self.inserts: list[dict[str, Any]] = []
        self.updates: list[dict[str, Any]] = []
        self.orders: list[dict[str, Any]] = []

    def merge(
        self, order: Mapping[str, Any], stored: _StoredHistory, order_reports: Sequence[StatusReport]
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
        stored: _StoredHistory,
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
        """Collect the order's row with its derived state; whether that is another one than before.

        What is doubtful for a new reason is read by its id at once; for the same reason as before only after its wait.
        """
        state = state_of(history, self._final)
        derived = {
            "order_status": state.order_status,
            "detailed_status": state.detailed_status,
            "parcels": _parcels(state),
        }
        changed = any(order[name] != value for name, value in derived.items())
        values = (
            {name: order[name] for name in _ORDER_COLUMNS}
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


_SIGHTINGS = ("known_at", "was_read", "listed_at", "position", "first_at", "last_at")
_ORDER_COLUMNS = (
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
_UPDATE_ORDER = (
    status_order.update()
    .where(status_order.c.account == sa.bindparam("b_account"), status_order.c.order_number == sa.bindparam("b_number"))
    .values({name: sa.bindparam(f"b_{name}") for name in _ORDER_COLUMNS})
)
_UPDATE = (
    status_event.update()
    .where(
        status_event.c.account == sa.bindparam("b_account"),
        status_event.c.order_number == sa.bindparam("b_number"),
        status_event.c.event_key == sa.bindparam("b_key"),
        status_event.c.content_hash == sa.bindparam("b_hash"),
    )
    .values({name: sa.bindparam(f"b_{name}") for name in ("state", *_SIGHTINGS)})
)


def _sightings(revision: EventRevision) -> dict[str, Any]:
    """The columns about when and where a content was seen."""
    values = (
        revision.stamp.at,
        revision.stamp.read,
        revision.place.moment,
        revision.place.position,
        revision.first_at,
        revision.last_at,
    )
    return dict(zip(_SIGHTINGS, values, strict=True))


def _parcels(state: OrderState) -> str:
    return dump_json([[p.parcel, p.status, p.at.isoformat() if p.at else None] for p in state.parcels])


def parcels_of(text: str) -> list[tuple[str, str, datetime | None]]:
    """Parcel, status and when, of the column ``parcels``."""
    return [(name, status, datetime.fromisoformat(at) if at else None) for name, status, at in load_json(text, [])]


def add_orders(tx: Transaction, account: str, numbers: Mapping[str, int | None]) -> None:
    """Rows for orders that have none yet, with the submission that each belongs to if that is known."""
    blank = {
        "account": account,
        "order_status": "",
        "detailed_status": "",
        "parcels": "[]",
        "doubtful": False,
        "reads": 0,
        "followed": True,
        "told": "[]",
        "asks": "",
        "doubt": "",
        "settled": False,
    }
    rows = [{**blank, "order_number": number, "submission_id": found} for number, found in sorted(numbers.items())]
    tx.many(insertion(tx, status_order).on_conflict_do_nothing(), rows)


def _locked(tx: Transaction, account: str, numbers: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """The orders' rows, made where missing, locked in the order of their keys."""
    query = (
        sa.select(status_order)
        .where(status_order.c.account == account, among(status_order.c.order_number, "numbers"))
        .order_by(status_order.c.order_number)
        .with_for_update()
    )
    found = tx.run(query, {"numbers": list(numbers)}).mappings().all()
    if len(found) < len(numbers):
        add_orders(tx, account, dict.fromkeys(set(numbers) - {row["order_number"] for row in found}))
        found = tx.run(query, {"numbers": list(numbers)}).mappings().all()
    return {row["order_number"]: dict(row) for row in found}


def _stored_histories(
    tx: Transaction, account: str, orders: Mapping[str, Mapping[str, Any]]
) -> dict[str, _StoredHistory]:
    query = (
        sa.select(status_event)
        .where(status_event.c.account == account, among(status_event.c.order_number, "numbers"))
        .order_by(status_event.c.order_number, status_event.c.event_key, status_event.c.revision)
    )
    grouped: dict[str, list[Any]] = defaultdict(list)
    for row in tx.run(query, {"numbers": list(orders)}):
        grouped[row.order_number].append(row)
    return {
        number: _StoredHistory(grouped[number], row["full_read_at"], row["shown_at"]) for number, row in orders.items()
    }


def insertion(tx: Transaction, table: sa.Table) -> Any:
    """The dialect's own INSERT, which knows what to do about a row that is there."""
    return postgresql.insert(table) if tx.conn.dialect.name == "postgresql" else sqlite.insert(table)
