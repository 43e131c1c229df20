"""The code tables of a pipeline as operators see and change them, for the command line and the order desk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

import yaml

from order_relay.errors import ConfigurationError
from order_relay.ledger import Ledger
from order_relay.ledger.operators.code_tables import CodeTableRow, RowKey
from order_relay.orders.mapping.code_tables import TABLE_REASONS, effective_rows
from order_relay.orders.mapping.mapping_rules import CodeTables, normalize_words
from order_relay.orders.messages import RunContext
from order_relay.orders.payload.mapping_setup import table_names
from order_relay.orders.schema.validator import VendorFormat
from order_relay.orders.suggestions import suggest
from order_relay.pipeline.operators.replay import evaluate_archived
from order_relay.pipeline.settings.yaml import read_value
from order_relay.vendors import load_vendor
from order_relay.wiring.actions import ActionsParts, OperatorActions, require_reason
from order_relay.wiring.transformation import transform_settings

MAX_ORDERS = 1_000
"""Maximum refused orders that one call evaluates."""


class TableRow(NamedTuple):
    """An effective row. ``origin``: the file that gives it; empty if an operator made it, as ``made`` says."""

    key: str
    value: Any
    origin: str
    made: CodeTableRow | None = None


@dataclass(frozen=True, slots=True)
class TableSummary:
    """A table and its numbers of rows: all, and those that operators made."""

    table: str
    rows: int
    made: int


@dataclass(frozen=True, slots=True)
class RefusedCode:
    """A code that has no usable row, as orders have it; how many orders it stops, and since when (UTC)."""

    table: str
    code: str
    orders: int
    oldest: datetime


@dataclass(frozen=True)
class RefusedCodes:
    """What quarantined orders lack. ``passing``: orders that are not refused any more, with their revisions.

    ``checked``: the number of evaluated orders; ``more``: whether there are more of them than that.
    """

    codes: tuple[RefusedCode, ...] = ()
    passing: Mapping[int, int | None] = field(default_factory=dict)
    checked: int = 0
    more: bool = False

    def of_table(self, table: str) -> list[RefusedCode]:
        """Those of one table, the most frequent first."""
        return [one for one in self.codes if one.table == table]


def parse_value(of: RowKey, text: str) -> Any:
    """A row's value, written as in a pipeline's file. Raises ``ConfigurationError`` if it is not YAML, or null."""
    value = read_value(text, f"code table {of.table!r}, row {of.key!r}")
    if value is None:
        raise ConfigurationError(f"code table {of.table!r}, row {of.key!r}: has no value; remove the row instead")
    return value


def show_value(value: Any) -> str:
    """A row's value on one line, as ``parse_value`` reads it; empty for ``None``."""
    if value is None:
        return ""
    if isinstance(value, str):
        try:
            plain = value == value.strip() and read_value(value, "") == value
        except ConfigurationError:
            plain = False
        if plain:
            return value
    style = '"' if isinstance(value, str) else None
    text = yaml.safe_dump(
        value, default_flow_style=True, default_style=style, sort_keys=False, allow_unicode=True, width=10**6
    )
    return str(text).removesuffix("...\n").strip()


class PipelineTables:
    """The code tables of one pipeline. Raises ``ConfigurationError`` for an unknown pipeline or an invalid file."""

    def __init__(self, ledger: Ledger, parts: ActionsParts, pipeline: str) -> None:
        if pipeline not in parts.pipelines:
            raise ConfigurationError(f"unknown pipeline {pipeline!r}; {suggest(pipeline, parts.pipelines)}")
        self._ledger, self._parts, self.pipeline = ledger, parts, pipeline
        self._settings = parts.pipelines[pipeline]

    @cached_property
    def made(self) -> list[CodeTableRow]:
        """The present rows that operators made."""
        return self._ledger.code_tables.rows(self.pipeline)

    @cached_property
    def _formats(self) -> tuple[VendorFormat, VendorFormat]:
        ends = self._settings
        return load_vendor(ends.source.vendor).format("source"), load_vendor(ends.destination.vendor).format(
            "destination"
        )

    @cached_property
    def names(self) -> list[str]:
        """The tables that rows may be added to, and those that operators' rows are in."""
        known = table_names(*self._formats, transform_settings(self._settings))
        return sorted({*known, *(row.table for row in self.made)})

    def summaries(self) -> list[TableSummary]:
        """All tables."""
        made = [row.table for row in self.made]
        return [TableSummary(name, len(self.rows(name)), made.count(name)) for name in self.names]

    def rows(self, table: str) -> list[TableRow]:
        """The effective rows of a table by key. Raises ``ConfigurationError`` if there is no such table."""
        self._require(table)
        source, destination = self._formats
        layers: list[tuple[str, CodeTables]] = [
            (f"vendors/{source.name}/mapping.yaml", source.mapping.get("tables", {})),
            (f"vendors/{destination.name}/mapping.yaml", destination.mapping.get("tables", {})),
            (self._settings.file, self._settings.tables),
        ]
        rows = effective_rows(layers, table)
        made = {row.code: TableRow(row.key, row.value, "", row) for row in self.made if row.table == table}
        return [made[code] if code in made else TableRow(*rows[code]) for code in sorted({*rows, *made})]

    def export(self) -> str:
        """The rows that operators made, as YAML for the section ``tables`` of the pipeline's file."""
        tables: dict[str, dict[str, Any]] = defaultdict(dict)
        for row in self.made:
            tables[row.table][row.key] = row.value
        if not tables:
            return f"# No operator made a row of a code table of {self.pipeline}.\n"
        text = yaml.safe_dump({"tables": dict(tables)}, sort_keys=False, allow_unicode=True, width=120)
        return f"# Rows made by operators. Add them to {self._settings.file}, then remove them from the ledger.\n{text}"

    def refused(self, limit: int = MAX_ORDERS) -> RefusedCodes:
        """The codes that stop quarantined orders, with the rows of now; evaluates at most ``limit`` orders."""
        return self._evaluate(self.made, limit)

    def preview(self, of: RowKey, value: Any, limit: int = MAX_ORDERS) -> RefusedCodes:
        """As ``refused``, if the row had this value, or were removed (``None``). Raises as ``put``."""
        rows = self._changed(of, value)
        self._check(of, rows)
        return self._evaluate(rows, limit)

    def put(self, of: RowKey, value: Any, reason: str, who: str, *, shown: int | None = None) -> CodeTableRow:
        """Add or change a row; see ``CodeTableRows.put``.

        Raises ``ConfigurationError`` too if no rule uses the table, or a rule cannot use the value.
        """
        why = require_reason(reason)
        self._check(of, self._changed(of, value))
        return self._forget(self._ledger.code_tables.put(self._ctx(who), of, value, why, shown=shown))

    def remove(self, of: RowKey, reason: str, who: str, *, shown: int | None = None) -> CodeTableRow:
        """Remove a row that an operator made; see ``CodeTableRows.remove``. A row of a file is effective again."""
        why = require_reason(reason)
        return self._forget(self._ledger.code_tables.remove(self._ctx(who), of, why, shown=shown))

    def release(self, actions: OperatorActions, reason: str, who: str, limit: int = MAX_ORDERS) -> int:
        """Evaluate refused orders again; returns the number of those that pass and continue with the next run.

        Raises ``ConcurrentUpdateError`` if one changes meanwhile; nothing is done then.
        """
        passing = self.refused(limit).passing
        return len(actions.replay(passing, reason, who, limit=limit).changing) if passing else 0

    def _ctx(self, who: str) -> RunContext:
        return RunContext(self.pipeline, "", who)

    def _forget(self, row: CodeTableRow) -> CodeTableRow:
        self.__dict__.pop("made", None)
        return row

    def _require(self, table: str) -> None:
        if table not in self.names:
            raise ConfigurationError(
                f"{self.pipeline}: no rule uses a code table {table!r}; {suggest(table, self.names)}"
            )

    def _changed(self, of: RowKey, value: Any) -> list[CodeTableRow]:
        """The rows after a change; the changed one has no version yet."""
        self._require(of.table)
        code = normalize_words(of.key)
        others = [row for row in self.made if (row.table, row.code) != (of.table, code)]
        if value is None:
            return others
        new = CodeTableRow(0, of.table, code, of.key, value, None, removed=False, who="", why="", at=datetime.now(UTC))
        return [*others, new]

    def _check(self, of: RowKey, rows: Sequence[CodeTableRow]) -> None:
        with self._parts.wiring(self.pipeline) as wiring:
            if problem := wiring.build_transformer(rows).row_problem(*of):
                raise ConfigurationError(f"code table {of.table!r}, row {of.key!r}: invalid value: {problem}")

    def _evaluate(self, rows: Sequence[CodeTableRow], limit: int) -> RefusedCodes:
        found = self._ledger.code_tables.refused_orders(self.pipeline, TABLE_REASONS, limit + 1)
        more, since = len(found) > limit, dict(found[:limit])
        if not since:
            return RefusedCodes()
        with self._parts.wiring(self.pipeline) as wiring:
            made = wiring.build_transformer(rows)
            store = self._parts.store
            evaluation = evaluate_archived(store, self.pipeline, since, source=made.source, transformer=made)
        stopped: dict[tuple[str, str], dict[int, datetime]] = defaultdict(dict)
        shown: dict[tuple[str, str], str] = {}
        for work, issues in evaluation.refused:
            for table, code in (issue.table_code for issue in issues if issue.table_code):
                key = table, normalize_words(code)
                shown.setdefault(key, code)
                stopped[key][work.id] = since[work]
        codes = [RefusedCode(key[0], shown[key], len(ids), min(ids.values())) for key, ids in stopped.items()]
        codes.sort(key=lambda one: (one.table, -one.orders, one.code))
        passing = {work.id: work.revision for work in evaluation.continuing}
        return RefusedCodes(tuple(codes), passing, len(since), more)
