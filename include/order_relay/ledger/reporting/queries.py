"""Queries for operators: the whole history of an order, and lists of the orders that need a decision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.fulfilment.shipment_rows import shipments_of
from order_relay.ledger.fulfilment.status_queries import statuses_of
from order_relay.ledger.listing.order_search import begins_with, identified_by
from order_relay.ledger.schema.listed_rows import (
    ImportedPayload,
    ImportedSubmission,
    InDoubtSubmission,
    ListedSubmission,
    QuarantinedSubmission,
    RelatedSubmission,
)
from order_relay.ledger.schema.oms_tables import oms_status
from order_relay.ledger.schema.operator_tables import correction, operator_action
from order_relay.ledger.schema.predicates import IN_ANY_PIPELINE, of_pipeline
from order_relay.ledger.schema.shipment_tables import feed_gap
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import attempt, event, lookup, refusal, submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads
from order_relay.ledger.store.text import load_json
from order_relay.ledger.submissions import unread_orders
from order_relay.ledger.submissions.unidentified_orders import NO_LONGER_OFFERED
from order_relay.ledger.write_back.feedback import steps_of
from order_relay.orders.identity.source_identity import SEPARATE_LINEAGE_MARK, source_lineage
from order_relay.orders.notes import notes_from_json, notes_to_json

MAX_ROWS = 1_000  # submissions in one answer to ``find``

_MAX_LINEAGES = 100  # maximum lineages searched for one group

_PARTS: tuple[tuple[str, sa.Table, str], ...] = (
    ("events", event, "id"),
    ("attempts", attempt, "number"),
    ("refusals", refusal, "position"),
    ("lookups", lookup, "id"),
    ("left_out", feed_gap, "id"),
    ("corrections", correction, "id"),
    ("actions", operator_action, "id"),
    ("oms_status", oms_status, "submission_id"),
)


def _parts(tx: Transaction, table: sa.Table, order: str, ids: Iterable[int]) -> dict[int, list[dict[str, Any]]]:
    grouped: dict[int, list[dict[str, Any]]] = defaultdict(list)
    query = sa.select(table).where(among(table.c.submission_id, "ids")).order_by(table.c.submission_id)
    if table is refusal:
        query = query.order_by(table.c.revision)
    for row in tx.run(query.order_by(table.c[order]), {"ids": list(ids)}).mappings():
        grouped[row["submission_id"]].append(dict(row))
    return grouped


_LISTED = [submission.c[name] for name in ListedSubmission.__annotations__]


class Queries(Repository):
    """Submissions for operators."""

    @reads
    def find(self, tx: Transaction, term: str) -> list[dict[str, Any]]:
        """The submissions that ``term`` identifies exactly, with all their rows of other tables.

        ``term`` is an order number (with or without its version suffix or the part that identifies the webshop),
        source id, uuid, OMS id, external id, customer PO, tracking number, or feed id. The result contains personal
        data (answers, customer PO): show it to the operator, and never log it.
        """
        rows = (
            tx.run(
                sa.select(submission)
                .where(submission.c.id.in_(identified_by(tx, term)))
                .order_by(submission.c.pipeline, submission.c.lineage, submission.c.version, submission.c.edition)
                .limit(MAX_ROWS)
            )
            .mappings()
            .all()
        )
        histories = [
            {
                **row,
                "items": load_json(row["items"], []),
                "notes": notes_to_json(notes_from_json(load_json(row["notes"], []))),
            }
            for row in rows
        ]
        ids = [history["id"] for history in histories]
        for name, table, order in _PARTS:
            parts = _parts(tx, table, order, ids)
            for history in histories:
                history[name] = parts[history["id"]]
        statuses = statuses_of(tx, ids)
        for history in histories:
            history["feedback"] = steps_of(tx, history["id"])
            history["statuses"] = statuses.get(history["id"], [])
            attempts = unread_orders.read_attempts(tx, history["pipeline"], history["source_id"])
            history["unread"] = [] if attempts is None else [attempts]
            history["shipments"] = [
                {name: value for name, value in parcel.items() if name != "raw"}
                for parcel in shipments_of(tx, history["id"])
            ]
        return histories

    @reads
    def related(
        self, tx: Transaction, name: str, numbers: Iterable[str], lineages: Iterable[str]
    ) -> list[RelatedSubmission]:
        """All submissions of a pipeline with one of these order numbers or lineages, oldest version first.

        Includes every version of their lineages, and of the lineages that an operator's decision separated from them.
        """
        keys = {"numbers": list(numbers), "lineages": list(lineages)}
        ids: set[int] = set()
        offered: set[str] = {source_lineage(text) for text in keys["lineages"]}
        for column, key in ((submission.c.order_number, "numbers"), (submission.c.lineage, "lineages")):
            query = sa.select(submission.c.id, submission.c.lineage).where(
                submission.c.pipeline == name, among(column, key)
            )
            for row in tx.run(query.limit(MAX_ROWS), {key: keys[key]}):
                ids.add(row.id)
                offered.add(source_lineage(row.lineage))
        for text in sorted(offered)[:_MAX_LINEAGES]:
            for which in (
                submission.c.lineage == text,
                begins_with(tx, submission.c.lineage, f"{text}{SEPARATE_LINEAGE_MARK}"),
            ):
                query = sa.select(submission.c.id).where(submission.c.pipeline == name, which)
                ids.update(tx.run(query.limit(MAX_ROWS)).scalars())
        query = (
            sa.select(*_RELATED)
            .where(of_pipeline(name), among(submission.c.id, "ids"))
            .order_by(submission.c.version, submission.c.edition, submission.c.id)
            .limit(MAX_ROWS)
        )
        return tx.rows(RelatedSubmission, query, {"ids": sorted(ids)})

    @reads
    def held(self, tx: Transaction) -> list[ListedSubmission]:
        """Held submissions, which need an operator's decision, grouped by lineage."""
        query = sa.select(*_LISTED).where(IN_ANY_PIPELINE, submission.c.state == State.HELD)
        # sorted here: SQLite would take the index that has this order, and read all orders
        return sorted(
            tx.rows(ListedSubmission, query),
            key=lambda row: (row["pipeline"], row["lineage"], row["version"], row["edition"]),
        )

    @reads
    def in_doubt(self, tx: Transaction) -> list[InDoubtSubmission]:
        """Submissions in doubt with the times of their request and their next lookup, longest in doubt first."""
        query = (
            sa.select(*_LISTED, attempt.c.sent_at)
            .join(
                attempt, sa.and_(attempt.c.submission_id == submission.c.id, attempt.c.number == submission.c.attempt)
            )
            .where(IN_ANY_PIPELINE, submission.c.state == State.IN_DOUBT)
            .order_by(attempt.c.sent_at)
        )
        return tx.rows(InDoubtSubmission, query)

    @reads
    def quarantined(
        self,
        tx: Transaction,
        code: str | None = None,
        numbers: Iterable[str] | None = None,
        since: datetime | None = None,
    ) -> list[QuarantinedSubmission]:
        """Quarantined and rejected submissions, one row per reason, filtered by reason code, order numbers and time.

        The ``code`` of a rejected one is the destination's answer, such as ``http_400``.
        """
        each = refusal.alias("each")
        newest = sa.select(sa.func.max(each.c.revision)).where(each.c.submission_id == submission.c.id)
        source = submission.outerjoin(
            refusal,
            sa.and_(
                refusal.c.submission_id == submission.c.id,
                submission.c.state == State.QUARANTINED,
                refusal.c.revision == newest.scalar_subquery(),
            ),
        )
        shown = sa.func.coalesce(refusal.c.code, submission.c.reason)
        where: list[sa.ColumnElement[bool]] = [
            IN_ANY_PIPELINE,
            submission.c.state.in_([State.QUARANTINED, State.REJECTED]),
        ]
        if code is not None:
            where.append(shown == code)
        if since is not None:
            where.append(submission.c.changed_at >= since)
        keys: dict[str, Any] = {}
        if numbers is not None:
            where.append(among(submission.c.order_number, "numbers"))
            keys["numbers"] = list(numbers)
        query = (
            sa.select(
                *_LISTED,
                submission.c.last_offered_at,
                NO_LONGER_OFFERED.label("no_longer_offered"),
                shown.label("code"),
                sa.func.coalesce(refusal.c.pointer, "").label("pointer"),
                sa.func.coalesce(refusal.c.message, "").label("message"),
            )
            .select_from(source)
            .where(*where)
            .order_by(submission.c.id, refusal.c.position)
        )
        return tx.rows(QuarantinedSubmission, query, keys)

    @reads
    def imported_by(self, tx: Transaction, run: str, name: str | None = None) -> list[ImportedSubmission]:
        """The orders that a run imported, by ledger id, so that an operator can cancel them at the destination.

        Includes orders that a lookup found at the destination; ``why`` distinguishes them.
        """
        query = (
            sa.select(
                *(submission.c[column] for column in ImportedSubmission.__annotations__ if column != "why"),
                event.c.why,
            )
            .join(event, event.c.submission_id == submission.c.id)
            .where(event.c.run == run, event.c.to_state == State.IMPORTED)
            .order_by(submission.c.pipeline, submission.c.id)
        )
        if name is not None:
            query = query.where(submission.c.pipeline == name)
        return tx.rows(ImportedSubmission, query)

    @reads
    def last_payloads(self, tx: Transaction, destination: str, limit: int) -> list[ImportedPayload]:
        """Payloads of the orders that a destination account imported last, newest first."""
        query = (
            sa.select(submission.c.order_number, submission.c.payload_name, submission.c.payload_row)
            .where(submission.c.destination == destination, sa.text("submission.state = 'imported'"))
            .order_by(submission.c.imported_at.desc())
            .limit(limit)
        )
        return [one for one in tx.rows(ImportedPayload, query) if one["payload_name"]]


_RELATED = [submission.c[name] for name in RelatedSubmission.__annotations__]
