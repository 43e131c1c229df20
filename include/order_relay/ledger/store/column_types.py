"""Column types and sets of keys that behave the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from order_relay.times import as_utc


class UtcTime(sa.TypeDecorator[datetime]):
    """Aware UTC times. SQLite stores them as text of fixed width, so that comparison follows time."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """Refuse naive times; convert to UTC. Caches the last value, since a transaction writes few different times."""
        as_text = dialect.name == "sqlite"
        last: tuple[Any, Any] = (None, None)

        def process(value: datetime | None) -> Any:
            nonlocal last
            seen, stored = last
            if value is seen:
                return stored
            if value is None:
                return None
            if value.tzinfo is None:
                raise ValueError("a time without a time zone cannot be stored")
            moment = value.astimezone(UTC)
            stored = f"{moment:%Y-%m-%d %H:%M:%S.%f}" if as_text else moment
            last = (value, stored)
            return stored

        return process

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return aware UTC."""
        return None if value is None else as_utc(value)


BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""Primary keys: SQLite assigns ids only if the type is exactly INTEGER."""


class _Keys(sa.TypeDecorator[Any]):
    """A set of keys as one bound value: a JSON array on SQLite, an array on PostgreSQL."""

    impl = sa.Text
    cache_ok = True
    item: Any = sa.BigInteger()

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.ARRAY(self.item))
        return dialect.type_descriptor(sa.Text())

    def process_bind_param(self, value: Iterable[Any] | None, dialect: Dialect) -> Any:
        keys = list(value or ())
        return keys if dialect.name == "postgresql" else json.dumps(keys)


class NumberKeys(_Keys):
    """A set of row ids."""

    cache_ok = True


class TextKeys(_Keys):
    """A set of texts."""

    cache_ok = True
    item = sa.Text()


class _Among(sa.ColumnElement[bool]):
    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - SQLAlchemy's own protocol for cache keys
        ("column", sa.sql.visitors.InternalTraversal.dp_clauseelement),
        ("keys", sa.sql.visitors.InternalTraversal.dp_clauseelement),
    ]
    type = sa.Boolean()

    def __init__(self, column: sa.ColumnElement[Any], keys: sa.ColumnElement[Any]) -> None:
        self.column = column
        self.keys = keys

    def self_group(self, against: Any = None) -> Any:
        """Unchanged: on SQLite, SQLAlchemy would append ``= 1``, which prevents the use of an index."""
        return self


@compiles(_Among, "sqlite")
def _among_sqlite(element: _Among, compiler: SQLCompiler, **kw: Any) -> str:
    column, keys = compiler.process(element.column, **kw), compiler.process(element.keys, **kw)
    return f"{column} IN (SELECT value FROM json_each({keys}))"  # noqa: S608 - compiled clauses, no values


@compiles(_Among, "postgresql")
def _among_postgresql(element: _Among, compiler: SQLCompiler, **kw: Any) -> str:
    column, keys = compiler.process(element.column, **kw), compiler.process(element.keys, **kw)
    return f"{column} = ANY({keys})"


class _AmongSelected(_Among):
    inherit_cache = True


@compiles(_AmongSelected, "sqlite")
def _among_selected_sqlite(element: _AmongSelected, compiler: SQLCompiler, **kw: Any) -> str:
    return f"{compiler.process(element.column, **kw)} IN {compiler.process(element.keys, **kw)}"


@compiles(_AmongSelected, "postgresql")
def _among_selected_postgresql(element: _AmongSelected, compiler: SQLCompiler, **kw: Any) -> str:
    return f"{compiler.process(element.column, **kw)} = ANY(ARRAY{compiler.process(element.keys, **kw)})"


class _NotAmong(_Among):
    inherit_cache = True


@compiles(_NotAmong)
def _not_among(element: _NotAmong, compiler: SQLCompiler, **kw: Any) -> str:
    return f"NOT ({compiler.process(_Among(element.column, element.keys), **kw)})"


def not_among(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """``column`` is none of the keys bound under ``name``."""
    kind = TextKeys() if isinstance(column.type, sa.String) else NumberKeys()
    return _NotAmong(column, sa.bindparam(name, type_=kind))


def among(column: sa.ColumnElement[Any], name: str, keys: Iterable[Any] | None = None) -> sa.ColumnElement[bool]:
    """``column`` is one of the keys bound under ``name``; one bound value for any number of keys.

    ``keys``: the keys, if they are not given with the statement's values.
    """
    kind = TextKeys() if isinstance(column.type, sa.String) else NumberKeys()
    found = sa.bindparam(name, type_=kind) if keys is None else sa.bindparam(name, list(keys), type_=kind)
    return _Among(column, found)


def among_selected(column: sa.ColumnElement[Any], keys: sa.Select[Any]) -> sa.ColumnElement[bool]:
    """``column`` is one of the few keys that a subquery selects, which does not refer to the statement around it.

    PostgreSQL reads the keys first and looks them up in an index. It would join ``IN (SELECT ...)`` and, in a table
    whose statistics are out of date, read all of its rows.
    """
    return _AmongSelected(column, keys.scalar_subquery())
