"""JSON Schemas that vendors publish, in whatever draft, brought into one form.

``expand_schema`` gives one schema of Draft 2020-12 without references, which validates records and can be compared
with ours (``schema_comparison``). Nothing is fetched here: a document that refers to another names it
(``referenced_documents``), and the caller reads that from the same folder of the same server
(``http.sending.schema_documents``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from order_relay.errors import MalformedResponseError

MAX_NODES = 20_000
"""Maximum subschemas of an expanded schema: references may multiply."""

MAX_DEPTH = 24
"""Subschemas below this depth allow everything, so that a schema that contains itself ends."""

_DOCUMENT = re.compile(r"(?:^|/)([A-Za-z0-9_-]+\.json)$")
_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_LIMITS = ("minLength", "maxLength", "minimum", "maximum", "multipleOf", "minItems", "maxItems", "minProperties")
_COPIED: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys((*_LIMITS, "maxProperties"), (int, float)),
    **dict.fromkeys(("format", "pattern"), str),
    "enum": list,
    "const": object,
    "uniqueItems": bool,
}
"""Keywords that all drafts share, and the types of their values; others are left out."""

_BRANCHES = ("anyOf", "oneOf")


@dataclass(frozen=True)
class PublishedSchema:
    """A schema that a vendor publishes, as fetched.

    ``name``: its file name. ``documents``: it and the documents that it refers to, by file name; or ``problem``: why
    they cannot be used. ``ours``: the schema to compare it with. ``names_only``: compare only which members exist.
    """

    name: str
    documents: Mapping[str, Any]
    ours: Mapping[str, Any]
    problem: str = ""
    names_only: bool = False


@dataclass(frozen=True)
class SchemaAssumption:
    """Something that the vendor's pages leave open and a published schema may answer.

    ``member``: its path, as in ``schema_comparison.list_members``; ``rules``: the rules of the member that answer it.
    """

    topic: str
    schema: str
    member: str
    rules: tuple[str, ...]
    assumed: str


def referenced_documents(document: Any) -> set[str]:
    """File names of other documents that this one refers to, such as ``customer.json``."""
    return {name for reference in _references(document) if (name := _document_of(reference))}


def _references(node: Any) -> Iterator[str]:
    stack = [node]
    while stack:
        node = stack.pop()
        if isinstance(node, Mapping):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)


def _document_of(reference: str) -> str:
    found = _DOCUMENT.search(reference.partition("#")[0])
    return found[1] if found else ""


def expand_schema(documents: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One schema without references, from a document and those that it refers to, by file name.

    Keywords of drafts 3 to 7 become those of Draft 2020-12. A reference that cannot be followed allows everything.
    Raises ``MalformedResponseError`` if the document is not a schema, or grows beyond ``MAX_NODES``.
    """
    if not isinstance(documents.get(name), Mapping):
        raise MalformedResponseError(f"{name} is not a JSON Schema: it must be a JSON object")
    return _Expansion(documents).expand(documents[name], name, MAX_DEPTH)


class _Expansion:
    def __init__(self, documents: Mapping[str, Any]) -> None:
        self._documents = documents
        self._nodes = 0

    def expand(self, node: Any, document: str, depth: int) -> dict[str, Any]:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise MalformedResponseError(f"{document} has more than {MAX_NODES} subschemas, with references")
        if node is False:
            return {"not": {}}
        if not isinstance(node, Mapping) or depth <= 0:
            return {}
        if isinstance(node.get("$ref"), str):
            target, where = self._resolve(node["$ref"], document)
            return self.expand(target, where, depth - 1)
        found = {name: node[name] for name, kind in _COPIED.items() if name in node and isinstance(node[name], kind)}
        found |= _modern(node)
        self._add_members(found, node, document, depth)
        self._add_elements(found, node, document, depth)
        for name in _BRANCHES:
            if isinstance(node.get(name), list):
                found[name] = [self.expand(branch, document, depth - 1) for branch in node[name]]
        for branch in _as_list(node.get("allOf")) + _as_list(node.get("extends")):
            _merge(found, self.expand(branch, document, depth - 1))
        return found

    def _add_members(self, found: dict[str, Any], node: Mapping[str, Any], document: str, depth: int) -> None:
        members = node.get("properties")
        required = list(node["required"]) if isinstance(node.get("required"), list) else []
        if isinstance(members, Mapping):
            found["properties"] = {str(k): self.expand(v, document, depth - 1) for k, v in members.items()}
            required += [
                str(name) for name, one in members.items() if isinstance(one, Mapping) and one.get("required") is True
            ]
        if required:
            found["required"] = sorted({str(name) for name in required})
        if "additionalProperties" in node:
            found["additionalProperties"] = (
                False if node["additionalProperties"] is False
                else self.expand(node["additionalProperties"], document, depth - 1)
            )  # fmt: skip

    def _add_elements(self, found: dict[str, Any], node: Mapping[str, Any], document: str, depth: int) -> None:
        elements = node.get("items")
        if isinstance(elements, list):
            found["prefixItems"] = [self.expand(one, document, depth - 1) for one in elements]
        elif elements is not None:
            found["items"] = self.expand(elements, document, depth - 1)

    def _resolve(self, reference: str, document: str) -> tuple[Any, str]:
        where = _document_of(reference) or document
        node = self._documents.get(where)
        if reference.partition("#")[0] and not _document_of(reference):
            return {}, where
        for part in reference.partition("#")[2].split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            node = node.get(key) if isinstance(node, Mapping) else None
        return node, where


def _modern(node: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords whose form differs between the drafts."""
    found: dict[str, Any] = {}
    types = [one for one in _as_list(node.get("type")) if isinstance(one, str)]
    if types and set(types) <= _TYPES:  # "any" and types that are schemas themselves (Draft 3) allow everything
        found["type"] = types if len(types) > 1 else types[0]
    if isinstance(node.get("divisibleBy"), int | float):
        found["multipleOf"] = node["divisibleBy"]
    for exclusive, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        value = node.get(exclusive)
        number = node.get(limit) if value is True else value
        if isinstance(number, int | float) and not isinstance(number, bool):
            found[exclusive] = number
    return found


def _merge(found: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Add a part of ``allOf``: all members, and each rule that is not given yet."""
    required = sorted({*found.get("required", ()), *other.get("required", ())})
    members = {**other.get("properties", {}), **found.get("properties", {})}
    for name, value in other.items():
        found.setdefault(name, value)
    if members:
        found["properties"] = members
    if required:
        found["required"] = required


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
