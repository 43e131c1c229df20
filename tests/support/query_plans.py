"""Finds statements that read the past: asks the database's planner for each statement that the product issues.

``statements_read_no_past`` watches each test of the ledger. The first time that one of its statements is executed, its
plan is read from the same database; the test fails if the plan reads all of a table that grows with history. The tables
are nearly empty then: that decides nothing on SQLite, and on PostgreSQL sequential scans are switched off, so that one
remains only where no index can answer. ``tests/integration/ledger/test_query_plans.py`` asks again with many rows.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from order_relay.ledger import ledger as _whole_schema  # all tables
from order_relay.ledger.schema.tables import metadata

GROWING = frozenset(
    {"submission", "event", "attempt", "lookup", "refusal", "settlement", "batch", "run", "feedback", "shipment"}
    | {"status_event", "status_order", "operator_action", "order_attention", "correction", "oms_status"}
)
"""Tables that grow with history."""

_GROWING_INDEXES = frozenset(
    {"uq_submission_lineage", "ix_submission_oms_id", "ix_submission_imported", "ix_submission_confirmed"}
    | {
        "ix_submission_history",
        "ix_submission_reference",
        "ix_submission_base_number",
        "ix_submission_customer_po",
        "ix_oms_status_finished",
    }
)
SMALL_INDEXES = {
    index.name
    for table in metadata.tables.values()
    for index in table.indexes
    if index.dialect_options["sqlite"]["where"] is not None and index.name not in _GROWING_INDEXES
}
"""Partial indexes of what is open, or of the newest of each pipeline: reading one of them whole is no scan."""

READS_ALL: Mapping[str, str] = {
    r"^SELECT EXISTS \(SELECT \* \nFROM submission \nWHERE submission.pipeline = \S+\)": "stops at the first row",
    r"FROM run \nWHERE .* ORDER BY run.started_at DESC\n LIMIT": "stops after the newest rows",
    r"FROM shipment ORDER BY shipment.id DESC\s+LIMIT": "stops after the newest rows",
    r"AND submission.state = 'imported' ORDER BY submission.imported_at DESC\n LIMIT": "stops after the newest rows",
    r"FROM batch \nWHERE batch.pipeline = \S+ ORDER BY batch.fetched_at, ": "`report` compares the archived batches",
    r"^SELECT batch.batch_id, batch.fetched_at \n": "retention, daily: one row per batch",
    r"^SELECT run.run, run.started_at \n": "retention, daily: one row per run",
    r"AS value \nFROM submission \nWHERE submission.pipeline = \S+ ORDER BY \S+ \w+, submission.id \w+\n LIMIT": (
        "the list of orders: stops after the rows of a page"
    ),
    r"ORDER BY submission.imported_at\n LIMIT": "positive controls: stops at the first orders",
    r"FROM status_order ORDER BY coalesce\(": "`statuses` without a number lists the last changes",
}
"""Statements that may read everything, as regular expressions: why."""

READ_ALL: Mapping[str, str] = {
    "bulk_load.replace_all": "a restore replaces everything",
    "order_pages._few": "stops after as many orders as are counted exactly",
    "order_pages._first": "stops after the rows of a page",
    "versions._obsolete": "the open orders of a pipeline: few",
}
"""Functions that may read everything, as ``module.function``: why."""

_ONE_PER_PIPELINE = re.compile(r"\((pipeline|destination|account)=\?\)$")
_PACKAGE = str(Path(_whole_schema.__file__).parents[1])
_BELOW = (f"{_PACKAGE}/ledger/store/database.py", f"{_PACKAGE}/ledger/store/repository.py")


def is_permitted(statement: str) -> bool:
    """Whether a reason is written beside the statement."""
    return any(re.search(part, statement, re.DOTALL) for part in READS_ALL)


def sqlite_scans(lines: list[str], statement: str, values: Any = ()) -> list[str]:
    """The lines of ``EXPLAIN QUERY PLAN`` that read all of a growing table."""
    names = {alias: table for table, alias in re.findall(r"(\w+) AS (\w+)", statement)}
    found = []
    for line in lines:
        word, name = (*line.split(), "")[:2]
        if names.get(name, name) not in GROWING:
            continue
        index = re.search(r"INDEX (\w+)", line)
        by_state = "ix_submission_state (pipeline=? AND state=?)" in line
        settled = by_state and (
            name == "winner" or "source_cancelled_at IS NOT NULL" in statement or "imported" in values
        )
        whole = word == "SCAN" or _ONE_PER_PIPELINE.search(line) or settled
        if whole and not (index and index[1] in SMALL_INDEXES):
            found.append(line)
    return found


def _postgres_scans(node: Mapping[str, Any]) -> Iterator[str]:
    """The tables that a plan reads sequentially although it should not. Which index it takes says nothing yet."""
    if node["Node Type"] == "Seq Scan" and node["Relation Name"] in GROWING:
        yield f"Seq Scan of {node['Relation Name']}"
    if node["Node Type"] != "Limit":  # below, the first rows of a table
        for part in node.get("Plans", ()):
            yield from _postgres_scans(part)


class _Watch:
    """The statements of this process: those whose plans were read, and the scans that no test has reported yet."""

    def __init__(self) -> None:
        self.active = False
        self.seen: set[tuple[str, str]] = set()
        self.scans: list[str] = []

    def executed(self, conn: Any, cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        """Read the plan of a statement of the ledger when it is executed for the first time."""
        key = (conn.dialect.name, statement)
        if not self.active or key in self.seen:
            return
        self.seen.add(key)
        planned = statement.startswith(("SELECT", "WITH", "UPDATE", "DELETE")) or "SELECT" in statement[:2_000]
        origin = _origin() if planned and "EXPLAIN" not in statement[:8] else ""
        if not origin or origin in READ_ALL or is_permitted(statement):
            return
        bound = values[0] if many else values
        read = _sqlite_plan if conn.dialect.name == "sqlite" else _postgres_plan
        if lines := read(cursor.connection.cursor(), statement, bound):
            self.scans.append(f"{origin} ({conn.dialect.name}):\n{statement}\n{lines}")


def _sqlite_plan(cursor: Any, statement: str, values: Any) -> list[str]:
    rows = cursor.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
    return sqlite_scans([str(row[-1]) for row in rows], statement, values)


def _postgres_plan(cursor: Any, statement: str, values: Any) -> list[str]:
    cursor.execute("SET LOCAL enable_seqscan = off")
    (answer,) = cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", values).fetchone()
    cursor.execute("SET LOCAL enable_seqscan = on")
    plans = answer if isinstance(answer, list) else json.loads(answer)
    return list(_postgres_scans(plans[0]["Plan"]))


def _origin() -> str:
    """The function of the ledger that issued the statement, as ``module.function``; empty if it was none."""
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_PACKAGE) and file not in _BELOW:
            inside = Path(file).relative_to(_PACKAGE)
            outside = inside.parts[0] != "ledger" or "migrations" in inside.parts or inside.stem == "migrate"
            return "" if outside else f"{inside.stem}.{frame.f_code.co_name}"
        if "/tests/" in file and file != __file__:
            return ""
        frame = frame.f_back  # type: ignore[assignment]
    return ""


_watch = _Watch()
sa.event.listen(Engine, "after_cursor_execute", _watch.executed)


@pytest.fixture(autouse=True)
def statements_read_no_past() -> Iterator[None]:
    """The test fails if a statement that it was the first to execute reads all of a table that grows with history."""
    _watch.scans.clear()
    _watch.active = True
    yield
    _watch.active = False
    if _watch.scans:
        pytest.fail("\n\n".join(["statements that read the past; see tests/support/query_plans.py", *_watch.scans]))
