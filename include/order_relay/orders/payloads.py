"""Building payloads: derived columns, items whose amounts add up, and nested objects by the destination's rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from order_relay.errors import Refusal, WrongSetup
from order_relay.orders import columns
from order_relay.orders.canonical import Canonical
from order_relay.orders.converters import cut_text, split_name
from order_relay.orders.judging import pointer
from order_relay.orders.mapping import Rule
from order_relay.orders.money import from_minor, per_unit
from order_relay.orders.notes import Note
from order_relay.orders.spreading import split_line, spread
from order_relay.orders.totals import shown_price
from order_relay.orders.transform_settings import TransformSettings

ORDER_DERIVED = (
    "destination_key", "comment", "bill_first", "bill_last", "ship_first", "ship_last", "ship_custom_name",
    "ship_line1", "ship_line2", "ship_line3",
)  # fmt: skip
"""What ``derive`` adds to the canonical columns of an order."""

ITEM_DERIVED = (
    "external_item_id", "item_name", "item_quantity", "actual_price", "retail_price", "item_freight", "item_tax",
    "sent_minor",
)  # fmt: skip
"""What ``pieces`` adds to the canonical columns of a line."""


def derive(canonical: Canonical, settings: TransformSettings) -> dict[str, list[Any]]:
    """Columns of the orders with those derived for sending."""
    orders = {name: canonical.orders[name].tolist() for name in canonical.orders.columns}
    own = orders.get("destination_key") or orders["order_number"]
    orders["destination_key"] = [None if key is None else f"{settings.key_prefix}{key}" for key in own]
    orders["comment"] = _comments(canonical, orders["notes"])
    for side, other in (("bill", "ship"), ("ship", "bill")):
        first, last = orders[f"{side}_first"], orders[f"{side}_last"] = [], []
        for name, company, other_name, other_company in zip(
            orders[f"{side}_name"], orders[f"{side}_company"], orders[f"{other}_name"], orders[f"{other}_company"],
            strict=True,
        ):  # fmt: skip
            given, family = split_name(name)
            if family is None:
                given, family = None, company
            if family is None:
                given, family = split_name(other_name)
            first.append(given)
            last.append(family or other_company)
    _place_ship_name(orders, settings.ship_to_name)
    return orders


def _comments(canonical: Canonical, notes: Sequence[str | None]) -> list[str | None]:
    """Promotion texts, then the order's own notes: what is cut off at the end should be free text."""
    texts: list[list[str]] = [[] for _ in notes]
    promotions = canonical.lines.loc[canonical.lines["promotion"]]
    told = (promotions[name].tolist() for name in ("order", "item_number", "description"))
    for row, number, words in zip(*told, strict=True):
        texts[row].append(": ".join(part for part in (number, words) if part))
    both = ((*found, note) for found, note in zip(texts, notes, strict=True))
    return ["\n".join(part for part in parts if part) or None for parts in both]


def _place_ship_name(orders: dict[str, list[Any]], place: str) -> None:
    first, second = orders["ship_address1"], orders["ship_address2"]
    none: list[Any] = [None] * len(first)
    whole = [
        " ".join(part for part in (given, family) if part) or None
        for given, family in zip(orders["ship_first"], orders["ship_last"], strict=True)
    ]
    orders["ship_custom_name"] = whole if place == "custom_data" else none
    lines = (whole, first, second) if place == "address_line" else (first, second, none)
    orders["ship_line1"], orders["ship_line2"], orders["ship_line3"] = lines
    if place != "names":
        orders["ship_first"] = orders["ship_last"] = none


def pieces(
    items: pd.DataFrame, orders: Mapping[str, list[Any]], good: Sequence[int], settings: TransformSettings,
    needed: Collection[str],
) -> tuple[dict[str, list[Any]], dict[int, range]]:
    """The items to send, as columns, and which of them belong to which order. Only for orders that add up.

    Of the columns of lines, those ``needed`` are repeated for the items.
    """
    each_unit = settings.spread_unit == "per_unit"
    lines = {name: items[name].tolist() for name in items.columns}
    bounds = _bounds(lines["order"])
    out: dict[str, list[Any]] = {name: [] for name in ITEM_DERIVED}
    add = [out[name].append for name in ITEM_DERIVED]
    kept: list[int] = []
    of_order: dict[int, range] = {}
    for row in good:
        span = bounds[row]
        weights = lines["extended"][span.start : span.stop]
        discounts = spread(-orders["discount"][row], weights)
        freights = spread(orders["freight"][row], weights)
        taxes = spread(orders["tax"][row], weights)
        scale = orders["scale"][row]
        start = len(kept)
        for at, line in enumerate(span):
            quantity = lines["quantity"][line]
            found = split_line(weights[at] - discounts[at], quantity, freights[at], taxes[at], each_unit=each_unit)
            shown = shown_price(lines["unit_price"][line], scale) or per_unit(weights[at], quantity, scale)
            name = lines["description"][line] or lines["item_number"][line]
            label = lines["line"][line]
            for number, piece in enumerate(found, 1):
                kept.append(line)
                values = (
                    label if len(found) == 1 else f"{label}/{number}", name, piece.quantity,
                    from_minor(piece.price, scale), shown, from_minor(piece.freight, scale),
                    from_minor(piece.tax, scale), piece.total(each_unit=each_unit),
                )  # fmt: skip
                for append, value in zip(add, values, strict=True):
                    append(value)
        of_order[row] = range(start, len(kept))
    for name in lines.keys() & {*needed, "order", "position"}:
        column = lines[name]
        out[name] = [column[line] for line in kept]
    return out, of_order


def _bounds(order: Sequence[int]) -> dict[int, range]:
    """Where each order's lines stand; they stand together."""
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    for index, row in enumerate(order):
        starts.setdefault(row, index)
        ends[row] = index + 1
    return {row: range(start, ends[row]) for row, start in starts.items()}


@dataclass(frozen=True, slots=True)
class Target:
    """A rule with its place in the payload."""

    rule: Rule
    path: tuple[str, ...]
    limit: int | None
    merge: bool


def target(rule: Rule, schema: Mapping[str, Any], items: str, where: str) -> Target:
    """Check a rule's target against the schema; ``items`` is the prefix of items' targets.

    Raises ``WrongSetup`` where the schema has no such place.
    """
    inner = rule.target.removeprefix(items)
    merge = inner.endswith(".*")
    path = tuple(inner.removesuffix(".*").split("."))
    if any(part.endswith("[]") for part in path[1:]) or not all(path):
        raise WrongSetup(f"{where}: target {rule.target!r}: only the first part can be a list")
    place = place_in(schema, rule.target.removesuffix(".*"))
    if place is None:
        raise WrongSetup(f"{where}: the destination's schema has no place {rule.target!r}")
    place = place.get("additionalProperties", {}) if merge else place
    limit = place.get("maxLength")
    if rule.cut and limit is None:
        raise WrongSetup(f"{where}: target {rule.target!r} has no documented limit to cut at")
    return Target(rule, path, limit if rule.cut else None, merge)


def place_in(schema: Mapping[str, Any], path: str) -> Mapping[str, Any] | None:
    """The subschema of a target path such as ``orderItems[].product.name``, or ``None``."""
    here: Any = schema
    for part in path.split("."):
        name = part.removesuffix("[]")
        members = here.get("properties", {})
        here = members[name] if name in members else here.get("additionalProperties")
        here = _followed(schema, here)
        if part.endswith("[]") and here is not None:
            here = _followed(schema, here.get("items"))
        if here is None:
            return None
    return here  # type: ignore[no-any-return]


def _followed(schema: Mapping[str, Any], here: Any) -> Any:
    while isinstance(here, Mapping) and "$ref" in here:
        found: Any = schema
        for part in here["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        here = found
    return here if isinstance(here, Mapping) else None


class Columns:
    """The destination's columns for a slice: filled rule by rule, read order by order."""

    def __init__(self, targets: Sequence[Target], source: Mapping[str, list[Any]], size: int) -> None:
        self.size = size
        self.wrong: list[tuple[int, Refusal]] = []
        self.notes: list[tuple[int, Note]] = []
        self.filled: list[tuple[Target, list[Any]]] = []
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
            spot = pointer(place.replace("[]", "").split("."))
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
        return self._cut(aim, column) if aim.limit is not None else column

    def _cut(self, aim: Target, column: list[Any]) -> list[Any]:
        limit = aim.limit or 0
        if not aim.merge and not any(map(limit.__lt__, map(len, filter(None, column)))):
            return column
        shortened = Note("text_cut", aim.rule.target, f"shortened to {limit} characters")
        cut: list[Any] = []
        for row, value in enumerate(column):
            if isinstance(value, str) and len(value) > limit:
                self.notes.append((row, shortened))
                cut.append(cut_text(value, limit))
            elif aim.merge and isinstance(value, dict):
                cut.append({name: cut_text(text, limit) for name, text in value.items()})
                if any(len(text) > limit for text in value.values()):
                    self.notes.append((row, shortened))
            else:
                cut.append(value)
        return cut

    def build(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Nested objects for these rows; members without a value are left out."""
        groups: dict[tuple[str, ...], list[tuple[str, list[Any]]]] = {(): []}
        merges: list[tuple[tuple[str, ...], list[Any]]] = []
        for aim, column in self.filled:
            chosen = column if len(rows) == self.size else [column[row] for row in rows]
            if aim.merge:
                merges.append((aim.path, chosen))
            else:
                groups.setdefault(aim.path[:-1], []).append((aim.path[-1], chosen))
        parts = {path: _members(group, len(rows)) for path, group in groups.items()}
        for path, column in merges:
            for own, more in zip(_part(parts, path, len(rows)), column, strict=True):
                for name, value in (more or {}).items():
                    own.setdefault(name, value)
        return _nested(parts, len(rows))


def _members(group: Sequence[tuple[str, list[Any]]], size: int) -> list[dict[str, Any]]:
    """One flat object for each row, of those members that have a value."""
    if not group:
        return [{} for _ in range(size)]
    names = [name for name, _ in group]
    rows = zip(*(column for _, column in group), strict=True)
    return [{n: v for n, v in zip(names, row, strict=True) if v is not None} for row in rows]


def _part(parts: dict[tuple[str, ...], list[dict[str, Any]]], path: tuple[str, ...], size: int) -> list[dict[str, Any]]:
    if path not in parts:
        parts[path] = [{} for _ in range(size)]
    return parts[path]


def _nested(parts: dict[tuple[str, ...], list[dict[str, Any]]], size: int) -> list[dict[str, Any]]:
    """Each part put into the one around it, the innermost first; empty ones are left out."""
    for depth in range(max(map(len, parts)), 0, -1):
        for path in [path for path in parts if len(path) == depth]:
            for outer, inner in zip(_part(parts, path[:-1], size), parts[path], strict=True):
                if inner:
                    outer[path[-1]] = inner
    return parts[()]
