"""Compares two versions of an order, for the operator who decides about the new one.

Items, quantities, prices, sums and dates are shown. Of all other fields (names, addresses, free text, columns added by
a mapping) a comparison states only *that* they changed. It never holds their values, so that none can reach a task's
page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from order_relay.orders.mapping.canonical import LINE_MONEY, ORDER_MONEY, CanonicalOrders, CanonicalReader
from order_relay.orders.markdown import escape_markdown, markdown_table
from order_relay.orders.money.amounts import from_minor

ORDER_FIELDS = ("order_number", "submitted_at", "requested_ship_date", "currency", *ORDER_MONEY)
"""Columns of an order whose values may be shown."""

LINE_FIELDS = ("quantity", "unit_price", *LINE_MONEY)
"""Columns of a line whose values may be shown, besides its item number."""

NO_VISIBLE_CHANGE = "Nothing that the mapping reads has changed; the source's text of the order differs elsewhere."
_INTERNAL_COLUMNS = ("scale", "source_id", "lineage")  # shown outside the comparison
_LINE_COLUMNS = ("order", "position", "line", "item_number", "promotion", *LINE_FIELDS)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One value that may be shown, before and now; empty if there is none."""

    what: str
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class LineChange:
    """A line that was added, removed or changed. ``hidden``: changed fields whose values are not shown."""

    kind: str  # added | removed | changed
    item: str
    changes: tuple[FieldChange, ...] = ()
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True)
class VersionDiff:
    """What differs between two versions of an order, as data without personal values."""

    order: tuple[FieldChange, ...] = ()
    lines: tuple[LineChange, ...] = ()
    hidden: tuple[str, ...] = ()
    """Fields of the order that changed and whose values are not shown."""
    unreadable: int = 0
    """Values of the new version that the mapping cannot read; the order would be quarantined."""
    same_lines: int = 0
    equal: bool = False
    """The documents are equal."""

    @property
    def no_visible_change(self) -> bool:
        """Whether they differ only in members that the mapping does not read."""
        return not (self.equal or self.order or self.lines or self.hidden)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "nothing_seen": self.no_visible_change}

    def as_markdown(self) -> str:
        """Tables and sentences; every value is escaped, so that text of an order cannot become markup."""
        if self.equal:
            return "Both are equal."
        parts = [NO_VISIBLE_CHANGE] if self.no_visible_change else []
        if self.order:
            parts.append(_table(("order", "before", "now"), ((c.what, c.before, c.now) for c in self.order)))
        if self.lines:
            parts.append(_table(("line", "item", "what", "before", "now"), _line_rows(self.lines)))
        if self.same_lines:
            parts.append(f"{self.same_lines} {'line is' if self.same_lines == 1 else 'lines are'} the same.")
        if self.hidden:
            parts.append(f"Also changed (not shown here): {', '.join(map(escape_markdown, self.hidden))}.")
        if self.unreadable:
            parts.append(f"{self.unreadable} values of the new version cannot be read by the mapping.")
        return "\n\n".join(parts)


def diff_versions(old: Mapping[str, Any], new: Mapping[str, Any], reader: CanonicalReader) -> VersionDiff:
    """Compare two documents of one source through its canonical frames. Never raises, regardless of their content."""
    read = reader.read([old, new])
    same, lines = _lines(read)
    return VersionDiff(
        order=tuple(_shown(read)),
        lines=tuple(lines),
        hidden=tuple(_hidden(read)),
        unreadable=len(read.issues[1]),
        same_lines=same,
        equal=_equal(old, new),
    )


def _equal(old: Any, new: Any) -> bool:
    try:
        return bool(old == new)
    except RecursionError:
        return False


def _shown(read: CanonicalOrders) -> Iterable[FieldChange]:
    scales = read.orders["scale"].tolist()
    for name in ORDER_FIELDS:
        old, new = read.orders[name].tolist()
        if old == new:
            continue
        if name in ORDER_MONEY:
            yield FieldChange(_label(name), _money(old, scales[0]), _money(new, scales[1]))
        else:
            yield FieldChange(_label(name), format_value(old), format_value(new))


def _hidden(read: CanonicalOrders) -> Iterable[str]:
    for name in map(str, read.orders.columns):
        old, new = read.orders[name].tolist()
        if name not in ORDER_FIELDS and name not in _INTERNAL_COLUMNS and old != new:
            yield _label(name)


def _lines(read: CanonicalOrders) -> tuple[int, list[LineChange]]:
    """The number of equal lines, and the changes. Lines are paired by item number, equal ones first."""
    scales = read.orders["scale"].tolist()
    rows: list[dict[str, list[dict[str, Any]]]] = [defaultdict(list), defaultdict(list)]
    for row in read.lines.sort_values("position", kind="stable").to_dict("records"):
        rows[row["order"]][format_value(row["item_number"])].append({str(name): value for name, value in row.items()})
    same, changes = 0, []
    for item in dict.fromkeys([*rows[0], *rows[1]]):
        equal, old, new = _drop_equal(rows[0].get(item, []), rows[1].get(item, []))
        same += equal
        pairs = min(len(old), len(new))
        changes += [_changed(item, a, b, scales) for a, b in zip(old[:pairs], new[:pairs], strict=True)]
        changes += [
            LineChange("removed", item, tuple(_all_fields(row, scales[0], removed=True))) for row in old[pairs:]
        ]
        changes += [LineChange("added", item, tuple(_all_fields(row, scales[1], removed=False))) for row in new[pairs:]]
    return same, changes


def _drop_equal(
    old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]
) -> tuple[int, list[dict[str, Any]], list[dict[str, Any]]]:
    rest, left = list(new), []
    for row in old:
        twin = next((other for other in rest if _content(other) == _content(row)), None)
        if twin is None:
            left.append(row)
        else:
            rest.remove(twin)
    return len(old) - len(left), left, rest


def _content(row: Mapping[str, Any]) -> dict[str, Any]:
    """A line without its position."""
    return {name: value for name, value in row.items() if name not in ("order", "position", "line")}


def _changed(item: str, old: Mapping[str, Any], new: Mapping[str, Any], scales: Sequence[int | None]) -> LineChange:
    changes = [
        FieldChange(_label(name), _line_value(name, old, scales[0]), _line_value(name, new, scales[1]))
        for name in LINE_FIELDS
        if old[name] != new[name]
    ]
    hidden = [_label(name) for name in old if name not in _LINE_COLUMNS and old[name] != new[name]]
    return LineChange("changed", item, tuple(changes), tuple(hidden))


def _all_fields(row: Mapping[str, Any], scale: int | None, *, removed: bool) -> Iterable[FieldChange]:
    for name in LINE_FIELDS:
        value = _line_value(name, row, scale)
        if value:
            yield FieldChange(_label(name), value if removed else "", "" if removed else value)


def _line_value(name: str, row: Mapping[str, Any], scale: int | None) -> str:
    return _money(row[name], scale) if name in LINE_MONEY else format_value(row[name])


def _money(minor: int | None, scale: int | None) -> str:
    return "" if minor is None or scale is None else format_value(from_minor(minor, scale))


def format_value(value: Any) -> str:
    """A value for display: times in UTC, numbers without an exponent."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


def _label(name: str) -> str:
    """A column's name for display."""
    return name.replace("_", " ")


def _line_rows(lines: Iterable[LineChange]) -> Iterable[tuple[str, ...]]:
    for line in lines:
        first = True
        for change in line.changes:
            yield (line.kind if first else "", line.item if first else "", change.what, change.before, change.now)
            first = False
        if line.hidden or first:
            hidden_fields = ", ".join(line.hidden)
            yield (
                line.kind if first else "",
                line.item if first else "",
                hidden_fields,
                "",
                "changed" if hidden_fields else "",
            )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return markdown_table(head, ([escape_markdown(cell) for cell in row] for row in rows))
