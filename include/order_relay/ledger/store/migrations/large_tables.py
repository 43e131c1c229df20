"""For migrations of tables that grow with history: their long part runs beside tasks that send orders.

A migration that builds an index on one of ``LARGE``, or fills a column of it, defines ``prepare(large)`` beside
``upgrade()``. It runs first, outside of the migration's transaction and while the revision is still the earlier one;
it may be interrupted at any point and is then repeated, so its steps must be harmless to repeat. ``upgrade()`` is one
short transaction that takes over what was prepared, and does all of the work for a new ledger, which is not prepared::

    def prepare(large: LargeTables) -> None:
        large.create_index("ix_event_who", "event", ["who", "id"])
        large.fill("event", "UPDATE event SET kind = 'x' WHERE kind IS NULL AND id > :first AND id <= :last")


    def upgrade() -> None:
        op.create_index("ix_event_who", "event", ["who", "id"], if_not_exists=True)

New columns are nullable, or have a constant default: PostgreSQL would rewrite the table for others.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

LARGE = frozenset(
    {"submission", "event", "attempt", "lookup", "batch", "run", "feedback", "shipment", "shipment_line"}
    | {"status_event", "status_order", "operator_action", "oms_status", "settlement"}
)
"""Tables that grow with history."""

PORTION = 10_000
"""Ids per transaction of ``LargeTables.fill``."""

_INVALID = sa.text(
    "SELECT 1 FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid"
    " WHERE c.relname = :name AND c.relnamespace = current_schema()::regnamespace AND NOT x.indisvalid"
)


class LargeTables:
    """The tables of a ledger in use. Each step is a transaction of its own, or several."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create_index(self, name: str, table: str, columns: Sequence[str], *, where: str = "") -> None:
        """Build an index while others write to the table; nothing if it exists.

        PostgreSQL only: SQLite has one writer at a time, so that ``upgrade()`` builds the index, about a second per
        million rows. ``columns`` may be expressions.
        """
        if self._engine.dialect.name != "postgresql":
            return
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            if conn.execute(_INVALID, {"name": name}).scalar():  # left by an interrupted attempt
                conn.exec_driver_sql(f'DROP INDEX CONCURRENTLY "{name}"')
            condition = f" WHERE {where}" if where else ""
            conn.exec_driver_sql(
                f'CREATE INDEX CONCURRENTLY IF NOT EXISTS "{name}" ON {table} ({", ".join(columns)}){condition}'
            )

    def fill(self, table: str, statement: str) -> None:
        """Execute ``statement`` for portions of the table's ids, ``:first`` to ``:last``, each in one transaction.

        The table ``order_relay_fill`` records where to resume; the last portion removes it. Rows that are added
        meanwhile are filled too, or not: the earlier program writes them, so ``upgrade()`` fills these few.
        """
        done, newest = self._begin(table)
        while done < newest:
            last = min(done + PORTION, newest)
            with self._engine.begin() as conn:
                conn.execute(sa.text(statement), {"first": done, "last": last})
                conn.execute(sa.text("UPDATE order_relay_fill SET done = :last"), {"last": last})
            done = last
        with self._engine.begin() as conn:
            conn.exec_driver_sql("DROP TABLE order_relay_fill")

    def _begin(self, table: str) -> tuple[int, int]:
        with self._engine.begin() as conn:
            conn.exec_driver_sql("CREATE TABLE IF NOT EXISTS order_relay_fill (done BIGINT NOT NULL)")
            done = conn.exec_driver_sql("SELECT done FROM order_relay_fill").scalar()
            if done is None:
                conn.exec_driver_sql("INSERT INTO order_relay_fill (done) VALUES (0)")
            newest = conn.exec_driver_sql(f"SELECT max(id) FROM {table}").scalar()  # noqa: S608 - our names
        return int(done or 0), int(newest or 0)


def has_index(conn: Connection, name: str, table: str) -> bool:
    """Whether ``prepare`` built this index."""
    return any(index["name"] == name for index in sa.inspect(conn).get_indexes(table))
