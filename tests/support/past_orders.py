"""Ledgers with a past: imported orders, events, attempts, batches and runs, written by the database itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import sqlalchemy as sa

from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.store.database import Database
from order_relay.ledger.store.migrations.versions.v0022_order_trends import count_again
from tests.support.ledger_rows import IMPORTED

DAYS = 365
ORDERS_PER_RUN = 300
_OPEN = 40  # of each: held, quarantined, rejected
_NUMBERS = "WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {count})"


def write_past(url: str, name: str, orders: int, *, source: str, destination: str) -> None:
    """Fill a migrated, empty ledger: ``orders`` imported and acknowledged over the last year, and some open ones.

    Ends with the statistics that autovacuum keeps on PostgreSQL; SQLite has none, as in production.
    """
    database = Database(url)
    start = datetime.now(UTC) - timedelta(days=DAYS)
    try:
        with database.engine.begin() as conn:
            conn.execute(
                metadata.tables["pipeline"].insert(),
                {
                    "name": name,
                    "source_account": source,
                    "destination_account": destination,
                    "bound_at": start,
                    "last_sequence": orders // ORDERS_PER_RUN + 2,
                    "unproven": False,
                },
            )
            for statement in _statements(conn.dialect.name, name, orders, start, destination):
                conn.execute(sa.text(statement.replace(":", r"\:")))
            count_again(conn)
        if database.engine.name == "postgresql":
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
                conn.exec_driver_sql("VACUUM ANALYZE")
    finally:
        database.close()


def _statements(dialect: str, name: str, orders: int, start: datetime, destination: str) -> list[str]:
    step_s = DAYS * 86_400 / (orders + 1)
    begin = f"{start:%Y-%m-%d %H:%M:%S}"
    if dialect == "sqlite":
        at = f"strftime('%Y-%m-%d %H:%M:%S.000000', '{begin}', (i * {step_s}) || ' seconds')"
    else:
        at = f"(timestamptz '{begin}+00' + i * {step_s} * interval '1 second')"
    run = f"'r' || (i / {ORDERS_PER_RUN})"
    columns = {
        **{column: _literal(value) for column, value in IMPORTED.items()},
        "pipeline": f"'{name}'",
        "id": "i",
        "source_id": "'S' || i",
        "lineage": "'L' || i",
        "order_number": "'N' || i",
        "base_number": "'N' || i",
        "batch_id": f"'b' || (i / {ORDERS_PER_RUN})",
        "customer_po": f"CASE WHEN i > {orders * 3 // 4} THEN 'PO' || i ELSE '' END",
        "customer_number": "''",
        "state": f"CASE WHEN i % {max(3, orders // _OPEN)} = 0 THEN 'held' WHEN i % {max(3, orders // _OPEN)} = 1 "
        f"THEN 'quarantined' WHEN i % {max(3, orders // _OPEN)} = 2 THEN 'rejected' ELSE 'imported' END",
        "first_offered_at": at,
        "last_offered_at": at,
        "changed_at": at,
        "first_sent_at": at,
        "total_minor": "1000",
    }
    settled = {
        "destination": f"'{destination}'",
        "destination_key": "'K' || i",
        "oms_id": "'O' || i",
        "imported_at": at,
        "ack": "'confirmed'",
        "ack_at": at,
    }
    numbers = _NUMBERS.format(count=orders)

    def insert(table: str, values: dict[str, str], rows: str = "numbers", where: str = "true") -> str:
        body = f"SELECT {', '.join(values.values())} FROM {rows} WHERE {where}"
        return f"INSERT INTO {table} ({', '.join(values)}) {numbers} {body}"

    event = {"submission_id": "i", "at": at, "run": run, "who": "''", "why": "''"}
    steps = ("", "received", "ready", "sending", "imported")
    runs = _NUMBERS.format(count=orders // ORDERS_PER_RUN + 1)
    times = at.replace("i *", f"i * {ORDERS_PER_RUN} *", 1)
    found = [
        insert("submission", columns | settled),
        "UPDATE submission SET ack = NULL, oms_id = NULL, imported_at = NULL, destination_key = NULL "
        "WHERE state <> 'imported'",
        *(
            insert("event", {**event, "from_state": f"'{old}'", "to_state": f"'{new}'", "revision": str(n)})
            for n, (old, new) in enumerate(pairwise(steps), 1)
        ),
        "INSERT INTO event (submission_id, from_state, to_state, revision, at, run, who, why) "
        "SELECT id, 'received', state, 6, changed_at, 'r0', '', '' FROM submission WHERE state <> 'imported'",
        insert(
            "attempt",
            {
                "submission_id": "i",
                "number": "1",
                "run": run,
                "owner": "''",
                "fingerprint": "''",
                "payload_name": "''",
                "payload_row": "0",
                "sent_at": at,
                "send_before": at,
                "settled_at": at,
                "outcome": "'imported'",
                "status": "201",
                "code": "''",
                "message": "''",
                "body": f"CASE WHEN i > {orders * 3 // 4} THEN '{{}}' ELSE '(removed by retention)' END",
                "oms_id": "'O' || i",
            },
        ),
        "UPDATE attempt SET oms_id = NULL WHERE submission_id IN (SELECT id FROM submission WHERE state <> 'imported')",
    ]
    finished = {
        "submission_id": "id",
        "pipeline": "pipeline",
        "received": "'SHIPPED'",
        "reading": "'shipped'",
        "cancelled": "'[]'",
        "misses": "0",
        "problem": "''",
        **dict.fromkeys(("changed_at", "asked_at", "answered_at", "finished_at"), "imported_at"),
    }
    names, values = ", ".join(finished), ", ".join(finished.values())
    found.append(f"INSERT INTO oms_status ({names}) SELECT {values} FROM submission WHERE state = 'imported'")
    batch = {
        "pipeline": f"'{name}'",
        "batch_id": "'b' || (i - 1)",
        "manifest_name": "''",
        "records": str(ORDERS_PER_RUN),
        "complete": "true",
        "fetched_at": times,
        "received_at": times,
        "run": "'r' || (i - 1)",
        "counts": "'{}'",
    }
    past_run = {
        "pipeline": f"'{name}'",
        "run": "'r' || (i - 1)",
        "sequence": "i",
        "kind": "'run'",
        "who": "''",
        "started_at": times,
        "ended_at": times,
        "facts": "'{}'",
    }
    return [
        *found,
        insert("batch", batch).replace(numbers, runs),
        insert("run", past_run).replace(numbers, runs),
        *(
            [
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
                for table in ("submission",)
            ]
            if dialect == "postgresql"
            else []
        ),
    ]


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else f"'{value}'"
