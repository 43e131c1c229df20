"""The path language of mapping files: where a value is in a document. Rules, identity, eligibility and status mappings
use it.

====================================  =======================================================================
``customer.email``                    a member of a member
``lines[].sku``                       of every element of a list, in the list's order
``meta_data[key=po_number].value``    of every element whose member ``key`` is ``po_number``
``taxes[rate.code="A.1 [EU]"].total``  the member may be a path; a value with ``]``, ``"`` or outer spaces is quoted
====================================  =======================================================================

A selector compares texts exactly; a number equals its digits, a boolean ``true`` or ``false``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from order_relay.errors import ConfigurationError
from order_relay.orders.empty_values import is_empty
from order_relay.orders.mapping.converters import number_as_text
from order_relay.orders.schema.validator import pointer

_NAME = r"[^.\[\]=]+"
_VALUE = r"""(?: "(?P<double>[^"]*)" | '(?P<single>[^']*)' | (?P<plain>[^]["'\s](?:[^]["']*[^]["'\s])?) )"""
_STEP = re.compile(
    rf"(?P<name>[^.\[\]]+) (?P<list>\[ (?:(?P<member>{_NAME}(?:\.{_NAME})*)={_VALUE})? \])? (?P<end>\.|$)", re.VERBOSE
)


class Step(NamedTuple):
    """One part of a path: the member ``name``. ``each``: it is a list, of which every element is meant, or only those
    whose ``member`` has the text ``wanted``.
    """

    name: str
    each: bool = False
    member: str = ""
    wanted: str = ""

    def __str__(self) -> str:
        if not self.member:
            return f"{self.name}[]" if self.each else self.name
        quote = "'" if '"' in self.wanted else '"'
        return f"{self.name}[{self.member}={quote}{self.wanted}{quote}]"

    def selects(self, element: Any) -> bool:
        """Whether an element of the list is meant."""
        return not self.member or _as_text(first_value(element, self.member)) == self.wanted


@lru_cache(maxsize=2048)
def parse_path(path: str) -> tuple[Step, ...]:
    """The steps of a path; none for an empty text. Cached: paths are few, orders many.

    Raises ``ConfigurationError`` for a text that is not a path.
    """
    steps: list[Step] = []
    at, more = 0, bool(path)
    while more:
        found = _STEP.match(path, at)
        if found is None:
            raise ConfigurationError(
                f"{path!r} is not a path; write names separated by dots, and NAME[] or NAME[MEMBER=VALUE] for lists, "
                "such as customer.email, lines[].sku or meta_data[key=po_number].value"
            )
        wanted = next((text for text in found.group("double", "single", "plain") if text is not None), "")
        steps.append(Step(found["name"], found["list"] is not None, found["member"] or "", wanted))
        at, more = found.end(), found["end"] == "."
    return tuple(steps)


def check_path(path: str, where: str) -> None:
    """Raise ``ConfigurationError`` that begins with ``where`` if a text is not a path."""
    try:
        parse_path(path)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None


def through_list(path: str) -> bool:
    """Whether a path goes through a list, so that a document may have any number of values there."""
    return "[" in path


@lru_cache(maxsize=256)
def split_at_list(path: str) -> tuple[str, str]:
    """The path of the innermost list (with its selector), and the rest, as seen from an element; empty without a list.

    ``lines[].product.key`` becomes ``lines[]`` and ``product.key``.
    """
    steps = parse_path(path)
    size = max((number for number, step in enumerate(steps, 1) if step.each), default=0)
    return ".".join(map(str, steps[:size])), ".".join(map(str, steps[size:]))


def without_selectors(path: str) -> str:
    """The path with ``[]`` instead of every selector, as a schema lists it."""
    return ".".join(f"{step.name}[]" if step.each else step.name for step in parse_path(path))


def path_pointer(path: str) -> str:
    """The JSON pointer of a path; of the outermost list, if the path goes through one."""
    names: list[str] = []
    for step in parse_path(path):
        names.append(step.name)
        if step.each:
            break
    return pointer(names)


def pointer_pattern(path: str) -> str:
    """The JSON pointer of a path with an empty part for the number of each element; see ``match_form``."""
    return pointer([part for step in parse_path(path) for part in ((step.name, "") if step.each else (step.name,))])


def match_form(location: str) -> str:
    """A JSON pointer without the numbers of elements, to be compared with ``pointer_pattern``."""
    return "/".join("" if part.isdigit() else part for part in location.split("/"))


def first_value(node: Any, path: str) -> Any:
    """The first value at a path, or ``None``."""
    if "." in path or "[" in path:
        return next(iterate_values(node, path), None)
    return node.get(path) if path and isinstance(node, dict) else None


def list_values(node: Any, path: str) -> Iterable[Any]:
    """All values at a path; avoids the cost of a generator if the path has no list."""
    return iterate_values(node, path) if through_list(path) else (first_value(node, path),)


def iterate_values(node: Any, path: str) -> Iterator[Any]:
    """All values at a path; none if a part of it is missing or has another type."""
    if not path:
        return
    nodes = [node]
    for step in parse_path(path):
        name, each, member, _ = step
        nodes = [n[name] for n in nodes if isinstance(n, dict) and name in n]
        if each:
            nodes = [e for n in nodes if isinstance(n, list) for e in n if not member or step.selects(e)]
    yield from nodes


def has_path(node: Any, path: str) -> bool:
    """Whether there is a value at a path; it may be null."""
    return any(True for _ in iterate_values(node, path))


def is_blocked(node: Any, path: str) -> bool:
    """Whether something along a path is neither empty nor the object or list that the path expects."""
    return _blocked(node, parse_path(path))


def _blocked(node: Any, steps: Sequence[Step]) -> bool:
    if not steps or is_empty(node):
        return False
    if not isinstance(node, dict):
        return True
    child = node.get(steps[0].name)
    if not steps[0].each or is_empty(child):
        return _blocked(child, steps[1:])
    return not isinstance(child, list) or any(_blocked(e, steps[1:]) for e in child if steps[0].selects(e))


def remove_paths(document: Any, paths: Sequence[str]) -> Any:
    """The document without the values at these paths. Only the objects along the paths are copied."""
    for path in paths:
        document = _remove(document, parse_path(path))
    return document


def replace_value(document: Any, path: str, value: Any) -> Any:
    """The document with ``value`` at a path that goes through no list; ``None`` removes the member.

    Only the objects along the path are copied, and missing ones are added. Raises ``ValueError`` if something along the
    path is neither empty nor an object.
    """
    return _replace(document, [step.name for step in parse_path(path)], value)


def _replace(node: Any, names: Sequence[str], value: Any) -> Any:
    if not isinstance(node, dict):
        if not is_empty(node):
            raise ValueError("a value along the path is not an object")
        node = {}
    name, rest = names[0], names[1:]
    if rest and value is None and is_empty(node.get(name)):
        return node
    new = _replace(node.get(name), rest, value) if rest else value
    return {other: node[other] for other in node if other != name} if new is None else {**node, name: new}


def _remove(node: Any, steps: Sequence[Step]) -> Any:
    if not steps or not isinstance(node, dict) or steps[0].name not in node:
        return node
    step, rest = steps[0], steps[1:]
    child = node[step.name]
    if not rest and not step.member:
        return {name: value for name, value in node.items() if name != step.name}
    if not step.each:
        return {**node, step.name: _remove(child, rest)}
    if not isinstance(child, list):
        return node
    kept = [_remove(e, rest) if step.selects(e) else e for e in child if rest or not step.selects(e)]
    return {**node, step.name: kept}


def _as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else number_as_text(value)
