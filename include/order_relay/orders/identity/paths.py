"""Reads single values of a document of any shape by dotted paths; ``name[]`` goes through a list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from order_relay.orders.identity.identifiers import identifier_problem

MAX_IDENTIFIER_LENGTH = 200  # characters of an id or number; a longer value is taken for damage
MAX_INTEGER = 2**63 - 1  # the largest integer of a database column

_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_UNSTORABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


@lru_cache(maxsize=256)
def _steps(path: str) -> tuple[tuple[str, bool], ...]:
    """The names along a path, and whether each is a list to iterate. Cached: paths are few, orders many."""
    return tuple((step.removesuffix("[]"), step.endswith("[]")) for step in path.split(".")) if path else ()


def first_value(node: Any, path: str) -> Any:
    """The first value at a path, or ``None``."""
    steps = _steps(path)
    if len(steps) == 1 and not steps[0][1]:
        return node.get(path) if isinstance(node, dict) else None
    return next(iterate_values(node, path), None)


def list_values(node: Any, path: str) -> Iterable[Any]:
    """All values at a path; avoids the cost of a generator if the path has no list."""
    return (first_value(node, path),) if "[]" not in path else iterate_values(node, path)


def iterate_values(node: Any, path: str) -> Iterator[Any]:
    """The value at a path; ``None`` if a part of it is missing or has another type."""
    if not path:
        return
    nodes = [node]
    for name, through_list in _steps(path):
        found = [n[name] for n in nodes if isinstance(n, dict) and name in n]
        nodes = [child for n in found if isinstance(n, list) for child in n] if through_list else found
    yield from nodes


def remove_paths(document: Any, paths: Sequence[str]) -> Any:
    """The document without the values at these paths. Only the objects along the paths are copied."""
    for path in paths:
        document = _remove(document, _steps(path))
    return document


def _remove(node: Any, steps: Sequence[tuple[str, bool]]) -> Any:
    if not steps or not isinstance(node, dict) or steps[0][0] not in node:
        return node
    (name, through_list), rest = steps[0], steps[1:]
    if not rest:
        return {key: value for key, value in node.items() if key != name}
    child = node[name]
    if through_list:
        changed = [_remove(entry, rest) for entry in child] if isinstance(child, list) else child
    else:
        changed = _remove(child, rest)
    return {**node, name: changed}


def text_of(value: Any) -> str:
    """A text or whole number as text; "" for anything else, and for a value that a database column cannot hold."""
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value() and value < MAX_INTEGER:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return ""
    text = str(value)
    return "" if len(text) > MAX_IDENTIFIER_LENGTH or _UNSTORABLE.search(text) else text


def identifier_of(value: Any) -> str:
    """A text or whole number that identifies something (see ``identifiers``); "" for anything else."""
    text = text_of(value)
    return "" if not text or identifier_problem(text) else text


def integer_of(value: Any) -> int | None:
    """A whole number of at least 0, given as a number or as digits; else ``None``."""
    text = text_of(value).strip()
    if not _DIGITS.fullmatch(text):
        return None
    number = int(text)
    return number if number <= MAX_INTEGER else None
