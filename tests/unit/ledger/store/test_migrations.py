"""The quick look at the migrations; both kinds of databases are tried in tests/integration/ledger."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.store import migrate
from order_relay.ledger.store.database import Database

FOLDER = Path(migrate.__file__).parent / "migrations"


def test_the_migrations_are_one_chain_that_ends_in_one_head() -> None:
    scripts = ScriptDirectory(str(FOLDER))
    revisions = list(scripts.walk_revisions())
    assert len(scripts.get_heads()) == len(scripts.get_bases()) == 1
    assert len({revision.down_revision for revision in revisions}) == len(revisions), "no two follow the same one"
    assert len(revisions) == len(list((FOLDER / "versions").glob("[!_]*.py"))), "no two files have one number"


def test_revisions_are_the_numbers_of_the_files() -> None:
    scripts = ScriptDirectory(str(FOLDER))
    files = {Path(revision.path).name: revision.revision for revision in scripts.walk_revisions()}
    assert {name: name[1:5] for name in files} == files
    assert migrate.head() == scripts.get_current_head()


def test_migrations_make_exactly_the_tables_of_the_code(sqlite_url: str) -> None:
    with closing(Database(sqlite_url)) as database, database.engine.connect() as conn:
        options = {"version_table": migrate.VERSION_TABLE, "compare_type": True}
        assert compare_metadata(MigrationContext.configure(conn, opts=options), metadata) == []
