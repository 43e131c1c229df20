"""Fills all tables in one transaction: without their indexes, which are built afterwards as they were defined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from order_relay.iteration import batched
from order_relay.ledger.backups.rows import Rows, times
from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.store.database import Transaction

_CHUNK = 1_000

_SQLITE_INDEXES = "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
_POSTGRES_INDEXES = """
SELECT c.relname, i.relname, pg_get_indexdef(x.indexrelid)
FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
WHERE c.relnamespace = current_schema()::regnamespace
  AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))
"""
_POSTGRES_FOREIGN_KEYS = """
SELECT c.relname, k.conname, pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE k.contype = 'f' AND c.relnamespace = current_schema()::regnamespace
"""


def replace_all(tx: Transaction, rows: Rows, done: Callable[[int], None]) -> dict[str, int]:
    """Replace the contents of all tables; the number of rows by table. All or nothing, as the transaction is.

    ``done`` gets the number of rows inserted since its last call.
    """
    counts = Counter(dict.fromkeys(metadata.tables, 0))
    postgres = tx.conn.dialect.name == "postgresql"
    load = _copy if postgres else _insert
    with _without_indexes(tx.conn):
        if postgres:
            tx.conn.exec_driver_sql(f"TRUNCATE {', '.join(metadata.tables)}")
        else:
            for table in reversed(metadata.sorted_tables):
                tx.run(table.delete())
        for name, of_table in groupby(rows, key=itemgetter(0)):
            for chunk in load(tx.conn, metadata.tables[name], (values for _, values in of_table)):
                counts[name] += chunk
                done(chunk)
    if postgres:
        _advance_sequences(tx)
        tx.conn.exec_driver_sql(f"ANALYZE {', '.join(metadata.tables)}")
    return dict(counts)


@contextmanager
def _without_indexes(conn: Connection) -> Iterator[None]:
    """Indexes other than those of constraints are dropped, and built again; so are PostgreSQL's foreign keys."""
    if conn.dialect.name == "sqlite":
        conn.exec_driver_sql("PRAGMA cache_size=-131072")  # 128 MiB, until the connection is closed
        indexes, keys = _ours(conn, _SQLITE_INDEXES), []
    else:
        conn.exec_driver_sql("SET LOCAL maintenance_work_mem = '256MB'")
        indexes, keys = _ours(conn, _POSTGRES_INDEXES), _ours(conn, _POSTGRES_FOREIGN_KEYS)
    for table, name, _ in keys:
        conn.exec_driver_sql(f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}"')
    for _, name, _ in indexes:
        conn.exec_driver_sql(f'DROP INDEX "{name}"')
    yield
    for _, _, definition in indexes:
        conn.exec_driver_sql(definition)
    for table, name, definition in keys:
        conn.exec_driver_sql(f'ALTER TABLE "{table}" ADD CONSTRAINT "{name}" {definition}')


def _ours(conn: Connection, query: str) -> list[tuple[str, str, str]]:
    """Table, name and definition of what belongs to the ledger's tables: others may use the same database."""
    found = conn.exec_driver_sql(query).all()
    return [(table, name, definition) for table, name, definition in found if table in metadata.tables]


def _copy(conn: Connection, table: sa.Table, rows: Iterable[list[Any]]) -> Iterator[int]:
    raw: Any = conn.connection.driver_connection
    columns = _columns(table)
    with raw.cursor() as cursor, cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:
        for chunk in batched(rows, _CHUNK):
            for row in chunk:
                copy.write_row(row)
            yield len(chunk)


def _insert(conn: Connection, table: sa.Table, rows: Iterable[list[Any]]) -> Iterator[int]:
    places = ", ".join("?" * len(table.columns))
    moments = times(table)
    raw: Any = conn.connection.driver_connection
    for chunk in batched(rows, _CHUNK):
        for row in chunk:
            for place in moments:
                row[place] = _sqlite_time(row[place])
        raw.executemany(f"INSERT INTO {table.name} ({_columns(table)}) VALUES ({places})", chunk)  # noqa: S608 - our names
        yield len(chunk)


def _columns(table: sa.Table) -> str:
    """The columns by name: a table that was altered has them in another order."""
    return ", ".join(f'"{column.name}"' for column in table.columns)


def _sqlite_time(text: str | None) -> str | None:
    """A time as ``UtcTime`` stores it: text of fixed width."""
    if text is None:
        return None
    if text.endswith("+00:00") and text[10] == "T":
        return f"{text[:10]} {text[11:19]}{(text[19:-6] or '.').ljust(7, '0')}"
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"


def _advance_sequences(tx: Transaction) -> None:
    """Move PostgreSQL's sequences past the inserted ids; inserts with an id do not advance them."""
    for table in metadata.sorted_tables:
        key = table.primary_key.columns.values()[0]
        if key.name != "id":
            continue
        sequence = sa.func.pg_get_serial_sequence(table.name, "id")
        highest = sa.select(sa.func.coalesce(sa.func.max(key), 1)).scalar_subquery()
        tx.run(sa.select(sa.func.setval(sequence, sa.func.greatest(highest, sa.func.nextval(sequence)))))
