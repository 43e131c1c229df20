"""Positive controls: which orders they are, and that finding them costs the same however many were imported."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from order_relay.ledger import Ledger
from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.store.database import Database
from tests.support.ledger_rows import IMPORTED

ROWS = 8000


def _filled(url: str, newest: datetime) -> None:
    """Orders at two destinations, each imported a minute after the one before."""
    blank = {**IMPORTED, "total_minor": 1000}
    database = Database(url)
    with database.engine.begin() as conn:
        conn.execute(
            metadata.tables["pipeline"].insert(),
            {
                "name": "p",
                "source_account": "s",
                "destination_account": "d0",
                "bound_at": newest,
                "last_sequence": 0,
                "unproven": False,
            },
        )
        conn.execute(
            metadata.tables["submission"].insert(),
            [
                {
                    **blank,
                    "id": n,
                    "source_id": str(n),
                    "lineage": f"L{n}",
                    "destination_key": str(n),
                    "oms_id": str(n),
                    "destination": f"d{n % 2}",
                    "imported_at": at,
                    "changed_at": at,
                    "first_offered_at": at,
                    "last_offered_at": at,
                }
                for n in range(ROWS)
                for at in [newest - timedelta(minutes=n)]
            ],
        )
        conn.execute(sa.text("ANALYZE"))
    database.close()


def test_they_are_found_by_an_index(ledger_url: str) -> None:
    """Asked of the database's own planner; the newest that must be shown by now, and older ones."""
    _filled(ledger_url, datetime.now(UTC))
    ledger = Ledger.open(ledger_url)
    plans: list[str] = []

    def explain(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        if "submission" in statement and not statement.startswith("EXPLAIN"):
            word = "EXPLAIN QUERY PLAN " if conn.dialect.name == "sqlite" else "EXPLAIN "
            plans.append("\n".join(str(row) for row in conn.exec_driver_sql(word + statement, parameters)))

    sa.event.listen(ledger.database.engine, "after_cursor_execute", explain)
    found = ledger.lookups.positive_controls("d0", [str(n) for n in range(16, 200)], shown_after_s=900)
    none = ledger.lookups.positive_controls("d9", [], shown_after_s=900)
    sa.event.remove(ledger.database.engine, "after_cursor_execute", explain)
    ledger.close()
    assert none == []
    first, second, third = (int(control.key) for control in found)
    assert first == 200, "the newest that is 15 minutes old and not asked about"
    assert abs(third - 24 * 60 - 15) <= 2
    assert second == ROWS - 2, "none is a week old: the oldest"
    assert len(plans) >= 4
    for plan in plans:
        assert "ix_submission_imported" in plan, plan
        assert "SCAN submission" not in plan, plan
        assert "Seq Scan on submission" not in plan, plan
        assert "Sort" not in plan, plan
        assert "TEMP B-TREE" not in plan, plan
