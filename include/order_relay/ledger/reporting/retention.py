"""Data of settled orders that may be removed, and data that open orders need.

Identities, states, events, hashes, and who did what and when are never removed. An order is settled for retention if
all of this holds:

* It needs no further processing, and its acknowledgement is confirmed or not required.
* No submission with its number or of its lineage is open, since a review would show it for comparison.
* It is not partly shipped, has no open write-back step and is no longer asked about at its destination, since its
  lines are needed to count the parcels.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from order_relay.ledger.fulfilment.shipments import PARTLY
from order_relay.ledger.schema.oms_tables import oms_status
from order_relay.ledger.schema.operator_tables import correction, operator_action
from order_relay.ledger.schema.predicates import LINEAGE_IS_OPEN, NUMBER_IS_FREE, SETTLED_FOR_GOOD
from order_relay.ledger.schema.shipment_tables import WAITING_PARCEL, shipment
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.status_tables import status_event, status_order
from order_relay.ledger.schema.tables import attempt, batch, run, submission
from order_relay.ledger.schema.write_back_tables import feedback
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import load_json
from order_relay.ledger.submissions.unidentified_orders import UNNAMED
from order_relay.ledger.write_back.feedback import OPEN

REMOVED_BODY = "(removed by retention)"
"""Replaces an answer that was removed."""

_HALF_SHIPPED = sa.and_(sa.func.coalesce(submission.c.shipped, "") == PARTLY, submission.c.cancelled_at.is_(None))
_FEEDBACK_IS_OPEN = sa.exists().where(feedback.c.submission_id == submission.c.id, feedback.c.state.in_(OPEN))
_IS_ASKED_ABOUT = sa.exists().where(oms_status.c.submission_id == submission.c.id, oms_status.c.due_at.is_not(None))
_SETTLED = sa.or_(
    sa.and_(
        SETTLED_FOR_GOOD,
        sa.func.coalesce(submission.c.ack, "confirmed") == "confirmed",
        NUMBER_IS_FREE,
        ~LINEAGE_IS_OPEN,
        ~_HALF_SHIPPED,
        ~_FEEDBACK_IS_OPEN,
        ~_IS_ASKED_ABOUT,
    ),
    sa.and_(submission.c.state == State.SUPERSEDED, UNNAMED, submission.c.ack.is_(None)),
)
_HAS_BODY = attempt.c.body.not_in(["", REMOVED_BODY])
_HAS_TEXT = sa.or_(status_event.c.location != "", status_event.c.detail.not_in(["", REMOVED_BODY]))

_HAS_CORRECTION = sa.or_(correction.c.old.is_not(None), correction.c.new.is_not(None))
_HAS_MESSAGE = feedback.c.message != ""
_HAS_REASON = sa.or_(operator_action.c.why != "", operator_action.c.details.is_not(None))

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

    @reads
    def required_rows(self, tx: Transaction, name: str) -> RequiredRows:
        """Archive rows that the open orders of a pipeline need, in one snapshot."""
        found = RequiredRows()
        open_ones = sa.and_(submission.c.pipeline == name, sa.not_(_SETTLED))
        for row in tx.run(
            sa.select(
                submission.c.batch_id,
                submission.c.part,
                submission.c.row,
                submission.c.payload_name,
                submission.c.payload_row,
                submission.c.offered,
            ).where(open_ones)
        ):
            found.raw[row.batch_id][row.part].add(row.row)
            if row.offered:
                later = load_json(row.offered)
                found.raw[later["batch_id"]][later["part"]].add(later["row"])
            if row.payload_name:
                found.payloads[row.payload_name].add(row.payload_row)
        for row in tx.run(
            sa.select(attempt.c.payload_name, attempt.c.payload_row)
            .join(submission, submission.c.id == attempt.c.submission_id)
            .where(open_ones)
        ):
            found.payloads[row.payload_name].add(row.payload_row)
        return found

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

    @reads
    def with_personal_data(self, tx: Transaction, name: str, before: datetime) -> list[int]:
        """The ids of the settled submissions that ``remove_personal_data`` would change."""
        return with_personal_data(tx, name, before)

    @writes
    def remove_personal_data(self, tx: Transaction, name: str, before: datetime, limit: int) -> int:
        """Remove the data found by ``with_personal_data`` from at most ``limit`` submissions; returns their number."""
        keys = {"ids": with_personal_data(tx, name, before, limit)}
        tx.run(submission.update().where(among(submission.c.id, "ids")).values(customer_po="", ack_message=""), keys)
        answers = attempt.update().where(among(attempt.c.submission_id, "ids"), _HAS_BODY)
        tx.run(answers.values(body=REMOVED_BODY, remark=""), keys)
        messages = feedback.update().where(among(feedback.c.submission_id, "ids"), _HAS_MESSAGE)
        tx.run(messages.where(feedback.c.at < before).values(message=""), keys)
        reasons = operator_action.update().where(among(operator_action.c.submission_id, "ids"), _HAS_REASON)
        tx.run(reasons.where(operator_action.c.at < before).values(why="", details=None), keys)
        corrected = correction.update().where(among(correction.c.submission_id, "ids"), _HAS_CORRECTION)
        tx.run(corrected.values(old=None, new=None, why=""), keys)
        theirs = sa.exists().where(_quiet(before), status_order.c.followed, among(status_order.c.submission_id, "ids"))
        tx.run(_WITHOUT_TEXT.where(theirs), keys)
        tx.run(
            shipment.update()
            .where(sa.text(WAITING_PARCEL), shipment.c.raw.not_in(["", REMOVED_BODY]), shipment.c.recorded_at < before)
            .values(raw=REMOVED_BODY)
        )
        return len(keys["ids"])

    @reads
    def unmatched_status_texts(self, tx: Transaction, account: str, before: datetime) -> list[str]:
        """The numbers of the orders that ``remove_status_texts`` would change."""
        return unmatched_status_texts(tx, account, before)

    @writes
    def remove_status_texts(self, tx: Transaction, account: str, before: datetime, limit: int) -> int:
        """Remove the texts found by ``unmatched_status_texts`` from at most ``limit`` orders; returns their number."""
        keys = {"numbers": unmatched_status_texts(tx, account, before, limit)}
        theirs = sa.and_(status_event.c.account == account, among(status_event.c.order_number, "numbers"))
        tx.run(_WITHOUT_TEXT.where(theirs), keys)
        return len(keys["numbers"])


def with_personal_data(tx: Transaction, name: str, before: datetime, limit: int | None = None) -> list[int]:
    """Settled submissions that contain personal data and have not changed since ``before``.

    Personal data: answers of the destination, the customer's PO number, messages of the source about an
    acknowledgement or a write-back step, locations and notes of status events, corrected values, reasons and details
    of what operators did.
    """
    answered = sa.exists().where(attempt.c.submission_id == submission.c.id, _HAS_BODY)
    described = sa.exists().where(
        _quiet(before), status_order.c.followed, status_order.c.submission_id == submission.c.id, _HAS_TEXT
    )
    explained = sa.exists().where(
        operator_action.c.submission_id == submission.c.id, _HAS_REASON, operator_action.c.at < before
    )
    corrected = sa.exists().where(correction.c.submission_id == submission.c.id, _HAS_CORRECTION)
    messages = sa.exists().where(feedback.c.submission_id == submission.c.id, _HAS_MESSAGE, feedback.c.at < before)
    texts = (submission.c.customer_po != "", submission.c.ack_message != "")
    return list(
        tx.run(
            sa.select(submission.c.id)
            .where(
                submission.c.pipeline == name,
                submission.c.changed_at < before,
                sa.func.coalesce(submission.c.ack_at, submission.c.changed_at) < before,
                sa.or_(*texts, answered, messages, described, explained, corrected),
                _SETTLED,
            )
            .order_by(submission.c.id)
            .limit(limit)
        ).scalars()
    )


def unmatched_status_texts(tx: Transaction, account: str, before: datetime, limit: int | None = None) -> list[str]:
    """Unmatched orders of a status account with locations or notes that have not changed since ``before``."""
    described = sa.exists().where(_quiet(before), _HAS_TEXT)
    return list(
        tx.run(
            sa.select(status_order.c.order_number)
            .where(status_order.c.account == account, status_order.c.submission_id.is_(None), described)
            .order_by(status_order.c.order_number)
            .limit(limit)
        ).scalars()
    )


def _quiet(before: datetime) -> sa.ColumnElement[bool]:
    """The event's order has not changed since ``before`` and has no open question."""
    return sa.and_(
        status_order.c.account == status_event.c.account,
        status_order.c.order_number == status_event.c.order_number,
        sa.func.coalesce(status_order.c.changed_at, status_order.c.seen_at) < before,
        ~status_order.c.doubtful,
        status_order.c.asks == "",
    )
