"""Filling payloads: which value goes to which place, column by column, and the nested objects that they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from order_relay.errors import Refusal, WrongSetup
from order_relay.orders import columns
from order_relay.orders.converters import cut_text
from order_relay.orders.free_keys import FreeKeys
from order_relay.orders.judging import pointer
from order_relay.orders.mapping import Rule
from order_relay.orders.notes import Note
from order_relay.orders.places import place_in, targets_near

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """A rule with its place in the payload, seen from the order, or from the entry of the list that it fills.

    ``merge``: the value is an object whose members go beside those of the other rules; ``name_limit`` is then the
    longest name that a member can have.
    """

    rule: Rule
    path: Path
    limit: int | None
    merge: bool
    name_limit: int | None = None


def target(rule: Rule, schema: Mapping[str, Any], list_name: str, where: str, parts: Path = ()) -> Target:
    """Check a rule's target against the schema. ``list_name``: the list whose entries the rule fills, or empty.

    ``parts``: the target's names, where they may hold dots. Raises ``WrongSetup`` where the schema has no such place.
    """
    names = parts or tuple(rule.target.removesuffix(".*").split("."))
    merge = not parts and rule.target.endswith(".*")
    path = names[1:] if list_name else names
    if any(part.endswith("[]") for part in path) or not all(path):
        raise WrongSetup(f"{where}: target {rule.target!r}: only the first part can be a list")
    place = place_in(schema, names)
    if place is None:
        near = targets_near(schema, rule.target)
        raise WrongSetup(f"{where}: the destination's schema has no place {rule.target!r}{near}")
    name_limit = place.get("propertyNames", {}).get("maxLength") if merge else None
    place = place.get("additionalProperties", {}) if merge else place
    limit = place.get("maxLength")
    if rule.cut and limit is None:
        raise WrongSetup(f"{where}: target {rule.target!r} has no documented limit to cut at")
    return Target(rule, path, limit if rule.cut else None, merge, name_limit)


class Columns:
    """The destination's columns for a slice: filled rule by rule, read order by order."""

    def __init__(
        self, targets: Sequence[Target], source: Mapping[str, list[Any]], size: int, keys: FreeKeys | None = None
    ) -> None:
        self.size = size
        self.wrong: list[tuple[int, Refusal]] = []
        self.notes: list[tuple[int, Note]] = []
        self.filled: list[tuple[Target, list[Any]]] = []
        self._keys = keys or FreeKeys()
        by_target: dict[str, list[Any]] = {}
        for aim in targets:
            column = self._column(aim, source)
            if aim.rule.when is not None:
                other = by_target.get(aim.rule.when[0], [None] * size)
                column = [v if seen == aim.rule.when[1] else None for v, seen in zip(column, other, strict=True)]
            by_target[aim.rule.target] = column
            self.filled.append((aim, column))

    def _column(self, aim: Target, source: Mapping[str, list[Any]]) -> list[Any]:
        rule, place = aim.rule, aim.rule.target

        def tell(row: int, why: Refusal) -> None:
            spot = pointer(place.replace("[]", "").removesuffix(".*").split("."))
            self.wrong.append((row, Refusal(why.code, spot, f"{spot} {why.message}")))

        found = [source[path] for path in rule.paths]
        column = columns.combined(rule, found, tell) if found else [rule.value] * self.size
        if rule.table is not None:
            missing = Note("not_in_code_table", place, "has no row in its code table; default used")
            column = columns.looked_up(rule, column, tell, lambda row, _: self.notes.append((row, missing)))
        column = columns.defaulted(rule, columns.converted(rule, column, tell))
        if rule.required:
            for row, value in enumerate(column):
                if value is None:
                    tell(row, Refusal("missing_field", "", "is required and missing"))
        if aim.merge:
            for row, value in enumerate(column):
                if value is not None and not isinstance(value, dict):
                    tell(row, Refusal("wrong_type", "", "takes the members of an object, and the value is none"))
            column = [value if isinstance(value, dict) else None for value in column]
        return self._cut(aim, column) if aim.limit is not None else column

    def _cut(self, aim: Target, column: list[Any]) -> list[Any]:
        limit = aim.limit or 0
        if not aim.merge and not any(isinstance(value, str) and len(value) > limit for value in column):
            return column
        shortened = Note("text_cut", aim.rule.target, f"shortened to {limit} characters")
        cut: list[Any] = []
        for row, value in enumerate(column):
            if isinstance(value, str) and len(value) > limit:
                self.notes.append((row, shortened))
                cut.append(cut_text(value, limit))
            elif aim.merge and isinstance(value, dict):
                long = {name for name, text in value.items() if isinstance(text, str) and len(text) > limit}
                if long:
                    self.notes.append((row, shortened))
                cut.append({name: cut_text(text, limit) if name in long else text for name, text in value.items()})
            else:
                cut.append(value)
        return cut

    def build(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Nested objects for these rows; members without a value are left out. Adds to ``notes``."""
        groups: dict[Path, list[tuple[str, list[Any]]]] = {(): []}
        merges: list[tuple[Target, list[Any]]] = []
        for aim, column in self.filled:
            chosen = column if len(rows) == self.size else [column[row] for row in rows]
            if aim.merge:
                merges.append((aim, chosen))
            else:
                groups.setdefault(aim.path[:-1], []).append((aim.path[-1], chosen))
        parts = {path: _members(group, len(rows)) for path, group in groups.items()}
        for aim, column in merges:
            for row, own, more in zip(rows, _part(parts, aim.path, len(rows)), column, strict=True):
                for name, sent_as in self._keys.add(own, more or {}, aim.name_limit):
                    place = ".".join((*aim.path, name))
                    words = f"is the name of another value of the order, too; this one is sent as {sent_as!r}"
                    self.notes.append((row, Note("key_collision", place, words)))
        return _nested(parts, len(rows))


def _members(group: Sequence[tuple[str, list[Any]]], size: int) -> list[dict[str, Any]]:
    """One flat object for each row, of those members that have a value."""
    if not group:
        return [{} for _ in range(size)]
    names = [name for name, _ in group]
    rows = zip(*(column for _, column in group), strict=True)
    return [{n: v for n, v in zip(names, row, strict=True) if v is not None} for row in rows]


def _part(parts: dict[Path, list[dict[str, Any]]], path: Path, size: int) -> list[dict[str, Any]]:
    if path not in parts:
        parts[path] = [{} for _ in range(size)]
    return parts[path]


def _nested(parts: dict[Path, list[dict[str, Any]]], size: int) -> list[dict[str, Any]]:
    """Each part put into the one around it, the innermost first; empty ones are left out."""
    for depth in range(max(map(len, parts)), 0, -1):
        for path in [path for path in parts if len(path) == depth]:
            for outer, inner in zip(_part(parts, path[:-1], size), parts[path], strict=True):
                if inner:
                    outer[path[-1]] = merged(outer.get(path[-1]), inner)
    return parts[()]


def merged(whole: Any, single: dict[str, Any]) -> Any:
    """A whole object that one rule gives with the single members that other rules give; the single ones win.

    What is given for the whole and is no object stays, so that the destination's schema refuses it.
    """
    if whole is None:
        return single
    if not isinstance(whole, dict):
        return whole
    both = {**whole, **single}
    for name in whole.keys() & single.keys():
        if isinstance(whole[name], dict) and isinstance(single[name], dict):
            both[name] = merged(whole[name], single[name])
    return both
