"""Which values of an order an operator may correct, and the members of the source's document behind them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from order_relay.errors import ConfigurationError, RecordRejectedError
from order_relay.orders.empty_values import is_empty
from order_relay.orders.mapping.canonical import ORDER_COLUMNS, PARTY_FIELDS
from order_relay.orders.mapping.converters import number_as_text
from order_relay.orders.mapping.mapping_rules import MappingRule
from order_relay.orders.paths import is_blocked, iterate_values
from order_relay.orders.suggestions import suggest

CORRECTABLE: tuple[str, ...] = (
    "customer_po",
    "ship_via",
    "requested_ship_date",
    "notes",
    *(f"{side}_{part}" for side in ("bill", "ship") for part in PARTY_FIELDS),
)
"""Columns of the canonical order that may be corrected. Identities, lines and amounts are not among them, and must
never be."""

UNCHANGEABLE = frozenset(ORDER_COLUMNS) - set(CORRECTABLE)
"""Columns that no correction may change, not even through a member that a correctable column reads as well."""

MAX_OLD = 2_000
"""Maximum characters kept of a replaced value."""


class FieldCorrection(NamedTuple):
    """One corrected field. ``old``: the archived value; ``new``: empty if the value is removed. Personal data."""

    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class FieldValue:
    """A correctable field with its archived value (personal data). ``problem``: why it cannot be corrected here."""

    name: str
    value: str = field(default="", repr=False)
    problem: str = ""


def require_correctable(names: Iterable[str]) -> None:
    """Raise ``ConfigurationError`` for a field that may not be corrected."""
    for name in names:
        if name in UNCHANGEABLE:
            raise ConfigurationError(
                f"{name} cannot be corrected: identities, quantities and amounts are only changed in the source"
            )
        if name not in CORRECTABLE:
            raise ConfigurationError(f"unknown field {name!r}; {suggest(name, CORRECTABLE)}")


def field_problem(rule: MappingRule | None, document: Any) -> str:
    """Why the value that a rule reads cannot be corrected in this document; empty if it can."""
    if rule is None:
        return "the source's mapping has no rule for this field; add one to the pipeline's file (mapping.source.order)"
    if not rule.paths:
        return "the mapping sets a constant; change it in the pipeline's file"
    if rule.many:
        return f"the mapping reads it from a list ({rule.paths[0]}), where a single value cannot be replaced"
    if rule.verb not in {"first", "join"}:
        return f"the mapping combines several members ({', '.join(rule.paths)}), which cannot be replaced by one value"
    if any(is_blocked(document, path) for path in rule.paths):
        return f"something around {rule.paths[0]} in the order is not an object; correct the order in the source"
    return ""


def archived_value(rule: MappingRule, document: Any) -> str:
    """The value at a rule's paths as text, before it is converted; empty if there is none."""
    parts = [[value for value in iterate_values(document, path) if not is_empty(value)] for path in rule.paths]
    try:
        value = rule.combine(parts)
    except RecordRejectedError:
        value = [value for values in parts for value in values]
    return _as_text(value)[:MAX_OLD]


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return number_as_text(value) or json.dumps(value, ensure_ascii=False, default=str)


def list_fields(rules: Mapping[str, MappingRule], document: Any) -> list[FieldValue]:
    """All correctable fields of a document, in the order of ``CORRECTABLE``."""
    found = []
    for name in CORRECTABLE:
        rule = rules.get(name)
        value = archived_value(rule, document) if rule is not None and rule.paths and not rule.many else ""
        found.append(FieldValue(name, value, field_problem(rule, document)))
    return found
