"""Data of settled orders that may be removed, and data that open orders need.

Identities, states, events, hashes, and who did what and when are never removed. ``unsettled_orders`` defines which
orders are settled.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from order_relay.iteration import batched
from order_relay.ledger.reporting.unsettled_orders import SETTLED, superseded, unfinished
from order_relay.ledger.schema.operator_tables import correction, operator_action
from order_relay.ledger.schema.predicates import of_pipeline, unindexed
from order_relay.ledger.schema.shipment_tables import WAITING_PARCEL, shipment
from order_relay.ledger.schema.status_tables import status_event, status_order
from order_relay.ledger.schema.tables import attempt, batch, run, submission
from order_relay.ledger.schema.write_back_tables import feedback
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import load_json

PORTION = 20_000
"""Submissions, or orders of a status account, that a statement reads: no index knows who has personal data, so that
retention looks at all, once a day."""

_IDS = 1_000
"""Submissions by id that a statement reads."""

_FIRST = (datetime.min.replace(tzinfo=UTC), 0)

REMOVED_BODY = "(removed by retention)"
"""Replaces an answer that was removed."""

_HAS_BODY = attempt.c.body.not_in(["", REMOVED_BODY])
_HAS_TEXT = sa.or_(status_event.c.location != "", status_event.c.detail.not_in(["", REMOVED_BODY]))

_HAS_CORRECTION = sa.or_(correction.c.old.is_not(None), correction.c.new.is_not(None))
_HAS_MESSAGE = feedback.c.message != ""
_HAS_REASON = sa.or_(operator_action.c.why != "", operator_action.c.details.is_not(None))

_ROWS = sa.select(
    *(submission.c[name] for name in ("id", "batch_id", "part", "row", "payload_name", "payload_row", "offered"))
).where(among(submission.c.id, "ids"), sa.not_(SETTLED))
_SENT = sa.select(attempt.c.payload_name, attempt.c.payload_row).where(among(attempt.c.submission_id, "ids"))

Scope = Callable[[sa.ColumnElement[int]], sa.ColumnElement[bool]]

_WITHOUT_TEXT = status_event.update().where(_HAS_TEXT).values(location="", detail=REMOVED_BODY)


@dataclass(frozen=True)
class RequiredRows:
    """Archive rows that open orders of a pipeline need: raw orders by batch and part, payloads by object.

    It stays valid while data is removed: orders that become open later refer to newer objects.
    """

    raw: dict[str, dict[int, set[int]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    payloads: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))


class Retention(Repository):
    """Finds data that may be removed, and removes it."""

    def required_rows(self, name: str) -> RequiredRows:
        """Archive rows that the open orders of a pipeline need."""
        found = RequiredRows()
        for ids in batched(self._unfinished(name), _IDS):
            self._required_rows(name, ids, found)
        last = _FIRST
        while portion := self._superseded_after(name, last):
            last = portion[-1]
            self._required_rows(name, [number for _, number in portion], found)
        return found

    @reads
    def _unfinished(self, tx: Transaction, name: str) -> set[int]:
        return unfinished(tx, name)

    @reads
    def _superseded_after(self, tx: Transaction, name: str, last: tuple[datetime, int]) -> list[tuple[datetime, int]]:
        return superseded(tx, name, last, _IDS)

    @reads
    def _required_rows(self, tx: Transaction, name: str, ids: Sequence[int], found: RequiredRows) -> None:
        """Add the archive rows that those of these submissions need that are not settled, in one snapshot."""
        rows = tx.run(_ROWS.where(of_pipeline(name)), {"ids": ids}).all()
        for row in rows:
            found.raw[row.batch_id][row.part].add(row.row)
            if row.offered:
                later = load_json(row.offered)
                found.raw[later["batch_id"]][later["part"]].add(later["row"])
            if row.payload_name:
                found.payloads[row.payload_name].add(row.payload_row)
        for sent in tx.run(_SENT, {"ids": [row.id for row in rows]}):
            found.payloads[sent.payload_name].add(sent.payload_row)

    @reads
    def batch_fetch_times(self, tx: Transaction, name: str) -> dict[str, datetime]:
        """The fetch time of every batch in the ledger (UTC), by batch id."""
        return {
            row.batch_id: row.fetched_at
            for row in tx.run(sa.select(batch.c.batch_id, batch.c.fetched_at).where(batch.c.pipeline == name))
        }

    @reads
    def run_start_times(self, tx: Transaction, name: str) -> dict[str, datetime]:
        """The start time of every run in the ledger (UTC), by run."""
        return {
            row.run: row.started_at
            for row in tx.run(sa.select(run.c.run, run.c.started_at).where(run.c.pipeline == name))
        }

    def with_personal_data(self, name: str, before: datetime) -> Iterator[int]:
        """The ids of the settled submissions that ``remove_personal_data`` would change."""
        for first in range(0, self._newest_id(), PORTION):
            yield from self._with_personal_data(name, before, first)

    @reads
    def _newest_id(self, tx: Transaction) -> int:
        return int(tx.run(sa.select(sa.func.max(submission.c.id))).scalar() or 0)

    @reads
    def _with_personal_data(self, tx: Transaction, name: str, before: datetime, first: int) -> list[int]:
        return with_personal_data(
            tx, before, lambda column: sa.and_(column > first, column <= first + PORTION), of_pipeline(name)
        )

    def remove_personal_data(self, name: str, before: datetime, limit: int) -> int:
        """Remove the data found by ``with_personal_data``, of at most ``limit`` submissions per transaction; returns
        the number of submissions. It is looked for without holding up writers.
        """
        removed = 0
        for first in range(0, self._newest_id(), PORTION):
            for ids in batched(self._with_personal_data(name, before, first), limit):
                removed += self._remove_personal_data(before, ids)
        self._remove_parcel_texts(before)
        return removed

    @writes
    def _remove_personal_data(self, tx: Transaction, before: datetime, found: Sequence[int]) -> int:
        """Remove it from those of the submissions that still have it and are still settled."""
        ids = with_personal_data(tx, before, lambda column: among(column, "found", found))
        keys = {"ids": ids}
        tx.run(submission.update().where(among(submission.c.id, "ids")).values(customer_po="", ack_message=""), keys)
        answers = attempt.update().where(among(attempt.c.submission_id, "ids"), _HAS_BODY)
        tx.run(answers.values(body=REMOVED_BODY, remark=""), keys)
        messages = feedback.update().where(among(feedback.c.submission_id, "ids"), _HAS_MESSAGE)
        tx.run(messages.where(feedback.c.at < before).values(message=""), keys)
        reasons = operator_action.update().where(among(operator_action.c.submission_id, "ids"), _HAS_REASON)
        tx.run(reasons.where(operator_action.c.at < before).values(why="", details=None), keys)
        corrected = correction.update().where(among(correction.c.submission_id, "ids"), _HAS_CORRECTION)
        tx.run(corrected.values(old=None, new=None, why=""), keys)
        described = sa.select(status_order.c.account, status_order.c.order_number).where(
            _settled_before(before), status_order.c.followed, among(status_order.c.submission_id, "ids")
        )
        tx.run(_WITHOUT_TEXT.where(sa.tuple_(status_event.c.account, status_event.c.order_number).in_(described)), keys)
        return len(ids)

    @writes
    def _remove_parcel_texts(self, tx: Transaction, before: datetime) -> None:
        tx.run(
            shipment.update()
            .where(sa.text(WAITING_PARCEL), shipment.c.raw.not_in(["", REMOVED_BODY]), shipment.c.recorded_at < before)
            .values(raw=REMOVED_BODY)
        )

    def unmatched_status_texts(self, account: str, before: datetime) -> Iterator[str]:
        """The numbers of the orders that ``remove_status_texts`` would change."""
        last = ""
        while portion := self._status_orders_after(account, last):
            last = portion[-1]
            yield from self._described(account, before, portion)

    @reads
    def _status_orders_after(self, tx: Transaction, account: str, last: str) -> Sequence[str]:
        numbers = sa.select(status_order.c.order_number).where(
            status_order.c.account == account, status_order.c.order_number > last
        )
        return tx.run(numbers.order_by(status_order.c.order_number).limit(PORTION)).scalars().all()

    @reads
    def _described(self, tx: Transaction, account: str, before: datetime, numbers: Sequence[str]) -> list[str]:
        return unmatched_status_texts(tx, account, before, numbers)

    def remove_status_texts(self, account: str, before: datetime, limit: int) -> int:
        """Remove the texts found by ``unmatched_status_texts``, of at most ``limit`` orders per transaction; returns
        the number of orders.
        """
        found = batched(self.unmatched_status_texts(account, before), limit)
        return sum(self._remove_status_texts(account, before, numbers) for numbers in found)

    @writes
    def _remove_status_texts(self, tx: Transaction, account: str, before: datetime, numbers: Sequence[str]) -> int:
        keys = {"numbers": unmatched_status_texts(tx, account, before, numbers)}
        theirs = sa.and_(status_event.c.account == account, among(status_event.c.order_number, "numbers"))
        tx.run(_WITHOUT_TEXT.where(theirs), keys)
        return len(keys["numbers"])


def with_personal_data(tx: Transaction, before: datetime, scope: Scope, *where: sa.ColumnElement[bool]) -> list[int]:
    """Settled submissions of the scope that contain personal data and have not changed since ``before``, by id.

    ``scope`` makes a condition of a column with ids of submissions. Personal data: answers of the destination, the
    customer's PO number, messages of the source about an acknowledgement or a write-back step, locations and notes of
    status events, corrected values, reasons and details of what operators did.
    """
    # table by table: PostgreSQL would look each submission up in every table
    holders = {number for query in _holders(before, scope) for number in tx.run(query).scalars()}
    settled = sa.select(submission.c.id).where(
        among(submission.c.id, "holders", sorted(holders)),
        *where,
        unindexed(submission.c.changed_at) < before,
        sa.func.coalesce(submission.c.ack_at, submission.c.changed_at) < before,
        SETTLED,
    )
    return sorted(tx.run(settled).scalars())


def _holders(before: datetime, scope: Scope) -> Iterator[sa.Select[Any]]:
    """The submissions of the scope with personal data, table by table."""
    texts = sa.or_(submission.c.customer_po != "", submission.c.ack_message != "")
    yield sa.select(submission.c.id).where(scope(submission.c.id), texts, unindexed(submission.c.changed_at) < before)
    for table, has_data in (
        (attempt, _HAS_BODY),
        (feedback, sa.and_(_HAS_MESSAGE, feedback.c.at < before)),
        (operator_action, sa.and_(_HAS_REASON, unindexed(operator_action.c.at) < before)),
        (correction, _HAS_CORRECTION),
    ):
        yield sa.select(table.c.submission_id).where(scope(table.c.submission_id), has_data)
    described = sa.select(status_order.c.submission_id).where(scope(status_order.c.submission_id))
    yield described.where(status_order.c.followed, _quiet(before), _HAS_TEXT)


def unmatched_status_texts(tx: Transaction, account: str, before: datetime, numbers: Sequence[str]) -> list[str]:
    """Those of the orders of a status account that are unmatched, with locations or notes that have not changed since
    ``before``.
    """
    described = sa.exists().where(_quiet(before), _HAS_TEXT)
    theirs = (status_order.c.account == account, among(status_order.c.order_number, "portion", numbers))
    query = sa.select(status_order.c.order_number).where(*theirs, status_order.c.submission_id.is_(None), described)
    return list(tx.run(query.order_by(status_order.c.order_number)).scalars())


def _quiet(before: datetime) -> sa.ColumnElement[bool]:
    """The event's order has not changed since ``before`` and has no open question."""
    return sa.and_(
        status_order.c.account == status_event.c.account,
        status_order.c.order_number == status_event.c.order_number,
        _settled_before(before),
    )


def _settled_before(before: datetime) -> sa.ColumnElement[bool]:
    """The order at its service has not changed since ``before`` and has no open question."""
    return sa.and_(
        sa.func.coalesce(status_order.c.changed_at, status_order.c.seen_at) < before,
        ~status_order.c.doubtful,
        status_order.c.asks == "",
    )
