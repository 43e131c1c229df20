"""The destination's mapping with the pipeline's overrides and constants, checked against schema and settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from order_relay.errors import ConfigurationError
from order_relay.orders.mapping.mapping_rules import CodeTables, MappingRule, merge_rules, parse_rules
from order_relay.orders.payload.builder import PayloadTarget, resolve_target
from order_relay.orders.payload.constants import Constant, Constants
from order_relay.orders.payload.derivation import ITEM_DERIVED, ORDER_DERIVED
from order_relay.orders.payload.payload_checks import CARD_FIELD_PATTERN, PayloadCheck, find_card_fields, is_masked
from order_relay.orders.payload.transform_settings import TransformSettings, is_public_ipv4
from order_relay.orders.schema.schema_paths import subschema_at
from order_relay.orders.schema.validator import VendorFormat
from order_relay.orders.suggestions import did_you_mean


def setting_values(settings: TransformSettings) -> dict[str, Any]:
    """The values that rules can read as ``settings.x``."""
    values = settings.model_dump(exclude={"overrides", "charges"})
    values["sent_status"] = settings.sent_status
    return values


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

    The destination's mapping file names its list of items (``items``), its status field (``status``), its key field
    (``key``), the members that a status requires (``needs``) and the rules of the last check (``checks``). Raises
    ``ConfigurationError`` if anything does not fit.
    """

    def __init__(
        self,
        destination: VendorFormat,
        settings: TransformSettings,
        tables: CodeTables,
        order_columns: Iterable[str],
        line_columns: Iterable[str],
    ) -> None:
        over = settings.overrides
        mapping = destination.mapping
        self._where = where = settings.named(f"mapping of {destination.name}")
        self.items = str(mapping.get("items", ""))
        self.key = str(mapping.get("key", ""))
        status = str(mapping.get("status", ""))
        if not self.items or not self.key:
            raise ConfigurationError(
                f"{where}: needs 'items' and 'key', the names of the list of items and of the key field"
            )
        self.format = _with_status_values(destination, status, settings)
        raw = merge_rules(mapping.get("fields", ()), over.destination.get("fields", ()), where)
        raw = [{**rule, "target": settings.status_field} if rule["target"] == status else rule for rule in raw]
        constants = self._constants(raw, over.constants, over.destination.get("fields", ()))
        own = {one.target for one in constants}
        values = setting_values(settings)
        given = parse_rules([rule for rule in raw if rule["target"] not in own], tables, values, where)
        fixed = [(MappingRule(one.target, value=one.value), one.parts) for one in constants]
        rules: list[tuple[MappingRule, tuple[str, ...]]] = [*fixed, *((rule, ()) for rule in given)]
        plain = [rule for rule, _ in rules]
        _no_cards(plain, where)
        needs = mapping.get("needs") or {}
        self.check = PayloadCheck(
            mapping.get("checks"), self.items, settings, values=values, needs=needs, where=f"{where}: checks"
        )
        _fixed_members(plain, self.check, values, where)
        _status_fits(plain, needs, self.format, settings)
        self._lay_out(rules, {*order_columns, *ORDER_DERIVED}, {*line_columns, *ITEM_DERIVED})
        self.item_columns = {path for aim in self.item_targets for path in aim.rule.paths}
        self._status_field = settings.status_field
        self._status_words = {spelled: word for word, spelled in settings.status_values.items()}
        self.sources = {rule.target: rule.paths for rule in plain}

    def payload_status(self, payload: Mapping[str, Any]) -> str:
        """The order status in a payload, as the setting ``order_status`` spells it; "" for none."""
        status = payload.get(self._status_field)
        return self._status_words.get(status, status) if isinstance(status, str) else ""

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
            if path not in known:
                raise ConfigurationError(
                    f"{self._where}, target {rule.target!r}: unknown column {path!r}{did_you_mean(path, sorted(known))}"
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
        if rule.target in check.public and constant and rule.value is not None and not is_public_ipv4(str(rule.value)):
            raise ConfigurationError(
                f"{where}, target {rule.target!r}: must be a public IPv4 address, not an internal or reserved one"
            )


def _with_status_values(destination: VendorFormat, status: str, settings: TransformSettings) -> VendorFormat:
    """The format with the name and values of the status field as another platform spells them."""
    if not status or (settings.status_field == status and not settings.status_values):
        return destination
    schema = dict(destination.schema)
    members = dict(schema["properties"])
    members.pop(status, None)
    allowed = sorted(set(settings.status_values.values())) or destination.schema["properties"][status]["enum"]
    members[settings.status_field] = {"enum": allowed}
    schema["properties"] = members
    schema["required"] = [settings.status_field if name == status else name for name in schema.get("required", ())]
    return VendorFormat(destination.name, schema, destination.mapping)


def _status_fits(
    rules: Sequence[MappingRule], needs: Mapping[str, Sequence[str]], form: VendorFormat, settings: TransformSettings
) -> None:
    subschema = subschema_at(form.schema, settings.status_field)
    allowed = (subschema or {}).get("enum", [settings.sent_status])
    if settings.sent_status not in allowed:
        raise ConfigurationError(f"order_status: must be one of {', '.join(map(str, allowed))}")
    # A constant replaces the setting; a value that a rule reads is checked order by order (``payload_checks``).
    sent = next((rule.value for rule in rules if rule.target == settings.status_field and not rule.paths), None)
    spelled = {settings.status_values.get(status, status): status for status in needs}
    given = {rule.target for rule in rules if rule.paths or rule.value is not None or rule.default is not None}
    status = spelled.get(sent, "") if isinstance(sent, str) else ""
    for needed in needs.get(status, ()):
        if needed not in given:
            raise ConfigurationError(
                f"order_status {status} requires {needed}: set it in the pipeline's file or by a mapping rule"
            )
