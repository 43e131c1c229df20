"""The rows of all tables, read as fast as each kind of database can: PostgreSQL writes JSON itself, SQLite hands over
plain values. A row is a list of JSON values in the order of its table's columns; times are ISO 8601 in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.store.column_types import UtcTime

Rows = Iterable[tuple[str, list[Any]]]
"""Rows with the names of their tables, all of a table together."""

_CHUNK = 1_000


def times(table: sa.Table) -> list[int]:
    """The positions of a table's columns with times."""
    return [place for place, column in enumerate(table.columns) if isinstance(column.type, UtcTime)]


def dump_lines(conn: Connection) -> Iterator[tuple[str, bytes]]:
    """Every row of the snapshot as ``[table, {column: value}]`` in JSON, with its newline; also the table's name."""
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql("SET LOCAL TimeZone = 'UTC'")
        for table in metadata.sorted_tables:
            yield from ((str(table.name), line) for line in _postgres_lines(conn, table))
        return
    encode = msgspec.json.Encoder().encode
    names = {table.name: [str(column.name) for column in table.columns] for table in metadata.sorted_tables}
    for name, values in sqlite_rows(conn):
        yield name, encode((name, dict(zip(names[name], values, strict=True)))) + b"\n"


def _postgres_lines(conn: Connection, table: sa.Table) -> Iterator[bytes]:
    """``COPY`` in a form that leaves JSON as it is: JSON contains none of the characters that CSV would quote."""
    columns, keys = (", ".join(f'"{column.name}"' for column in some) for some in (table.columns, table.primary_key))
    rows = f"SELECT {columns} FROM {table.name} ORDER BY {keys}"  # noqa: S608 - our names
    query = f"SELECT json_build_array('{table.name}', row_to_json(t)) FROM ({rows}) t"  # noqa: S608 - our names
    form = "FORMAT csv, DELIMITER E'\\x02', QUOTE E'\\x01'"
    raw: Any = conn.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT ({form})") as copy:
        yield from map(bytes, copy)


def sqlite_rows(conn: Connection) -> Iterator[tuple[str, list[Any]]]:
    """Every row of the snapshot."""
    for table in metadata.sorted_tables:
        shown = ", ".join(
            f"\"{column.name}\" || '+00:00'" if isinstance(column.type, UtcTime) else f'"{column.name}"'
            for column in table.columns
        )
        keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
        flags = [place for place, column in enumerate(table.columns) if isinstance(column.type, sa.Boolean)]
        raw: Any = conn.connection.driver_connection
        cursor = raw.execute(f"SELECT {shown} FROM {table.name} ORDER BY {keys}")  # noqa: S608 - our names
        while chunk := cursor.fetchmany(_CHUNK):
            for row in chunk:
                values = list(row)
                for place in flags:
                    values[place] = None if values[place] is None else bool(values[place])
                yield str(table.name), values


class LineReader:
    """Reads the rows of a dump."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder().decode
        self._names = {name: [str(column.name) for column in table.columns] for name, table in metadata.tables.items()}

    def row(self, line: bytes) -> tuple[str, list[Any]]:
        """The row of a line; a missing column is null. Raises ``KeyError`` for an unknown table."""
        name, values = self._decode(line)
        return name, [values.get(column) for column in self._names[name]]
