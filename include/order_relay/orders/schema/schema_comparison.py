"""Compares two JSON Schemas of the same records, member by member.

Both must be expanded (``published_schema.expand_schema``). A member's path is ``lines[].product.name``; ``[]``
are the elements of an array, ``*`` the members of an object that are not named, and the whole record is ``""``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Rules = Mapping[str, Any]
"""The rules of a member: keywords of JSON Schema, and as booleans ``required``, ``closed`` (no further members) and
``not_null``."""

_LOWER = ("minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties")
_UPPER = ("maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties")
_ABSOLUTE = ("pattern", "format", "multipleOf", "const")
_FLAGS = ("required", "closed", "not_null", "uniqueItems")


class Direction(StrEnum):
    """What a difference means for orders.

    ``stricter``: the vendor may refuse what we send. ``looser``: we refuse what the vendor would take. ``other``:
    neither follows from the schemas.
    """

    STRICTER = "stricter"
    LOOSER = "looser"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class SchemaDifference:
    """One rule of one member. ``rule`` is ``member`` if only one side knows the member."""

    member: str
    rule: str
    ours: Any
    theirs: Any
    direction: Direction


def list_members(schema: Mapping[str, Any]) -> dict[str, Rules]:
    """Each member of the records by its path, with its rules."""
    return dict(_members(schema, "", required=False))


def _members(schema: Mapping[str, Any], path: str, *, required: bool) -> Iterator[tuple[str, Rules]]:
    rules = {name: schema[name] for name in (*_LOWER, *_UPPER, *_ABSOLUTE) if name in schema}
    rules |= {name: frozenset(map(_plain, schema[name])) for name in ("enum",) if isinstance(schema.get(name), list)}
    types = _types(schema.get("type", ()))
    if types:
        rules["type"] = types - {"null"}
    rules["not_null"] = bool(types) and "null" not in types
    rules["required"] = required
    rules["closed"] = schema.get("additionalProperties") is False
    rules["uniqueItems"] = schema.get("uniqueItems") is True
    yield path, rules
    named = schema.get("required", ())
    for name, member in schema.get("properties", {}).items():
        yield from _members(member, f"{path}.{name}" if path else name, required=name in named)
    for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from (found for found in _members(branch, path, required=False) if found[0] != path)
    if isinstance(schema.get("items"), Mapping):
        yield from _members(schema["items"], f"{path}[]", required=False)
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from _members(schema["additionalProperties"], f"{path}.*" if path else "*", required=False)


def compare_schemas(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[SchemaDifference]:
    """Every difference, in the order of our members, then members that only the other side knows."""
    mine, others = list_members(ours), list_members(theirs)
    found = [one for path in mine for one in _compare_member(path, mine[path], others)]
    found += [
        SchemaDifference(path, "member", None, "required" if rules["required"] else "optional", _unknown_here(rules))
        for path, rules in others.items()
        if path not in mine and _parent(path) in mine
    ]
    return found


def _unknown_here(rules: Rules) -> Direction:
    return Direction.STRICTER if rules["required"] else Direction.OTHER


def _compare_member(path: str, mine: Rules, others: Mapping[str, Rules]) -> Iterator[SchemaDifference]:
    theirs = others.get(path)
    if theirs is None:
        parent = others.get(_parent(path))
        if parent is not None and not path.endswith(("[]", "*")):
            refused = parent["closed"]
            direction = Direction.STRICTER if refused else Direction.OTHER
            yield SchemaDifference(path, "member", "known", "refused" if refused else None, direction)
        return
    for rule, direct in _DIRECTIONS.items():
        one, other = mine.get(rule), theirs.get(rule)
        if one != other:
            yield SchemaDifference(path, rule, one, other, direct(one, other))


def _parent(path: str) -> str:
    if path.endswith("[]"):
        return path.removesuffix("[]")
    return path.rpartition(".")[0]


def _lower(ours: Any, theirs: Any) -> Direction:
    return _side(stricter=ours is None or (theirs is not None and theirs > ours))


def _upper(ours: Any, theirs: Any) -> Direction:
    return _side(stricter=ours is None or (theirs is not None and theirs < ours))


def _absolute(ours: Any, theirs: Any) -> Direction:
    return Direction.OTHER if ours is not None and theirs is not None else _side(stricter=ours is None)


def _allowed(ours: Any, theirs: Any) -> Direction:
    """Sets of allowed values or types; ``None`` allows everything."""
    if ours is None or theirs is None:
        return _side(stricter=ours is None)
    if ours > theirs:
        return Direction.STRICTER
    return Direction.LOOSER if ours < theirs else Direction.STRICTER


def _flag(ours: Any, theirs: Any) -> Direction:
    return _side(stricter=bool(theirs))


def _side(*, stricter: bool) -> Direction:
    return Direction.STRICTER if stricter else Direction.LOOSER


_DIRECTIONS: Mapping[str, Callable[[Any, Any], Direction]] = {
    **dict.fromkeys(_FLAGS, _flag),
    "type": _allowed,
    "enum": _allowed,
    **dict.fromkeys(_LOWER, _lower),
    **dict.fromkeys(_UPPER, _upper),
    **dict.fromkeys(_ABSOLUTE, _absolute),
}


def _types(value: Any) -> frozenset[str]:
    """Allowed types; a number may be an integer."""
    found = frozenset([value] if isinstance(value, str) else value)
    return found | {"integer"} if "number" in found else found


def _plain(value: Any) -> Any:
    """A value that can be an element of a set."""
    return value if isinstance(value, str | int | float | bool | None) else repr(value)
