"""The destination's mapping with the pipeline's overrides and constants, checked against schema and settings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from order_relay.errors import ConfigurationError
from order_relay.orders.mapping.columns import column_of
from order_relay.orders.mapping.mapping_rules import CodeTables, MappingRule, merge_rules, parse_rules
from order_relay.orders.payload.builder import PayloadTarget, resolve_target
from order_relay.orders.payload.checks.card_fields import CARD_FIELD_PATTERN, find_card_fields, is_masked
from order_relay.orders.payload.checks.checked_paths import require_checked_paths
from order_relay.orders.payload.checks.payload_checks import PayloadCheck
from order_relay.orders.payload.constants import Constant, Constants
from order_relay.orders.payload.custom_fields import CustomFields
from order_relay.orders.payload.derivation import ORDER_DERIVED
from order_relay.orders.payload.hooks import PayloadHooks
from order_relay.orders.payload.items.amount_plan import AmountPlan, read_choice
from order_relay.orders.payload.items.item_columns import ITEM_DERIVED
from order_relay.orders.payload.transform_settings import TransformSettings
from order_relay.orders.schema.validator import VendorFormat
from order_relay.orders.suggestions import did_you_mean


@dataclass
class ListSpec:
    """Rules that fill the entries of a list other than the items.

    ``column``: the order's column that holds one object per entry; without it there is a single entry.
    """

    name: str
    targets: list[PayloadTarget]
    column: str = ""

    def member(self, path: str) -> str:
        """The member of an entry that a path such as ``payments[].amount`` reads; empty for columns of the order."""
        return path.removeprefix(f"{self.column}[].") if self.column and path.startswith(f"{self.column}[].") else ""


class PayloadSpec:
    """How payloads are filled and checked: the targets of the order, of its items and of other lists.

    The destination's mapping file names its list of items (``items``), its key field (``key``) and the rules of the
    last check (``checks``). Raises ``ConfigurationError`` if anything does not fit.
    """

    def __init__(
        self,
        destination: VendorFormat,
        settings: TransformSettings,
        hooks: PayloadHooks,
        tables: CodeTables,
        *,
        order_columns: Iterable[str],
        line_columns: Iterable[str],
        with_members: Collection[str] = (),
        unmapped: Collection[str] = (),
    ) -> None:
        """``with_members``: columns that hold objects or lists, into which paths may lead. ``unmapped``: columns that
        no rule of the source fills."""
        self._with_members = with_members
        over = settings.overrides
        self._settings = settings
        self._read_status = hooks.read_status
        self.format = hooks.adapt_format(destination, settings) if hooks.adapt_format else destination
        mapping = self.format.mapping
        self._where = where = settings.named(f"mapping of {destination.name}")
        self.items = str(mapping.get("items", ""))
        self.key = str(mapping.get("key", ""))
        if not self.items or not self.key:
            raise ConfigurationError(
                f"{where}: needs 'items' and 'key', the names of the list of items and of the key field"
            )
        raw = merge_rules(mapping.get("fields", ()), over.destination.get("fields", ()), where)
        constants = self._constants(raw, over.constants, over.destination.get("fields", ()))
        own = {one.target for one in constants}
        values = settings.rule_values()
        given = parse_rules([rule for rule in raw if rule["target"] not in own], tables, values, where)
        fixed = [(MappingRule(one.target, value=one.value), one.parts) for one in constants]
        rules: list[tuple[MappingRule, tuple[str, ...]]] = [*fixed, *((rule, ()) for rule in given)]
        self.rules = plain = [rule for rule, _ in rules]
        _no_cards(plain, where)
        exact = read_choice(mapping, "free_keys", ("any_case", "exact"), values, where) == "exact"
        self.keys = CustomFields(exact=exact)
        self.amounts = AmountPlan.from_mapping(mapping.get("amounts", {}), values, f"{where}: amounts")
        self.check = PayloadCheck(
            mapping.get("checks"),
            self.items,
            settings,
            hooks,
            each_unit=self.amounts.each_unit,
            where=f"{where}: checks",
        )
        _fixed_members(plain, self.check, values, where)
        _check_constants(plain, settings, hooks, where, unmapped)
        self._lay_out(rules, {*order_columns, *ORDER_DERIVED, *hooks.derived}, {*line_columns, *ITEM_DERIVED})
        known = {*order_columns, *line_columns, *ORDER_DERIVED, *ITEM_DERIVED, *hooks.derived}
        require_checked_paths(mapping, self.format.schema, known, where)
        self.item_columns = {column_of(path, known) for aim in self.item_targets for path in aim.rule.paths}
        self.sources = {rule.target: [column_of(path, known) for path in rule.paths] for rule in plain}

    def status(self, payload: Mapping[str, Any]) -> str:
        """The order status in a payload; empty if the destination has none."""
        return self._read_status(payload, self._settings) if self._read_status is not None else ""

    def _constants(
        self, rules: Sequence[Mapping[str, Any]], constants: Mapping[str, Any], own: Sequence[Mapping[str, Any]]
    ) -> list[Constant]:
        """The constants of the pipeline's file, one per member."""
        mapped = {str(rule["target"]).partition("[]")[0] for rule in rules if "[]" in rule["target"]}
        found = Constants(self.format.schema, self.items, mapped - {self.items}, self._where).expand_constants(
            constants
        )
        ruled = {rule["target"] for rule in own if not rule.get("drop")}
        for one in found:
            if one.target in ruled:
                raise ConfigurationError(
                    f"{self._where}: {one.target!r} is set under mapping.constants and by a rule under "
                    "mapping.destination.fields; remove one of them"
                )
        return found

    def _lay_out(
        self, rules: Sequence[tuple[MappingRule, tuple[str, ...]]], known: set[str], of_items: set[str]
    ) -> None:
        """Group the rules by what they fill: the order, its items, or the entries of another list."""
        self.item_targets: list[PayloadTarget] = []
        self.order_targets: list[PayloadTarget] = []
        self.lists: dict[str, ListSpec] = {}
        for rule, parts in rules:
            first = parts[0] if parts else rule.target.partition(".")[0]
            name = first.removesuffix("[]") if first.endswith("[]") else ""
            aim = resolve_target(rule, self.format.schema, name, self._where, parts)
            if name == self.items:
                group, columns = self.item_targets, known | of_items
            elif name:
                form = self.lists.setdefault(name, ListSpec(name, []))
                group, columns = form.targets, known | self._entry_paths(form, rule, known)
            else:
                group, columns = self.order_targets, known
            self._columns_exist(rule, columns)
            self._condition_exists(rule, group)
            group.append(aim)
        for aim in self.order_targets:
            if aim.rule.target in (self.items, *self.lists):
                raise ConfigurationError(
                    f"{self._where}, target {aim.rule.target!r}: other rules fill the entries of this "
                    "list; remove the rule or the others"
                )

    def _entry_paths(self, form: ListSpec, rule: MappingRule, known: set[str]) -> set[str]:
        """Paths through a list of the order. All rules of a payload list must use the same list."""
        paths = {path for path in rule.paths if "[]." in path}
        for path in paths:
            column = path.partition("[].")[0]
            if column not in known or form.column not in ("", column) or "[]" in path.partition("[].")[2]:
                raise ConfigurationError(
                    f"{self._where}, target {rule.target!r}: the path {path!r} must go through one column "
                    f"of the order, the same for all rules of '{form.name}[]'"
                )
            form.column = column
        return paths

    def _columns_exist(self, rule: MappingRule, known: set[str]) -> None:
        for path in rule.paths:
            name = column_of(path, known)
            if not name:
                raise ConfigurationError(
                    f"{self._where}, target {rule.target!r}: unknown column {path!r}{did_you_mean(path, sorted(known))}"
                )
            if name not in (path, *self._with_members):
                raise ConfigurationError(
                    f"{self._where}, target {rule.target!r}: no path {path!r}, because the column {name!r} holds a "
                    "single value"
                )

    def _condition_exists(self, rule: MappingRule, group: Sequence[PayloadTarget]) -> None:
        if rule.when is None:
            return
        earlier = [aim.rule.target for aim in group]
        if rule.when[0] not in earlier:
            raise ConfigurationError(
                f"{self._where}, target {rule.target!r}: when names {rule.when[0]!r}, which is not the "
                f"target of an earlier rule of the same part{did_you_mean(rule.when[0], earlier)}"
            )


def _no_cards(rules: Sequence[MappingRule], where: str) -> None:
    for rule in rules:
        named = CARD_FIELD_PATTERN.search(rule.target) and not is_masked(rule.value)
        if named or any(find_card_fields(rule.value, "")):
            raise ConfigurationError(f"{where}, target {rule.target!r}: card data is never sent; use a masked constant")


def _fixed_members(rules: Sequence[MappingRule], check: PayloadCheck, values: Mapping[str, Any], where: str) -> None:
    """Raise for constants that the last check would reject in every order."""
    for rule in rules:
        constant = not rule.paths
        origin = check.fixed.get(rule.target, "")
        setting = origin.removeprefix("settings.")
        wanted = values[setting] if setting != origin else None
        if constant and (origin == "destination_key" or (wanted is not None and rule.value != wanted)):
            raise ConfigurationError(
                f"{where}, target {rule.target!r}: must be {origin.replace('_', ' ')}, by which orders "
                "are sent and looked up; a constant cannot replace it"
            )


def _check_constants(
    rules: Sequence[MappingRule],
    settings: TransformSettings,
    hooks: PayloadHooks,
    where: str,
    unmapped: Collection[str],
) -> None:
    if hooks.check_constants is None:
        return
    constants = {rule.target: rule.value for rule in rules if not rule.paths}
    empty = {*unmapped, *(name for name, origin in hooks.derived.items() if origin in unmapped)}
    filled = {
        rule.target
        for rule in rules
        if not empty.issuperset(rule.paths) or rule.value is not None or rule.default is not None
    }
    for target, problem in hooks.check_constants(constants, filled, settings):
        raise ConfigurationError(f"{where}, target {target!r}: {problem}")
