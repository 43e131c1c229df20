"""Prepares a source's mapping rules and checks the whole mapping, so that nothing in it is ignored."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from order_relay.errors import ConfigurationError
from order_relay.orders.mapping.canonical import CanonicalReader
from order_relay.orders.mapping.mapping_rules import (
    DESTINATION_ONLY_KEYS,
    CodeTables,
    merge_rules,
    merge_tables,
    parse_rules,
)
from order_relay.orders.mapping.source_paths import MappingFiles, SourcePaths
from order_relay.orders.paths import through_list
from order_relay.orders.payload.derivation import ORDER_DERIVED
from order_relay.orders.payload.items.item_columns import ITEM_DERIVED
from order_relay.orders.payload.transform_settings import TransformSettings
from order_relay.orders.schema.validator import VendorFormat
from order_relay.orders.suggestions import did_you_mean

_SECTIONS = {
    "source": ("order", "lines", "gate", "history_gate", "members"),
    "source.lines": ("each", "fields"),
    "destination": ("fields",),
}
"""Keys that a pipeline's file may have under ``mapping``."""

_CALCULATED = {"scale", "order", "position", "promotion", *ORDER_DERIVED, *ITEM_DERIVED} - {"destination_key"}
"""Calculated columns, for which there must be no rule."""


def build_tables(source: VendorFormat, destination: VendorFormat, settings: TransformSettings) -> CodeTables:
    """The code tables of both mapping files, merged with the rows of the pipeline's file."""
    own = (source.mapping.get("tables", {}), destination.mapping.get("tables", {}))
    return merge_tables(*own, settings.overrides.tables)


def build_reader(
    source: VendorFormat, settings: TransformSettings, tables: CodeTables, derived: Collection[str] = ()
) -> CanonicalReader:
    """A reader with the source's rules and the pipeline's own. ``derived``: columns that the destination's hooks add.

    Raises ``ConfigurationError`` if the rules do not fit.
    """
    over = settings.overrides.source
    where = settings.named(f"mapping of {source.name}")
    lines = source.mapping.get("lines") or {}
    more = over.get("lines") or {}
    each = more.get("each") or lines.get("each")
    if not isinstance(each, str) or through_list(each):
        raise ConfigurationError(f"{where}: lines.each must be the path of the list of lines, such as order.lines")
    values = settings.rule_values()
    orders = merge_rules(source.mapping.get("order", ()), over.get("order", ()), where)
    fields = merge_rules(lines.get("fields", ()), more.get("fields", ()), f"{where}, lines")
    for rule in (*orders, *fields):
        if rule["target"] in {*_CALCULATED, *derived}:
            raise ConfigurationError(
                f"{where}: target {rule['target']!r} is calculated and cannot be mapped; use another name"
            )
    return CanonicalReader(
        parse_rules(orders, tables, values, where, DESTINATION_ONLY_KEYS),
        parse_rules(fields, tables, values, f"{where}, lines", DESTINATION_ONLY_KEYS),
        each,
    )


def source_reader(source: VendorFormat, destination: VendorFormat, settings: TransformSettings) -> CanonicalReader:
    """A reader of ``source`` documents with these settings. Needs no connection.

    Raises ``ConfigurationError`` if mappings and overrides do not fit together.
    """
    return build_reader(source, settings, build_tables(source, destination, settings))


def check_setup(
    source: VendorFormat, destination: VendorFormat, settings: TransformSettings, reader: CanonicalReader
) -> None:
    """Raise ``ConfigurationError``, with near matches, for unknown paths, keys and tables."""
    over = settings.overrides
    lines = over.source.get("lines") or {}
    for name, section in (("source", over.source), ("source.lines", lines), ("destination", over.destination)):
        if not isinstance(section, Mapping):
            raise ConfigurationError(f"{settings.named(f'mapping.{name}')}: must be an object")
        for key in section:
            if key not in _SECTIONS[name]:
                near, allowed = did_you_mean(str(key), _SECTIONS[name]), ", ".join(_SECTIONS[name])
                context = settings.named(f"mapping.{name}.{key}")
                raise ConfigurationError(f"{context}: unknown key{near}; allowed: {allowed}")
    _tables_are_used(source, destination, settings)
    files = MappingFiles(f"vendors/{source.name}/mapping.yaml", settings.file or "the pipeline's file")
    paths = SourcePaths(source.schema, over.source.get("members", ()), files)
    paths.require(reader.each, f"{files.of('each' in lines)}: lines.each")
    paths.check_rules(reader.orders, "", over.source.get("order"))
    paths.check_rules(reader.lines, f"{reader.each}[].", lines.get("fields"))
    paths.check_identity(source.mapping.get("identity"))
    for gate in ("gate", "history_gate"):
        paths.check_eligibility(over.source.get(gate, source.mapping.get(gate)), own=gate in over.source, name=gate)


def _tables_are_used(source: VendorFormat, destination: VendorFormat, settings: TransformSettings) -> None:
    known = table_names(source, destination, settings)
    for name in settings.overrides.tables:
        if name not in known:
            near = did_you_mean(name, known)
            raise ConfigurationError(f"{settings.named(f'tables.{name}')}: no rule uses this code table{near}")


def table_names(source: VendorFormat, destination: VendorFormat, settings: TransformSettings) -> list[str]:
    """The code tables of the vendors' files, and those that rules of the pipeline's file use, sorted."""
    own = {*source.mapping.get("tables", {}), *destination.mapping.get("tables", {})}
    return sorted(own | set(_named_tables([settings.overrides.source, settings.overrides.destination])))


def _named_tables(node: Any) -> Iterable[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("table"), str):
            yield node["table"]
        for member in node.values():
            yield from _named_tables(member)
    elif isinstance(node, list | tuple):
        for member in node:
            yield from _named_tables(member)
