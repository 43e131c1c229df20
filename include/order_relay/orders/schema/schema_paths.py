"""Looks up paths in a JSON Schema: the subschema of a member, and near matches for an unknown one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from order_relay.orders.paths import Step, parse_path
from order_relay.orders.suggestions import did_you_mean

_MAX_DEPTH = 6


def subschema_at(schema: Mapping[str, Any], path: str | Sequence[str]) -> Mapping[str, Any] | None:
    """The subschema at a path (``orders.paths``), or ``None``. The members that selectors name must exist, too.

    A path given as a sequence of names, of which a list's ends with ``[]``, may contain names with dots.
    """
    if isinstance(path, str):
        steps = parse_path(path)
    else:
        steps = tuple(Step(name.removesuffix("[]"), name.endswith("[]")) for name in path)
    return _descend(schema, schema, steps)


def _descend(
    schema: Mapping[str, Any], subschema: Mapping[str, Any] | None, steps: Iterable[Step]
) -> Mapping[str, Any] | None:
    for step in steps:
        subschema = None if subschema is None else _member(schema, subschema, step.name)
        if step.each and subschema is not None:
            elements = (branch["items"] for branch in _branches(schema, subschema) if "items" in branch)
            subschema = _resolve_reference(schema, next(elements, None))
        if step.member and _descend(schema, subschema, parse_path(step.member)) is None:
            return None
    return subschema


def _member(schema: Mapping[str, Any], subschema: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    for branch in _branches(schema, subschema):
        members = branch.get("properties", {})
        resolved = _resolve_reference(schema, members[name] if name in members else branch.get("additionalProperties"))
        if resolved is not None:
            return resolved
    return None


def _branches(schema: Mapping[str, Any], subschema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The subschema itself and its parts (``allOf``) or alternatives (``anyOf``, ``oneOf``)."""
    yield subschema
    for keyword in ("allOf", "anyOf", "oneOf"):
        for branch in subschema.get(keyword, ()):
            resolved = _resolve_reference(schema, branch)
            if resolved is not None:
                yield from _branches(schema, resolved)


def _resolve_reference(schema: Mapping[str, Any], subschema: Any) -> Mapping[str, Any] | None:
    while isinstance(subschema, Mapping) and "$ref" in subschema:
        resolved: Any = schema
        for part in subschema["$ref"].removeprefix("#/").split("/"):
            resolved = resolved[part]
        subschema = resolved
    return subschema if isinstance(subschema, Mapping) else None


def list_schema_paths(schema: Mapping[str, Any]) -> list[str]:
    """The path of every member that a schema names; a list's name ends with ``[]``."""
    return list(_paths(schema, schema, "", 0))


def _paths(schema: Mapping[str, Any], subschema: Mapping[str, Any], before: str, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        return
    for branch in _branches(schema, subschema):
        for name, member in branch.get("properties", {}).items():
            yield before + name
            resolved = _resolve_reference(schema, member) or {}
            yield from _paths(schema, resolved, f"{before}{name}.", depth + 1)
            for alternative in _branches(schema, resolved):
                entry = _resolve_reference(schema, alternative.get("items"))
                if entry is not None:
                    yield from _paths(schema, entry, f"{before}{name}[].", depth + 1)


def suggest_targets(schema: Mapping[str, Any], path: str) -> str:
    """The end of a message: members of the schema with names similar to an unknown ``path``; may be empty."""
    return did_you_mean(path, list_schema_paths(schema))
