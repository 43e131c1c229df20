"""Places in a JSON Schema: whether a vendor's documents have a member, and which names are near one they lack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from order_relay.orders.suggestions import did_you_mean

_MAX_DEPTH = 6


def subschema_at(schema: Mapping[str, Any], path: str | Sequence[str]) -> Mapping[str, Any] | None:
    """The subschema at a path such as ``orderItems[].product.name``, or ``None``. Names as a sequence may hold dots."""
    here: Any = schema
    for part in path.split(".") if isinstance(path, str) else path:
        name = part.removesuffix("[]")
        here = _member(schema, here, name)
        if part.endswith("[]") and here is not None:
            here = next(
                (_resolve_reference(schema, one["items"]) for one in _branches(schema, here) if "items" in one), None
            )
        if here is None:
            return None
    return here  # type: ignore[no-any-return]


def _member(schema: Mapping[str, Any], here: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    for one in _branches(schema, here):
        members = one.get("properties", {})
        found = _resolve_reference(schema, members[name] if name in members else one.get("additionalProperties"))
        if found is not None:
            return found
    return None


def _branches(schema: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The subschema itself, and the alternatives it names."""
    yield here
    for keyword in ("anyOf", "oneOf"):
        for one in here.get(keyword, ()):
            found = _resolve_reference(schema, one)
            if found is not None:
                yield from _branches(schema, found)


def _resolve_reference(schema: Mapping[str, Any], here: Any) -> Mapping[str, Any] | None:
    while isinstance(here, Mapping) and "$ref" in here:
        found: Any = schema
        for part in here["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        here = found
    return here if isinstance(here, Mapping) else None


def list_schema_paths(schema: Mapping[str, Any]) -> list[str]:
    """The path of every member that a schema names; ``[]`` behind lists."""
    return list(_paths(schema, schema, "", 0))


def _paths(schema: Mapping[str, Any], here: Mapping[str, Any], before: str, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        return
    for way in _branches(schema, here):
        for name, member in way.get("properties", {}).items():
            yield before + name
            found = _resolve_reference(schema, member) or {}
            yield from _paths(schema, found, f"{before}{name}.", depth + 1)
            for one in _branches(schema, found):
                entry = _resolve_reference(schema, one.get("items"))
                if entry is not None:
                    yield from _paths(schema, entry, f"{before}{name}[].", depth + 1)


def suggest_targets(schema: Mapping[str, Any], path: str) -> str:
    """Words that name members near one that a schema lacks."""
    return did_you_mean(path, list_schema_paths(schema))
