"""The destination's rules made ready: with a firm's overrides and constants, checked against schema and settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from order_relay.errors import WrongSetup
from order_relay.orders.judging import VendorFormat
from order_relay.orders.mapping import Rule, Tables, merged_rules, parse_rules
from order_relay.orders.payloads import ITEM_DERIVED, ORDER_DERIVED, Target, place_in, target
from order_relay.orders.transform_settings import TransformSettings

_CARD = re.compile(r"card_?number|security_?code|cvv|cvc", re.IGNORECASE)
_MASKED = re.compile(r"0{9,15}[0-9]{1,4}", re.ASCII)
"""A card number that is none: zeros and at most four digits, as the vendor's own example of a no-operation shows."""


def settings_of(settings: TransformSettings) -> dict[str, Any]:
    """What rules can read as ``settings.x``."""
    values = settings.model_dump(exclude={"overrides"})
    values["sent_status"] = settings.sent_status
    return values


class SendingForm:
    """How payloads are filled: targets of the order, of its items, and the schema that judges the result.

    The destination's mapping file names its list of items (``items``), its field for the status (``status``), its field
    for the key (``key``) and what a status needs (``needs``). Raises ``WrongSetup`` where anything does not fit.
    """

    def __init__(
        self, destination: VendorFormat, settings: TransformSettings, tables: Tables,
        order_columns: Iterable[str], line_columns: Iterable[str],
    ) -> None:  # fmt: skip
        over = settings.overrides
        where = f"mapping of {destination.name}"
        self.items = str(destination.mapping.get("items", ""))
        self.key = str(destination.mapping.get("key", ""))
        status = str(destination.mapping.get("status", ""))
        if not self.items or not self.key:
            raise WrongSetup(f"{where}: needs 'items' and 'key', the names of its list of items and of its key")
        self.format = _respelled(destination, status, settings)
        constants = [{"target": path, "value": value} for path, value in over.constants.items()]
        raw = merged_rules(destination.mapping.get("fields", ()), [*over.destination.get("fields", ()), *constants])
        raw = [{**rule, "target": settings.status_field} if rule["target"] == status else rule for rule in raw]
        rules = parse_rules(raw, tables, settings_of(settings), where)
        _no_cards(rules, where)
        _status_fits(rules, destination.mapping, self.format, settings)
        prefix = f"{self.items}[]."
        self.item_targets: list[Target] = []
        self.order_targets: list[Target] = []
        known = {*order_columns, *ORDER_DERIVED}
        known_of_items = {*known, *line_columns, *ITEM_DERIVED}
        for rule in rules:
            of_item = rule.target.startswith(prefix)
            _columns_exist(rule, known_of_items if of_item else known, where)
            aim = target(rule, self.format.schema, prefix, where)
            (self.item_targets if of_item else self.order_targets).append(aim)
        self.item_columns = {path for aim in self.item_targets for path in aim.rule.paths}
        self.sources = {aim.rule.target: aim.rule.paths for aim in (*self.order_targets, *self.item_targets)}

    def wrap(self, payload: dict[str, Any], items: list[dict[str, Any]]) -> dict[str, Any]:
        """The payload with its items, and lists of one where targets said ``name[]``."""
        whole = {name.removesuffix("[]"): [value] if name.endswith("[]") else value for name, value in payload.items()}
        whole[self.items] = items
        return whole


def _columns_exist(rule: Rule, known: set[str], where: str) -> None:
    for path in rule.paths:
        if path not in known:
            raise WrongSetup(f"{where}, target {rule.target!r}: there is no column {path!r}")


def _no_cards(rules: Sequence[Rule], where: str) -> None:
    for rule in rules:
        if _CARD.search(rule.target) and not (isinstance(rule.value, str) and _MASKED.fullmatch(rule.value)):
            raise WrongSetup(f"{where}, target {rule.target!r}: card data is never sent; only a masked constant may be")


def _respelled(destination: VendorFormat, status: str, settings: TransformSettings) -> VendorFormat:
    """The same format with the status field's other name and values, for a platform that spells them otherwise."""
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
    rules: Sequence[Rule], mapping: Mapping[str, Any], form: VendorFormat, settings: TransformSettings
) -> None:
    place = place_in(form.schema, settings.status_field)
    allowed = (place or {}).get("enum", [settings.sent_status])
    if settings.sent_status not in allowed:
        raise WrongSetup(f"order_status: must be one of {', '.join(map(str, allowed))}")
    given = {rule.target for rule in rules if rule.paths or rule.value is not None or rule.default is not None}
    for needed in (mapping.get("needs") or {}).get(settings.order_status, ()):
        if needed not in given:
            raise WrongSetup(f"order_status {settings.order_status} needs {needed}: set it in the config or by a rule")
