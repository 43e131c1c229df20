"""Durability, migrations, and troubles of the database told in our own errors."""

from __future__ import annotations

import os
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from order_relay.errors import ConfigurationError, TransientError
from order_relay.ledger import Ledger, migrate
from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.store import database
from order_relay.ledger.store.database import Database
from order_relay.ledger.store.migrate import VERSION_TABLE


def test_migrations_make_exactly_the_tables_of_the_code(ledger_url):
    db = Database(ledger_url)
    with db.engine.connect() as conn:
        context = MigrationContext.configure(conn, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []
        sql = {row.name: row for row in conn.execute(_indexes(conn.dialect.name))}
    assert "sending" in sql["uq_submission_lineage"].definition, "the lineage index is partial"
    assert "UNIQUE" in sql["uq_submission_lineage"].definition
    db.close()


def _indexes(kind):
    if kind == "sqlite":
        return sa.text("SELECT name, sql AS definition FROM sqlite_master WHERE type = 'index'")
    return sa.text("SELECT indexname AS name, indexdef AS definition FROM pg_indexes")


def test_migrating_again_and_from_several_places_is_harmless(tmp_path):
    url = f"sqlite:///{tmp_path / 'new.sqlite'}"
    _migrate_at_once(url)
    Ledger.open(url).close()


def test_postgres_migrates_once_from_several_places(postgres_cluster):
    postgres_cluster.admin("CREATE DATABASE from_several_places")
    url = postgres_cluster.url("from_several_places")
    _migrate_at_once(url)
    Ledger.open(url).close()
    postgres_cluster.admin("DROP DATABASE from_several_places WITH (FORCE)")


def _migrate_at_once(url):
    errors = []

    def one():
        try:
            migrate(url)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_ledger_without_tables_names_the_next_step(tmp_path):
    with pytest.raises(ConfigurationError, match="ledger migrate"):
        Ledger.open(f"sqlite:///{tmp_path / 'empty.sqlite'}")


def test_a_ledger_of_a_newer_program_is_refused(ledger_url):
    db = Database(ledger_url)
    with db.engine.begin() as conn:
        conn.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    db.close()
    with pytest.raises(ConfigurationError, match="update Order Relay"):
        Ledger.open(ledger_url)
    with pytest.raises(ConfigurationError, match="update Order Relay"):
        migrate(ledger_url)


def test_commits_survive_a_power_cut(ledger_url):
    db = Database(ledger_url)
    db.assert_durable()
    with db.engine.connect() as conn:
        if conn.dialect.name == "sqlite":
            assert conn.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert conn.exec_driver_sql("PRAGMA synchronous").scalar() == 2
            assert conn.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        else:
            assert conn.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    db.close()


def test_postgres_without_synchronous_commit_is_refused(postgres_url):
    with pytest.raises(ConfigurationError, match="synchronous_commit=off"):
        Ledger.open(f"{postgres_url}&options=-csynchronous_commit%3Doff")


def test_sqlite_without_full_sync_is_refused(sqlite_url, monkeypatch):
    def lazy(raw, _record):
        raw.isolation_level = None
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=NORMAL")

    monkeypatch.setattr(database, "_set_up_sqlite", lazy)
    with pytest.raises(ConfigurationError, match="FULL"):
        Ledger.open(sqlite_url)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://h/d", "nonsense"])
def test_other_databases_are_refused(url):
    with pytest.raises(ConfigurationError):
        Ledger.open(url)


def test_a_write_rolls_back_whole(ledger, driver):
    def half(tx):
        tx.run(sa.text("UPDATE pipeline SET last_sequence = 77"))
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        ledger.database.write(half)
    assert ledger.runs.last_sequence("shop_to_oms") == 1


def test_a_read_is_one_snapshot_and_cannot_write(ledger, driver):
    def read(tx):
        before = tx.run(sa.text("SELECT last_sequence FROM pipeline")).scalar()
        ledger.runs.advance_sequence("shop_to_oms")
        return before, tx.run(sa.text("SELECT last_sequence FROM pipeline")).scalar()

    before, after = ledger.database.read(read)
    assert before == after


def test_a_locked_sqlite_ledger_is_tried_later(sqlite_url, monkeypatch):
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    ledger = Ledger.open(sqlite_url)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TransientError, match="locked"):
        ledger.runs.bind("p", "a", "b")
    other.execute("ROLLBACK")
    other.close()
    ledger.runs.bind("p", "a", "b")
    ledger.close()


def test_a_user_who_may_only_read_is_a_wrong_setup(postgres_cluster, postgres_url):
    db = Database(postgres_url)
    with db.engine.begin() as conn:
        conn.exec_driver_sql("CREATE ROLE reader LOGIN")
        conn.exec_driver_sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    ledger = Ledger.open(postgres_url.replace("//relay@", "//reader@"))
    with pytest.raises(ConfigurationError, match="read-only"):
        ledger.runs.bind("p", "a", "b")
    ledger.close()
    with db.engine.begin() as conn:
        conn.exec_driver_sql("DROP OWNED BY reader")
        conn.exec_driver_sql("DROP ROLE reader")
    db.close()


def test_a_sqlite_ledger_that_may_only_be_read_is_a_wrong_setup(sqlite_url):
    ledger = Ledger.open(sqlite_url)

    def write(tx):
        tx.conn.exec_driver_sql("PRAGMA query_only=ON")
        tx.conn.exec_driver_sql("UPDATE pipeline SET last_sequence = 0")

    with pytest.raises(ConfigurationError, match="read-only"):
        ledger.database.write(write)
    ledger.close()


def test_an_unreachable_server_is_tried_later(tmp_path):
    with pytest.raises(TransientError):
        Ledger.open(f"postgresql://nobody@/nothing?host={tmp_path}")


def test_a_damaged_file_is_reported(tmp_path):
    path = tmp_path / "damaged.sqlite"
    path.write_bytes(b"this is no database" * 400)
    with pytest.raises(ConfigurationError, match="damaged"):
        Ledger.open(f"sqlite:///{path}")


def test_errors_carry_no_order_data(ledger):
    with pytest.raises(sa.exc.DBAPIError) as caught:
        ledger.database.write(
            lambda tx: tx.run(
                sa.text("INSERT INTO event (submission_id, why) VALUES (:n, :why)"), {"n": 1, "why": "Jane Customer"}
            )
        )
    assert "Jane" not in str(caught.value).split("DETAIL")[0]


def test_the_clock_is_the_database_s(ledger):
    moment = ledger.database.read(lambda tx: tx.now)
    assert moment.tzinfo is UTC
    assert abs(moment - datetime.now(UTC)) < timedelta(seconds=5)


def test_naive_times_are_not_stored(ledger, driver):
    with pytest.raises(Exception, match="without a time zone"):
        driver.receive(fetched_at=datetime(2026, 1, 1))  # noqa: DTZ001


def test_sqlite_files_are_where_they_should_be(sqlite_url):
    assert os.access(Path(sqlite_url.removeprefix("sqlite:///")), os.W_OK)
