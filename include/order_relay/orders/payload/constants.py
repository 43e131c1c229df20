"""Constants of a pipeline's file: single values, and objects and lists that are merged with the mapping's values.

``customer: {phone2: "1"}`` sets one member of the customer and leaves the others to the mapping. Nothing is dropped: a
constant that cannot be merged is an error that gives the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from order_relay.errors import ConfigurationError
from order_relay.orders.schema.formats import FORMATS
from order_relay.orders.schema.schema_paths import subschema_at

PathParts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Constant:
    """A member of the payload with the same value in every order. ``parts``: names of its path; may contain dots."""

    parts: PathParts
    value: Any

    @property
    def target(self) -> str:
        """The target as a rule names it."""
        return ".".join(self.parts)


@dataclass(frozen=True)
class Constants:
    """Reads constants for payloads of a schema. ``items``: the list of items. ``mapped``: lists that rules fill."""

    schema: Mapping[str, Any]
    items: str
    mapped: Set[str]
    where: str

    def expand_constants(self, constants: Mapping[str, Any]) -> list[Constant]:
        """Expand objects into one constant per member.

        Raises ``ConfigurationError`` for a constant that cannot be merged, is a duplicate, or violates the schema.
        """
        found: dict[str, Constant] = {}
        for path, value in constants.items():
            for one in self._members(tuple(str(path).split(".")), value):
                if one.target in found:
                    raise self._wrong(one.target, "is set by two constants")
                found[one.target] = one
                self._check(one)
        return list(found.values())

    def _members(self, parts: PathParts, value: Any) -> Iterator[Constant]:
        subschema = subschema_at(self.schema, parts)
        whole = ".".join(parts)
        if isinstance(value, Mapping) and value and subschema is not None and _has_members(subschema):
            for name, member in value.items():
                yield from self._members((*parts, str(name)), member)
        elif whole == self.items:
            raise self._wrong(
                whole,
                "the items come from the order's lines; set members of every item with a constant "
                f"such as '{whole}[].MEMBER'",
            )
        elif whole in self.mapped:
            if not (isinstance(value, list) and len(value) == 1 and isinstance(value[0], Mapping)):
                raise self._wrong(
                    whole,
                    "rules of the mapping fill this list; give exactly one entry, whose members "
                    f"are set in every entry, or remove the rules '{whole}[]...' with drop: true",
                )
            yield from self._members((*parts[:-1], f"{parts[-1]}[]"), value[0])
        else:
            yield Constant(parts, value)

    def _check(self, one: Constant) -> None:
        """Check the value against the schema. Null removes a member; ``resolve_target`` reports unknown targets."""
        if one.value is not None and (problem := schema_problem(self.schema, one.parts, one.value)):
            raise self._wrong(one.target, problem)

    def _wrong(self, target: str, problem: str) -> ConfigurationError:
        return ConfigurationError(f"{self.where}, constant {target!r}: {problem}")


def schema_problem(schema: Mapping[str, Any], parts: PathParts, value: Any) -> str:
    """Why a payload's schema does not allow a value at a path; empty if it does, or has no such member."""
    subschema = subschema_at(schema, parts)
    if subschema is None:
        return ""
    names = (subschema_at(schema, parts[:-1]) or {}).get("propertyNames", {}) if len(parts) > 1 else {}
    name = parts[-1].removesuffix("[]")
    wanted = {
        "type": "object",
        "properties": {name: subschema},
        "propertyNames": names,
        "$defs": schema.get("$defs", {}),
    }
    try:
        validator = jsonschema_rs.Draft202012Validator(wanted, formats=FORMATS, validate_formats=True)
        fits = validator.is_valid({name: value})
    except (ValueError, TypeError, RecursionError, OverflowError):
        fits = False
    return "" if fits else f"the destination's schema does not allow this value{_allowed(subschema)}"


def _has_members(subschema: Mapping[str, Any]) -> bool:
    return bool(subschema.get("properties")) or isinstance(subschema.get("additionalProperties"), Mapping)


def _allowed(subschema: Mapping[str, Any]) -> str:
    limits = []
    for keyword in ("type", "enum", "format", "pattern", "minLength", "maxLength", "minimum", "maximum"):
        if keyword in subschema and len(str(subschema[keyword])) < 120:
            limits.append(f"{keyword} {subschema[keyword]}")
    return f" ({', '.join(limits)})" if limits else ""
