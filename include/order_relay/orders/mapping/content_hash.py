"""Fingerprints of an order's content: the values that the mapping, the identity and the eligibility rules read.

A source may change members that are never read, such as a counter or the time of the last change. An order that differs
only there is unchanged. The paths are derived from the settings, never from a list of names to ignore; ``volatile`` of
the identity still excludes members that are read and change without the order changing.

A fingerprint is ``READING-CONTENT`` or ``READING-CONTENT.ELIGIBILITY``: which paths were read, the hash of their
values, and the hash of the values that the eligibility rules read. The last part does not matter once an order is
settled. A fingerprint without ``READING`` was made by an older release: the hash of the whole document.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from order_relay.orders.identity.source_identity import IdentityPaths
from order_relay.orders.json_text import canonical_hash
from order_relay.orders.mapping.canonical import CanonicalReader
from order_relay.orders.mapping.eligibility import EligibilityRules
from order_relay.orders.paths import iterate_values, parse_path, remove_paths, split_at_list, through_list

_HASH_VERSION = 1  # part of ``paths_version``: increase it when the same paths give other hashes
_EVERYTHING: Mapping[str, Any] = {}  # a leaf of the tree of paths: everything below counts

PathTree = Mapping[str, Any]


@dataclass(frozen=True)
class ContentPaths:
    """Fingerprints of a source's documents over these paths.

    Names are separated by dots; lists are traversed. A path with a selector (``orders.paths``) reads the elements that
    it selects.
    """

    read: tuple[str, ...]
    eligibility: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()
    _tree: PathTree = field(init=False, repr=False, compare=False)
    _gate_tree: PathTree = field(init=False, repr=False, compare=False)
    _selected: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _gate_selected: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tree", _tree(self.read))
        object.__setattr__(self, "_gate_tree", _tree(self.eligibility))
        object.__setattr__(self, "_selected", tuple(filter(through_list, self.read)))
        object.__setattr__(self, "_gate_selected", tuple(filter(through_list, self.eligibility)))

    @classmethod
    def of(cls, reader: CanonicalReader, gate: EligibilityRules, identity: IdentityPaths) -> ContentPaths:
        """The paths that these rules read."""
        order = {path for rule in reader.orders for path in rule.paths}
        lines = {f"{reader.each}[].{path}" for rule in reader.lines for path in rule.paths}
        return cls(
            _sorted(order | lines | _of_identity(identity)),
            _sorted(gate.paths),
            _sorted(identity.volatile, plain=False),
        )

    @classmethod
    def of_mapping(cls, mapping: Mapping[str, Any], identity: IdentityPaths) -> ContentPaths:
        """The paths that a source's mapping file reads, without the overrides of a pipeline."""
        lines = mapping.get("lines") or {}
        order = {path for rule in mapping.get("order", ()) for path in _paths(rule)}
        fields = {f"{lines.get('each')}[].{path}" for rule in lines.get("fields", ()) for path in _paths(rule)}
        rules = mapping.get("gate") or ()
        tables = {
            str(verdict["by"])
            for rule in rules
            for verdict in rule["verdicts"].values()
            if isinstance(verdict, Mapping)
        }
        gate = {str(rule["path"]) for rule in rules} | tables
        return cls(
            _sorted(order | fields | _of_identity(identity)), _sorted(gate), _sorted(identity.volatile, plain=False)
        )

    @classmethod
    def from_text(cls, text: str) -> ContentPaths:
        """The inverse of ``as_text``."""
        read = json.loads(text)
        return cls(tuple(read["read"]), tuple(read["eligibility"]), tuple(read["volatile"]))

    def as_text(self) -> str:
        """The paths as text, to be stored."""
        return json.dumps({"read": self.read, "eligibility": self.eligibility, "volatile": self.volatile})

    @cached_property
    def paths_version(self) -> str:
        """Identifies this set of paths; prefix of every fingerprint."""
        return hashlib.sha256(f"{_HASH_VERSION}{self.as_text()}".encode()).hexdigest()[:12]

    def fingerprint(self, document: Any) -> str:
        """The fingerprint of one document. Raises ``TypeError``, ``ValueError`` or ``OverflowError`` as JSON does."""
        content = _hash(remove_paths(document, self.volatile), self._tree, self._selected)
        gate = f".{_hash(document, self._gate_tree, self._gate_selected)[:16]}" if self.eligibility else ""
        return f"{self.paths_version}-{content}{gate}"


def paths_version(fingerprint: str) -> str:
    """The ``paths_version`` of a fingerprint; empty if an older release took it."""
    return fingerprint.rpartition("-")[0]


def settled_hash(fingerprint: str) -> str:
    """The part of a fingerprint that is compared once an order is settled: all but eligibility."""
    return fingerprint.partition(".")[0]


def document_hash(document: Any, volatile: Sequence[str]) -> str:
    """The fingerprint of an older release: over all members but the volatile ones."""
    return canonical_hash(remove_paths(document, volatile))


def _paths(rule: Mapping[str, Any]) -> list[str]:
    path = rule.get("path", ())
    paths = [path] if isinstance(path, str) else list(path)
    return [path for path in paths if not path.startswith("settings.")]


def _of_identity(identity: IdentityPaths) -> set[str]:
    items, _ = split_at_list(identity.items)
    needs = {f"{items}.{path}" for path in identity.items_need} if items else set()
    return needs | {
        identity.source_id,
        *identity.order_number,
        identity.lineage,
        identity.version,
        identity.items,
        identity.customer_number,
        identity.customer_po,
    }


def _sorted(paths: Iterable[str], *, plain: bool = True) -> tuple[str, ...]:
    return tuple(sorted({_plain(path) if plain else path for path in paths if path}))


def _plain(path: str) -> str:
    """A path without ``[]``, since trees go through lists; one with a selector as it is."""
    steps = parse_path(path)
    return path if any(step.member for step in steps) else ".".join(step.name for step in steps)


def _tree(paths: Iterable[str]) -> PathTree:
    tree: dict[str, Any] = {}
    for path in sorted(paths, key=len):  # a shorter path includes everything below it
        if through_list(path):  # it has a selector: read by ``_hash``
            continue
        node, names = tree, path.split(".")
        for depth, name in enumerate(names):
            if name in node and not node[name]:
                break
            node = node.setdefault(name, {}) if depth < len(names) - 1 else node.setdefault(name, _EVERYTHING)
    return tree


def _hash(document: Any, tree: PathTree, selected: Sequence[str]) -> str:
    if not selected:
        return canonical_hash(_read(document, tree))
    values = ([_read(value, _EVERYTHING) for value in iterate_values(document, path)] for path in selected)
    return canonical_hash([_read(document, tree) if tree else None, *values])


def _read(node: Any, tree: PathTree) -> Any:
    """The part of a document that a tree of paths reads. Empty members count as missing; numbers are normalized."""
    kind = type(node)  # hot path: documents hold plain JSON types only
    if kind is str:
        return node if node.strip() else None
    if kind is dict:
        return _read_members(node, tree) or None
    if kind is list:
        return [_read(child, tree) for child in node] or None
    if kind is Decimal and node.is_finite() and -60 < node.adjusted() < 60:
        return int(node) if node == node.to_integral_value() else node.normalize()
    return node


def _read_members(node: dict[str, Any], tree: PathTree) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in tree or node:
        value = node.get(name)
        if type(value) is str:  # as in ``_read``, without a call for most members
            if value and not value.isspace():
                found[name] = value
        elif value is not None and (read := _read(value, tree[name] if tree else _EVERYTHING)) is not None:
            found[name] = read
    return found
