"""Counts of orders by hour, and what trends need: entries, shipped orders, times to import, orders with an operator.

Reads every order and event once; meanwhile nothing is written to the orders. See "Upgrade" in docs/operations.md. The
definitions of the counts are here, for the ledger to use: a recount and the accounting check read the same statements.

Revision ID: 0022
Revises: 0021
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

BY_HOUR = "hour IS NOT NULL"
DAYS_BY_HOUR = 37
"""So long counts keep their hour: the same weekday of four weeks ago, and some days to spare."""

_MINUTES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50)
_HOURS = (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 30, 36)
_DAYS = (2, 2.5, 3, 4, 5, 6, 7, 9, 12, 16, 21, 28)
BOUNDS = (*(60 * n for n in _MINUTES), *(int(3_600 * n) for n in _HOURS), *(int(86_400 * n) for n in _DAYS))
"""Upper bounds in seconds of the times to import, each at most a third above the one before, or a minute."""

BEYOND = "inf"
"""Reason of the times above all bounds."""

order = sa.table(
    "submission",
    sa.column("id", sa.BigInteger),
    *(sa.column(name, sa.Text) for name in ("pipeline", "state", "reason", "ack", "shipped")),
    *(
        sa.column(name, sa.DateTime(timezone=True))
        for name in ("first_offered_at", "submitted_at", "changed_at", "imported_at", "ack_at", "shipped_at")
    ),
)
event = sa.table(
    "event",
    sa.column("submission_id", sa.BigInteger),
    *(sa.column(name) for name in ("from_state", "to_state", "at", "run")),
)
_parcel = sa.table("shipment", *(sa.column(name) for name in ("submission_id", "matched_at", "asks", "closed")))
_count = sa.table(
    "order_count", *(sa.column(name, sa.Text) for name in ("pipeline", "day", "hour", "kind", "reason", "n"))
)
_STOPS = ("quarantined", "rejected", "held")
_MOVES = event.c.from_state != event.c.to_state
"""Not what is only noted about an order, such as its cancellation."""
Rows = sa.Select[Any]
"""One row for each order that counts: ``pipeline``, ``at``, ``kind`` and ``reason``."""


def text(value: str) -> sa.ColumnElement[str]:
    """A text as a literal of the statement."""
    return sa.literal_column(f"'{value}'", sa.Text)


_NONE = text("")


def rows(at: Any, kind: Any, *where: Any, reason: Any = _NONE) -> Rows:
    """The orders for which ``where`` holds, each as one row."""
    return sa.select(order.c.pipeline, at.label("at"), kind.label("kind"), reason.label("reason")).where(*where)


def received(*where: Any) -> Rows:
    """Every order, when its batch was fetched."""
    return rows(order.c.first_offered_at, text("received"), *where)


def settled(*where: Any) -> Rows:
    """Orders that are imported, superseded or discarded, by reason."""
    at = sa.func.coalesce(order.c.imported_at, order.c.changed_at)
    chosen = order.c.state.in_(["imported", "superseded", "discarded"])
    return rows(at, order.c.state, chosen, *where, reason=order.c.reason)


def acknowledged(*where: Any) -> Rows:
    """Orders whose acknowledgement is confirmed."""
    at = sa.func.coalesce(order.c.ack_at, order.c.changed_at)
    return rows(at, text("acknowledged"), order.c.ack == text("confirmed"), *where)


def stopped(*where: Any) -> Rows:
    """Each time that an order was quarantined, rejected, held or in doubt; an order may count more than once."""
    chosen = event.c.to_state.in_([*_STOPS, "in_doubt"])
    return rows(event.c.at, event.c.to_state, order.c.id == event.c.submission_id, chosen, _MOVES, *where)


def shipped(*where: Any) -> Rows:
    """Orders whose lines have all left the warehouse, when the last parcel was matched to its order."""
    matched = (
        sa.select(sa.func.max(_parcel.c.matched_at))
        .where(_parcel.c.submission_id == order.c.id, _parcel.c.asks == _NONE, _parcel.c.closed == _NONE)
        .scalar_subquery()
    )
    at = sa.func.coalesce(matched, order.c.shipped_at, order.c.changed_at)
    return rows(at, text("shipped"), order.c.shipped == text("shipped"), *where)


def import_times(*where: Any) -> Rows:
    """Imported orders by the time from submission to import: the reason is the lowest of ``BOUNDS`` above it.

    An order without a time of submission counts from when it was first offered.
    """
    began = sa.func.coalesce(order.c.submitted_at, order.c.first_offered_at)
    seconds = sa.extract("epoch", order.c.imported_at) - sa.extract("epoch", began)
    each = sa.select(order.c.pipeline, order.c.state, order.c.imported_at, seconds.label("seconds")).where(*where)
    # the offset: SQLite would compute the seconds again for each bound, and PostgreSQL would read all imported orders
    # by their index where it expects few
    once = each.offset(0).subquery()
    bound = sa.case(
        *((once.c.seconds < sa.literal_column(str(limit)), text(str(limit))) for limit in BOUNDS), else_=text(BEYOND)
    )
    return sa.select(
        once.c.pipeline, once.c.imported_at.label("at"), text("import_time").label("kind"), bound.label("reason")
    ).where(once.c.state == text("imported"), once.c.imported_at.is_not(None))


def assisted(*where: Any, few: bool = False) -> Rows:
    """Imported and discarded orders that needed an operator. ``few``: each order's events are looked up; otherwise the
    orders are joined with all events.

    These were quarantined, rejected or held at least once, or have a transition outside of any run, which is the
    decision of an operator. The orders of a baseline do not count: they are discarded by a run.
    """
    stops = sa.select(event.c.submission_id).where(_MOVES, sa.or_(event.c.to_state.in_(_STOPS), event.c.run == _NONE))
    # of a scalar subquery PostgreSQL makes no join, which could read all events once for each order
    first = stops.where(event.c.submission_id == order.c.id).limit(1).scalar_subquery()
    needed = first.is_not(None) if few else order.c.id.in_(stops)
    at = sa.func.coalesce(order.c.imported_at, order.c.changed_at)
    return rows(at, text("assisted"), order.c.state.in_(["imported", "discarded"]), needed, *where)


DEFINITIONS = (received, settled, acknowledged, stopped, shipped, import_times, assisted)


def upgrade() -> None:
    from alembic import op  # the tasks that import the definitions do not need it

    op.add_column("order_count", sa.Column("hour", sa.Integer(), nullable=True))
    op.create_index(
        "ix_order_count_hour",
        "order_count",
        ["pipeline", "day"],
        sqlite_where=sa.text(BY_HOUR),
        postgresql_where=sa.text(BY_HOUR),
    )
    count_again(op.get_bind())


def count_again(conn: Connection) -> None:
    """Fill the table from the orders and their history; no transaction writes to them meanwhile."""
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql("LOCK TABLE submission, order_count IN SHARE ROW EXCLUSIVE MODE")
    conn.execute(_count.delete())
    for definition in DEFINITIONS:
        each = definition().subquery()
        day, hour, today = _time(conn.dialect.name, each.c.at)
        recent = sa.case((day >= today, hour), else_=sa.null())
        place = (each.c.pipeline, day, recent, each.c.kind, each.c.reason)
        counted = sa.select(*place, sa.func.count()).group_by(*(sa.literal_column(str(n)) for n in range(1, 6)))
        conn.execute(_count.insert().from_select(["pipeline", "day", "hour", "kind", "reason", "n"], counted))


def _time(dialect: str, at: Any) -> tuple[Any, Any, Any]:
    """Day and hour (UTC) of a time, and the first day of which hours are kept."""
    if dialect == "sqlite":
        begin = sa.func.date(text("now"), text(f"-{DAYS_BY_HOUR} days"))
        return sa.func.substr(at, 1, 10), sa.cast(sa.func.substr(at, 12, 2), sa.Integer), begin
    utc, form = sa.func.timezone(text("UTC"), at), text("YYYY-MM-DD")
    begin = sa.func.to_char(
        sa.func.timezone(text("UTC"), sa.func.now()) - sa.text(f"interval '{DAYS_BY_HOUR} days'"), form
    )
    return sa.func.to_char(utc, form), sa.cast(sa.extract("hour", utc), sa.Integer), begin


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
