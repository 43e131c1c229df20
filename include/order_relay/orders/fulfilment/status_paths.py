"""Checks that the schema of a vendor's status records has the names that a mapping reads, to detect mistyped names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from order_relay.orders.fulfilment.status_records import EntryFields, StatusMapping
from order_relay.orders.mapping.source_paths import MappingFiles, SourcePaths

MEMBERS_KEY = "members"
"""Key of the section ``mapping`` of an account's file: paths in its records that the schema lacks."""


def check_field_names(shape: StatusMapping, schema: Mapping[str, Any], declared: Any, file: str) -> None:
    """Raise ``ConfigurationError`` with file, key, path and near matches if the schema lacks a name.

    ``declared``: the paths that the account's file adds to the schema.
    """
    paths = SourcePaths(schema, declared, MappingFiles(file, file, f"mapping.{MEMBERS_KEY}"))
    for key, path in _paths(shape):
        paths.require(path, f"{file}: mapping.{key}")


def _paths(shape: StatusMapping) -> Iterator[tuple[str, str]]:
    """Each key of the mapping with the path that it reads."""
    yield "order_id", shape.order_id
    yield "error", shape.error
    for number, one in enumerate(shape.lists):
        key = f"lists[{number}]"
        yield f"{key}.list", one.list
        yield from _of_entry(one.entry, key, one.list)
    parcels = shape.parcels
    yield "parcels.list", parcels.list
    yield "parcels.parcel", f"{parcels.list}[].{parcels.parcel}"
    yield "parcels.history", f"{parcels.list}[].{parcels.history}"
    yield from _of_entry(parcels.entry, "parcels", f"{parcels.list}[].{parcels.history}")


def _of_entry(entry: EntryFields, key: str, within: str) -> Iterator[tuple[str, str]]:
    for member, name in entry.model_dump().items():
        if name:
            yield f"{key}.entry.{member}", f"{within}[].{name}"
