"""Builds payloads: fills columns by mapping rules and assembles them into nested objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from order_relay.errors import ConfigurationError, ValidationIssue
from order_relay.orders.mapping import columns
from order_relay.orders.mapping.converters import truncate_text
from order_relay.orders.mapping.mapping_rules import MappingRule
from order_relay.orders.notes import OrderNote
from order_relay.orders.payload.custom_fields import CustomFields
from order_relay.orders.schema.schema_paths import subschema_at, suggest_targets
from order_relay.orders.schema.validator import field_name, pointer

TargetPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PayloadTarget:
    """A rule with its path in the payload, relative to the order or to the list entry that it fills.

    ``limit``: maximum characters of the value, if it is cut. ``merge``: the value is an object whose members are added
    to those of the other rules; ``name_limit`` is then the maximum length of a member's name.
    """

    rule: MappingRule
    path: TargetPath
    limit: int | None
    merge: bool
    name_limit: int | None = None


def resolve_target(
    rule: MappingRule, schema: Mapping[str, Any], list_name: str, where: str, parts: TargetPath = ()
) -> PayloadTarget:
    """Check a rule's target against the destination's schema.

    ``list_name``: the list whose entries the rule fills, or empty. ``parts``: the target's names, if they may contain
    dots. Raises ``ConfigurationError`` if the schema has no such member.
    """
    names = parts or tuple(rule.target.removesuffix(".*").split("."))
    merge = not parts and rule.target.endswith(".*")
    path = names[1:] if list_name else names
    if any(part.endswith("[]") for part in path) or not all(path):
        raise ConfigurationError(f"{where}: target {rule.target!r}: only the first part may be a list")
    subschema = subschema_at(schema, names)
    if subschema is None:
        near = suggest_targets(schema, rule.target)
        raise ConfigurationError(f"{where}: the destination's schema has no member {rule.target!r}{near}")
    name_limit = subschema.get("propertyNames", {}).get("maxLength") if merge else None
    subschema = subschema.get("additionalProperties", {}) if merge else subschema
    limit = subschema.get("maxLength")
    if rule.cut and limit is None:
        raise ConfigurationError(f"{where}: target {rule.target!r} cannot be cut: its schema has no maximum length")
    return PayloadTarget(rule, path, limit if rule.cut else None, merge, name_limit)


class PayloadBuilder:
    """The payload columns of a slice of orders: filled rule by rule, read order by order."""

    def __init__(
        self,
        targets: Sequence[PayloadTarget],
        source: Mapping[str, list[Any]],
        size: int,
        keys: CustomFields | None = None,
    ) -> None:
        self.size = size
        self.wrong: list[tuple[int, ValidationIssue]] = []
        self.notes: list[tuple[int, OrderNote]] = []
        self.filled: list[tuple[PayloadTarget, list[Any]]] = []
        self._keys = keys or CustomFields()
        by_target: dict[str, list[Any]] = {}
        for field_target in targets:
            column = self._column(field_target, source)
            if field_target.rule.when is not None:
                other = by_target.get(field_target.rule.when[0], [None] * size)
                column = [
                    v if seen == field_target.rule.when[1] else None for v, seen in zip(column, other, strict=True)
                ]
            by_target[field_target.rule.target] = column
            self.filled.append((field_target, column))

    def _column(self, field_target: PayloadTarget, source: Mapping[str, list[Any]]) -> list[Any]:
        rule, target = field_target.rule, field_target.rule.target

        def report(row: int, issue: ValidationIssue) -> None:
            if rule.informational:
                self.notes.append((row, columns.omission_note(target, issue)))
                return
            location = pointer(target.replace("[]", "").removesuffix(".*").split("."))
            message = f"{field_name(location)} {issue.message}"
            self.wrong.append((row, replace(issue, pointer=location, message=message)))

        column = columns.read_from_columns(rule, source, report) if rule.paths else [rule.value] * self.size
        missing = OrderNote("not_in_code_table", target, "is not in its code table; default used")
        column = columns.convert_codes(rule, column, report, lambda row, _: self.notes.append((row, missing)))
        column = columns.apply_default(rule, column)
        if rule.required:
            for row, value in enumerate(column):
                if value is None:
                    report(row, columns.REQUIRED)
        if field_target.merge:
            for row, value in enumerate(column):
                if value is not None and not isinstance(value, dict):
                    report(row, ValidationIssue("wrong_type", "", "must be an object, since its members are merged"))
            column = [value if isinstance(value, dict) else None for value in column]
        return self._cut(field_target, column) if field_target.limit is not None else column

    def _cut(self, field_target: PayloadTarget, column: list[Any]) -> list[Any]:
        limit = field_target.limit or 0
        if not field_target.merge and not any(isinstance(value, str) and len(value) > limit for value in column):
            return column
        shortened = OrderNote("text_cut", field_target.rule.target, f"cut to {limit} characters")
        cut: list[Any] = []
        for row, value in enumerate(column):
            if isinstance(value, str) and len(value) > limit:
                self.notes.append((row, shortened))
                cut.append(truncate_text(value, limit))
            elif field_target.merge and isinstance(value, dict):
                long = {name for name, text in value.items() if isinstance(text, str) and len(text) > limit}
                if long:
                    self.notes.append((row, shortened))
                cut.append({name: truncate_text(text, limit) if name in long else text for name, text in value.items()})
            else:
                cut.append(value)
        return cut

    def build(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Nested objects of these rows, without members that have no value. Adds to ``notes``."""
        groups: dict[TargetPath, list[tuple[str, list[Any]]]] = {(): []}
        merges: list[tuple[PayloadTarget, list[Any]]] = []
        for field_target, column in self.filled:
            chosen = column if len(rows) == self.size else [column[row] for row in rows]
            if field_target.merge:
                merges.append((field_target, chosen))
            else:
                groups.setdefault(field_target.path[:-1], []).append((field_target.path[-1], chosen))
        parts = {path: _members(group, len(rows)) for path, group in groups.items()}
        for field_target, column in merges:
            for row, own, more in zip(rows, _part(parts, field_target.path, len(rows)), column, strict=True):
                for name, sent_as in self._keys.add(own, more or {}, field_target.name_limit):
                    target = ".".join((*field_target.path, name))
                    message = f"is the name of two values of the order; this one is sent as {sent_as!r}"
                    self.notes.append((row, OrderNote("key_collision", target, message)))
        return _nested(parts, len(rows))


def _members(group: Sequence[tuple[str, list[Any]]], size: int) -> list[dict[str, Any]]:
    """One flat object per row, with the members that have a value."""
    if not group:
        return [{} for _ in range(size)]
    names = [name for name, _ in group]
    rows = zip(*(column for _, column in group), strict=True)
    return [{n: v for n, v in zip(names, row, strict=True) if v is not None} for row in rows]


def _part(parts: dict[TargetPath, list[dict[str, Any]]], path: TargetPath, size: int) -> list[dict[str, Any]]:
    if path not in parts:
        parts[path] = [{} for _ in range(size)]
    return parts[path]


def _nested(parts: dict[TargetPath, list[dict[str, Any]]], size: int) -> list[dict[str, Any]]:
    """Put each part into the one around it, innermost first; empty parts are left out."""
    for depth in range(max(map(len, parts)), 0, -1):
        for path in [path for path in parts if len(path) == depth]:
            for outer, inner in zip(_part(parts, path[:-1], size), parts[path], strict=True):
                if inner:
                    outer[path[-1]] = merge_objects(outer.get(path[-1]), inner)
    return parts[()]


def merge_objects(whole: Any, single: dict[str, Any]) -> Any:
    """Merge an object that one rule gives with single members that other rules give; the single members win.

    A ``whole`` that is not an object is returned unchanged, so that the destination's schema rejects it.
    """
    if whole is None:
        return single
    if not isinstance(whole, dict):
        return whole
    both = {**whole, **single}
    for name in whole.keys() & single.keys():
        if isinstance(whole[name], dict) and isinstance(single[name], dict):
            both[name] = merge_objects(whole[name], single[name])
    return both
