"""Migrations beside tasks that send orders: nothing long happens to a large table while it is locked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from order_relay.errors import TransientError
from order_relay.ledger import migrate as migrate_ledger
from order_relay.ledger.store import migrate
from order_relay.ledger.store.database import Database
from order_relay.ledger.store.migrations import large_tables
from order_relay.ledger.store.migrations.large_tables import LARGE, LargeTables, has_index

BEFORE_THE_RULE = frozenset(f"{number:04}" for number in range(1, 30)) - {"0024"}
"""Migrations that lock tables for as long as they read them; docs/operations.md says so."""

READS = re.compile(r"^(UPDATE|DELETE|INSERT|SELECT|WITH|LOCK)\b", re.IGNORECASE)
VALIDATES = re.compile(
    r"^ALTER TABLE (\w+) .*(SET NOT NULL|ADD (CONSTRAINT \w+ )?(FOREIGN KEY|CHECK|UNIQUE)|ADD PRIMARY)", re.S
)
_STORAGE = sa.text(
    "SELECT c.relname, c.relkind, coalesce(t.relname, c.relname), pg_relation_filenode(c.oid) FROM pg_class c"
    " LEFT JOIN pg_index x ON x.indexrelid = c.oid LEFT JOIN pg_class t ON t.oid = x.indrelid"
    " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'i')"
)


def storage(conn: Connection) -> dict[int, str]:
    """The files of large tables and of their indexes; a table that is rewritten gets another."""
    rows = conn.execute(_STORAGE).all()
    return {node: f"{name}, of {table}" for name, _, table, node in rows if table in LARGE}


@contextmanager
def recorded(engine: Engine) -> Iterator[list[str]]:
    found: list[str] = []

    def keep(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        found.append(statement.strip())

    sa.event.listen(engine, "before_cursor_execute", keep)
    yield found
    sa.event.remove(engine, "before_cursor_execute", keep)


def long_work(database: Database, name: str) -> list[str]:
    """What the migration does to large tables, with rows in them, within its transaction."""
    module = import_module(f"order_relay.ledger.store.migrations.versions.{name}")
    migrate.upgrade_to(database, module.down_revision)
    if prepare := getattr(module, "prepare", None):
        prepare(LargeTables(database.engine))
        prepare(LargeTables(database.engine))  # an interrupted one is repeated
    with database.engine.connect() as conn:
        existing = {table for table in sa.inspect(conn).get_table_names() if table in LARGE}
        before = storage(conn)
    with recorded(database.engine) as statements:
        migrate.upgrade_to(database, module.revision)
    with database.engine.connect() as conn:
        new = {name for node, name in storage(conn).items() if node not in before}
    found = [f"writes the files of {name}" for name in sorted(new) if name.rpartition(" ")[2] in existing]
    for statement in statements:
        named = {word for word in re.findall(r"\w+", statement) if word in existing}
        if named and (READS.match(statement) or VALIDATES.match(statement)) and "pg_catalog" not in statement:
            found.append(statement)
    return found


@pytest.fixture
def new_database(postgres_cluster: Any) -> Iterator[Database]:
    postgres_cluster.admin("CREATE DATABASE migrated")
    with closing(Database(postgres_cluster.url("migrated"))) as database:
        yield database
    postgres_cluster.admin("DROP DATABASE migrated WITH (FORCE)")


def test_new_migrations_do_nothing_long_to_large_tables(new_database: Database) -> None:
    found = {}
    for number, name in migrate._files().items():
        if number not in BEFORE_THE_RULE and (work := long_work(new_database, name)):
            found[name] = work
    assert found == {}, "see order_relay/ledger/store/migrations/large_tables.py"


def test_the_rule_notices_indexes_and_reads(new_database: Database) -> None:
    names = migrate._files()
    (index,) = [line for line in long_work(new_database, names["0021"]) if "ix_event_resolved" in line]
    assert index == "writes the files of ix_event_resolved, of event"
    assert any(line.startswith("LOCK TABLE submission") for line in long_work(new_database, names["0022"]))


def test_a_migration_gives_way_to_whoever_uses_the_table(
    new_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate.upgrade_to(new_database, "0023")
    url = new_database.url.render_as_string(hide_password=False)
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT_S", 0.02)
    monkeypatch.setattr(migrate, "_POLL_S", 0.01)
    monkeypatch.setattr(migrate, "_TRIES", 3)
    with closing(Database(url)) as other, other.engine.begin() as conn:
        conn.exec_driver_sql("SELECT count(*) FROM pipeline")  # a table that a migration changes
        with pytest.raises(TransientError):
            migrate_ledger(url)
    assert migrate_ledger(url) == migrate.head()


def test_a_new_index_replaces_one_that_was_left_half_built(new_database: Database) -> None:
    migrate.upgrade_to(new_database, "0023")
    with new_database.engine.begin() as conn:
        conn.exec_driver_sql("CREATE INDEX ix_event_who ON event (who)")
        conn.exec_driver_sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_event_who'::regclass")
    LargeTables(new_database.engine).create_index("ix_event_who", "event", ["who", "id"], where="who <> ''")
    with new_database.engine.connect() as conn:
        (index,) = [one for one in sa.inspect(conn).get_indexes("event") if one["name"] == "ix_event_who"]
        assert index["column_names"] == ["who", "id"]
        assert has_index(conn, "ix_event_who", "event")


def test_a_column_is_filled_in_portions_that_resume(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_tables, "PORTION", 2)
    action = sa.text(
        "INSERT INTO operator_action (id, pipeline, at, who, action, why)"
        " VALUES (:id, '', CURRENT_TIMESTAMP, '', '', :why)"
    )
    again = (
        "INSERT INTO ledger_mark (name, value) SELECT why, '' FROM operator_action WHERE id > :first AND id <= :last"
    )
    with closing(Database(ledger_url)) as database:
        with database.engine.begin() as conn:
            conn.execute(action, [{"id": number, "why": f"fill {min(number, 4)}"} for number in range(1, 7)])
        with pytest.raises(sa.exc.IntegrityError):  # in the third portion
            LargeTables(database.engine).fill("operator_action", again)
        with database.engine.begin() as conn:
            conn.exec_driver_sql("UPDATE operator_action SET why = 'fill ' || id")
        LargeTables(database.engine).fill("operator_action", again)
        with database.engine.connect() as conn:
            query = "SELECT name FROM ledger_mark WHERE name LIKE 'fill %' ORDER BY name"
            assert conn.execute(sa.text(query)).scalars().all() == [f"fill {number}" for number in range(1, 7)]
            assert "order_relay_fill" not in sa.inspect(conn).get_table_names()
