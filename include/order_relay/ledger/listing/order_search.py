"""Finds orders by what an operator types: an identifier, or the beginning of an order number."""

from __future__ import annotations

import sys
from collections.abc import Collection

import sqlalchemy as sa

from order_relay.ledger.fulfilment.feed_ids import feed_key, matches
from order_relay.ledger.schema.predicates import IN_ANY_PIPELINE, of_any_pipeline
from order_relay.ledger.schema.shipment_tables import shipment, tracking_key
from order_relay.ledger.schema.tables import pipeline, submission
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.submissions.worklist import work_items
from order_relay.orders.fulfilment.feed_id import parse_feed_id

MAX_IDENTIFIED = 1_000
"""Maximum orders that one identifier finds."""

_FIRST_SURROGATE, _BEHIND_SURROGATES = 0xD800, 0xE000  # code points between them are no characters


def identified_by(tx: Transaction, term: str) -> sa.CompoundSelect[tuple[int]]:
    """The ids of the submissions that ``term`` identifies exactly.

    A union with one query per column, so that each uses its index: a database would scan the table for an ``OR``.
    """
    partial = {
        name: sa.text(f"submission.{name} <> {other}")
        for name, other in (("base_number", "submission.order_number"), ("reference", "''"), ("customer_po", "''"))
    }
    found = (
        *((submission.c[name] == term, IN_ANY_PIPELINE) for name in ("order_number", "source_id")),
        (submission.c.lineage.in_([term, term.upper()]), IN_ANY_PIPELINE),
        (
            submission.c.destination_key == term,
            submission.c.destination.in_(sa.select(pipeline.c.destination_account)),
        ),
        (submission.c.oms_id == term,),
        (submission.c.id == _of_feed(tx, term),),
        *((submission.c[name] == term, differs) for name, differs in partial.items()),
    )
    parcels = sa.select(shipment.c.submission_id).where(
        tracking_key == term.upper().replace(" ", ""), shipment.c.submission_id.is_not(None)
    )
    return sa.union_all(*(sa.select(submission.c.id).where(*where) for where in found), parcels)


def identified_orders(tx: Transaction, term: str, pipelines: Collection[str]) -> list[int]:
    """The ids of at most ``MAX_IDENTIFIED`` submissions of ``pipelines`` that ``term`` identifies exactly."""
    ids = submission.c.id.in_(identified_by(tx, term))
    query = sa.select(submission.c.id).where(ids, of_any_pipeline(pipelines)).limit(MAX_IDENTIFIED)
    return list(tx.run(query).scalars())


def numbers_beginning(tx: Transaction, prefix: str, pipelines: Collection[str], limit: int) -> list[int]:
    """The ids of at most ``limit`` submissions whose order number begins with ``prefix``.

    The index of order numbers distinguishes upper and lower case, so the prefix is searched as it is, in upper case and
    in lower case; a number in mixed case is found in its own spelling only.
    """
    found: dict[int, None] = {}
    for text in dict.fromkeys((prefix, prefix.upper(), prefix.lower())):
        for name in sorted(pipelines):
            query = sa.select(submission.c.id).where(
                submission.c.pipeline == name, begins_with(tx, submission.c.order_number, text)
            )
            found |= dict.fromkeys(tx.run(query.order_by(submission.c.order_number).limit(limit)).scalars())
    return list(found)[:limit]


def begins_with(tx: Transaction, column: sa.ColumnElement[str], prefix: str) -> sa.ColumnElement[bool]:
    """Texts with this prefix. SQLite uses its index for a range, PostgreSQL (with collation C) for LIKE."""
    if tx.conn.dialect.name == "postgresql":
        return column.startswith(prefix, autoescape=True)
    behind = _behind(prefix)
    return sa.and_(column >= prefix, column < behind) if behind else column >= prefix


def _behind(prefix: str) -> str:
    """The first text behind all texts with this prefix; empty if there is none."""
    rest = prefix.rstrip(chr(sys.maxunicode))
    following = ord(rest[-1]) + 1 if rest else 0
    return rest[:-1] + chr(_BEHIND_SURROGATES if following == _FIRST_SURROGATE else following) if rest else ""


def _of_feed(tx: Transaction, term: str) -> int:
    """The submission for which a feed of this ledger issued this id; 0 if there is none."""
    given = parse_feed_id(term)
    found = work_items(tx, [given.number]) if given is not None and given.check else []
    return next((work.id for work in found if given is not None and matches(feed_key(tx), given, work)), 0)
