"""The verbs of mapping rules: how the values at a rule's paths become one value (docs/mapping.md, "Several values")."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import Any

from order_relay.errors import ConfigurationError, RecordRejectedError
from order_relay.orders.empty_values import is_empty
from order_relay.orders.mapping.converters import Converter, text
from order_relay.orders.money.amounts import EXACT_CONTEXT, amount, amount_rejected
from order_relay.orders.paths import through_list

Parts = Sequence[Sequence[Any]]
"""The values at each path of a rule, without the empty ones."""

Combine = Callable[[Parts], Any]
"""Makes one value of the parts; ``None`` if there is none. Raises ``RecordRejectedError`` for a part it cannot use."""

COMBINING_KEYS = ("join", "sum", "difference", "list")
CONVERTING_KEYS = ("negate", "to_object", "to_list")

_NOT_AFTER = {
    "extract": ("sum", "difference", "list", "to_object"),
    "table": ("sum", "difference", "list", "to_object"),
    "negate": ("join", "list", "to_object", "to_list"),
    "to_object": ("join", "sum", "difference", "list"),
    "to_list": ("join", "sum", "difference", "list"),
}
"""Keys that cannot be used with the others: they would have no effect."""


def first_part(parts: Parts) -> Any:
    """The first value."""
    return next((value for values in parts for value in values), None)


def _join(separator: str, parts: Parts) -> str | None:
    try:
        given = [text(value) for values in parts for value in values]
    except RecordRejectedError:
        raise amount_rejected("wrong_type", "has a part that is not text and cannot be joined") from None
    return separator.join(filter(None, given)) or None


def _sum(parts: Parts) -> Any:
    try:
        amounts = [amount(value) for values in parts for value in values]
    except RecordRejectedError:
        raise amount_rejected("bad_amount", "has a part that is not an amount (example: 142.50)") from None
    return reduce(EXACT_CONTEXT.add, amounts) if amounts else None


def _difference(lists: Sequence[bool], parts: Parts) -> Any:
    """``lists``: which paths go through a list. Such a path without values counts as zero, except the first one."""
    if not parts[0] or not all(many or values for many, values in zip(lists, parts, strict=True)):
        return None
    rest = _sum(parts[1:])
    return _sum(parts[:1]) if rest is None else EXACT_CONTEXT.subtract(_sum(parts[:1]), rest)


def _list(parts: Parts) -> list[Any] | None:
    return [value for values in parts for value in values] or None


def parse_combination(raw: Mapping[str, Any], paths: Sequence[str], context: str) -> tuple[str, Combine]:
    """The verb with which a rule combines the values at its paths, and its function; ``first`` by default.

    Raises ``ConfigurationError`` for verbs that exclude each other or would have no effect.
    """
    for key in ("sum", "difference", "list", "negate"):
        if key in raw and raw[key] is not True:
            raise ConfigurationError(f"{context}: {key} must be true, or be left out")
    named = [key for key in COMBINING_KEYS if raw.get(key) is not None]
    if len(named) > 1:
        raise ConfigurationError(f"{context}: {named[0]} and {named[1]} exclude each other")
    for key, others in _NOT_AFTER.items():
        if key in raw and (clash := [other for other in others if other in raw]):
            raise ConfigurationError(f"{context}: {key} has no effect with {clash[0]}")
    if not named:
        return "first", first_part
    (verb,) = named
    lists = [through_list(path) for path in paths]
    if verb == "join" and not isinstance(raw["join"], str):
        raise ConfigurationError(f"{context}: join must be text, such as ' '")
    if len(paths) < 2 and (verb == "difference" or not any(lists)):
        also = "" if verb == "difference" else " or a path through a list, such as lines[].total"
        raise ConfigurationError(f"{context}: {verb} needs several paths{also}")
    functions: dict[str, Combine] = {
        "join": partial(_join, raw.get("join", "")),
        "sum": _sum,
        "difference": partial(_difference, lists),
        "list": _list,
    }
    return verb, functions[verb]


def parse_conversion(raw: Mapping[str, Any], converter: Converter | None, context: str) -> Converter | None:
    """The converter of a rule together with its verbs for a single value. Raises ``ConfigurationError``."""
    steps: list[Converter] = []
    if "negate" in raw:
        steps.append(_negate)
    if "to_object" in raw:
        steps.append(partial(_to_object, _members(raw, "to_object", context)))
    if converter is not None:
        steps.append(partial(_each, converter) if "list" in raw else converter)
    if "to_list" in raw:
        steps.append(partial(_to_list, _members(raw, "to_list", context)))
    return steps[0] if len(steps) == 1 else partial(_in_turn, steps) if steps else None


def _members(raw: Mapping[str, Any], key: str, context: str) -> tuple[str, str]:
    given = raw[key]
    if not isinstance(given, list | tuple) or len(given) != 2 or not all(isinstance(n, str) and n for n in given):
        raise ConfigurationError(
            f"{context}: {key} must be the two members that hold the name and the value, such as [name, value]"
        )
    return given[0], given[1]


def _in_turn(steps: Sequence[Converter], value: Any) -> Any:
    for step in steps:
        value = None if value is None else step(value)
    return value


def _each(convert: Converter, values: Any) -> list[Any] | None:
    return [found for found in map(convert, values) if found is not None] or None


def _negate(value: Any) -> Any:
    return EXACT_CONTEXT.minus(amount(value))


def _to_object(members: tuple[str, str], value: Any) -> dict[str, Any] | None:
    """A list of objects as one object. The values of a name that occurs several times become a list."""
    if not isinstance(value, list):
        raise amount_rejected("wrong_type", "must be a list of objects")
    name, content = members
    found: dict[str, list[Any]] = {}
    for element in value:
        key = text(element.get(name)) if isinstance(element, dict) and not is_empty(element.get(name)) else None
        if key is None:
            raise amount_rejected("wrong_type", f"has an element without the member {name!r}")
        if not is_empty(element.get(content)):
            found.setdefault(key, []).append(element[content])
    return {key: values if len(values) > 1 else values[0] for key, values in found.items()} or None


def _to_list(members: tuple[str, str], value: Any) -> list[dict[str, Any]] | None:
    """An object as a list of objects, in the object's order."""
    if not isinstance(value, dict):
        raise amount_rejected("wrong_type", "must be an object")
    name, content = members
    return [{name: key, content: member} for key, member in value.items() if not is_empty(member)] or None
