"""Checks that the members and columns exist which a destination's section ``checks`` names; else it never applies."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from order_relay.errors import ConfigurationError
from order_relay.orders.schema.schema_paths import subschema_at, suggest_targets
from order_relay.orders.suggestions import did_you_mean


def require_checked_paths(
    mapping: Mapping[str, Any], schema: Mapping[str, Any], columns: Collection[str], where: str
) -> None:
    """Raise ``ConfigurationError`` with ``where``, the key, the path and near matches.

    ``mapping``: a destination's mapping file. ``columns``: those that an order has.
    """
    for key, path in _paths(mapping):
        if subschema_at(schema, path) is None:
            raise ConfigurationError(
                f"{where}: {key}: the destination's schema has no member {path!r}{suggest_targets(schema, path)}"
            )
    for member, origin in mapping.get("checks", {}).get("same", {}).items():
        if not origin.startswith("settings.") and origin not in columns:
            raise ConfigurationError(
                f"{where}: checks.same.{member}: unknown column {origin!r}{did_you_mean(origin, sorted(columns))}"
            )


def _paths(mapping: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each key with a path that it names."""
    items, checks = mapping["items"], mapping.get("checks", {})
    money = checks.get("money", {})
    yield "items", f"{items}[]"
    yield "key", mapping["key"]
    for key, paths in (
        ("same", checks.get("same", {})),
        ("no_card_data", checks.get("no_card_data", ())),
        ("unique", [f"{items}[].{path}" for path in checks.get("unique", ())]),
    ):
        for path in paths:
            yield f"checks.{key}", path
    for key, given in money.items():
        for path in (given,) if isinstance(given, str) else given:
            yield f"checks.money.{key}", f"{items}[].{path}" if key.startswith("item_") else path
