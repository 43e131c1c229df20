"""Judging a record by a vendor's JSON Schema (Draft 2020-12).

Two validators read the same schema. ``jsonschema`` is the reference: where a record is refused, it names every error.
``jsonschema-rs`` is the gate that the many good records pass quickly. A refusal by either refuses. Formats and number
types are defined here once and handed to both, so that they can not disagree about them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from order_relay.errors import ConfigurationError, ValidationIssue
from order_relay.orders.schema.formats import FORMAT_DESCRIPTIONS, FORMATS
from order_relay.orders.yaml_loader import SafeLoader

MAX_ISSUES = 500
"""More errors than this are not listed one by one: nobody reads them, and a hostile record could fill a disk."""

KEYWORD_CODES = {
    "required": "missing_field",
    "dependentRequired": "missing_field",
    "type": "wrong_type",
    "maxLength": "too_long",
    "minLength": "too_short",
    "pattern": "bad_format",
    "format": "bad_format",
    "propertyNames": "bad_name",
    "enum": "not_allowed",
    "const": "not_allowed",
    "anyOf": "not_allowed",
    "oneOf": "not_allowed",
    "not": "not_allowed",
    "minimum": "too_small",
    "exclusiveMinimum": "too_small",
    "maximum": "too_large",
    "exclusiveMaximum": "too_large",
    "multipleOf": "not_a_multiple",
    "minItems": "too_few",
    "minProperties": "too_few",
    "maxItems": "too_many",
    "maxProperties": "too_many",
    "uniqueItems": "repeated",
    "additionalProperties": "unknown_field",
    "unevaluatedProperties": "unknown_field",
    "contains": "missing_element",
}
"""The stable refusal code of each schema keyword."""

CODE_MESSAGES = {
    "missing_field": "is required and missing",
    "wrong_type": "has the wrong type, allowed is {limit}",
    "too_long": "is longer than {limit} characters",
    "too_short": "is shorter than {limit} characters",
    "bad_format": "does not have the required form",
    "bad_name": "has a member whose name is not allowed",
    "not_allowed": "is not one of the allowed values",
    "too_small": "is below the lower bound {limit}",
    "too_large": "is above the upper bound {limit}",
    "not_a_multiple": "is not a multiple of {limit}",
    "too_few": "has fewer than {limit} elements",
    "too_many": "has more than {limit} elements",
    "repeated": "has equal elements",
    "unknown_field": "has a member that is not allowed",
    "missing_element": "lacks a required element",
}


def pointer(path: Iterable[str | int]) -> str:
    """A JSON pointer (RFC 6901). Over-long member names are shortened: they may come from a hostile record."""
    parts = []
    for part in path:
        text = str(part)[:100].encode("utf-8", "replace").decode()
        parts.append("/" + text.replace("~", "~0").replace("/", "~1"))
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class _SchemaError:
    keyword: str
    path: tuple[str | int, ...]
    limit: Any


def _to_issues(found: Iterable[_SchemaError]) -> list[ValidationIssue]:
    issues = set()
    for error in found:
        code = KEYWORD_CODES.get(error.keyword, "not_allowed")
        limit = error.limit
        if error.keyword == "format" and limit in FORMAT_DESCRIPTIONS:
            code = "bad_identity" if limit == "identity" else code
            words = FORMAT_DESCRIPTIONS[limit]
        elif code == "wrong_type":
            words = CODE_MESSAGES[code].format(limit=" or ".join(limit) if isinstance(limit, list) else limit)
        elif isinstance(limit, int):
            words = CODE_MESSAGES[code].format(limit=limit)
        else:
            words = CODE_MESSAGES[code].replace(" {limit}", "")
        place = pointer(error.path)
        issues.add(ValidationIssue(code, place, f"{place or 'the record'} {words}"))
    ordered = sorted(issues, key=lambda r: (r.pointer, r.code))
    if len(ordered) > MAX_ISSUES:
        rest = ValidationIssue("too_many_errors", "", "the record has more errors than are listed")
        ordered = [*ordered[:MAX_ISSUES], rest]
    return ordered


class VendorFormat:
    """What one vendor's records look like: its JSON Schema, and its mapping from or to the canonical order.

    ``mapping`` is the parsed mapping file. Raises ``ConfigurationError`` where the schema itself is not valid.
    """

    def __init__(self, name: str, schema: Mapping[str, Any], mapping: Mapping[str, Any]) -> None:
        self.name = name
        self.schema = schema
        self.mapping = mapping
        try:
            self._gate = jsonschema_rs.Draft202012Validator(dict(schema), formats=FORMATS, validate_formats=True)
        except ValueError as error:
            raise ConfigurationError(
                f"the JSON Schema of {name} is not valid Draft 2020-12: {type(error).__name__}"
            ) from error

    @classmethod
    def load(cls, schema: Path, mapping: Path, name: str = "") -> VendorFormat:
        """Read both files of a vendor's folder; ``name`` defaults to the folder's name. Raises
        ``ConfigurationError``.
        """
        name = name or schema.parent.name
        return cls(name, _object(schema, json.loads), _object(mapping, partial(yaml.load, Loader=SafeLoader)))

    @cached_property
    def fingerprint(self) -> str:
        """Changes when the schema or the mapping file changes."""
        text = json.dumps([self.schema, self.mapping], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @cached_property
    def _named(self) -> Any:
        # Loaded with the first refusal only: with its formats' grammars it takes as long as everything else together.
        from order_relay.orders.schema.reference_validator import reference_validator  # noqa: PLC0415

        return reference_validator(self.schema)

    def accepts(self, document: Any) -> bool:
        """The quick answer of the gate alone."""
        try:
            return bool(self._gate.is_valid(document))
        except (ValueError, TypeError, RecursionError, OverflowError):  # not representable: lone surrogates, depth
            return False

    def check(self, document: Any) -> list[ValidationIssue]:
        """Every error of a document, or an empty list. Never fails, whatever the document holds."""
        return [] if self.accepts(document) else self.explain(document)

    def explain(self, document: Any) -> list[ValidationIssue]:
        """Every error that the reference finds; where it finds none, what the gate says. Never empty."""
        unreadable = [ValidationIssue("unreadable_value", "", "the record has a value that no validator can read")]
        try:
            return _to_issues(self._reference_errors(document)) or _to_issues(self._gate_errors(document)) or unreadable
        except (ValueError, TypeError, RecursionError, OverflowError, ArithmeticError):
            return _text_issues(document) or unreadable

    def _reference_errors(self, document: Any) -> Iterator[_SchemaError]:
        for error in self._named.iter_errors(document):
            path: tuple[str | int, ...] = tuple(error.absolute_path)
            keyword = str(error.validator)
            if keyword == "required":
                for name in error.validator_value:
                    if name not in error.instance:
                        yield _SchemaError(keyword, (*path, name), None)
                continue
            if "propertyNames" in error.absolute_schema_path:
                keyword = "propertyNames"
            yield _SchemaError(keyword, path, error.validator_value)

    def _gate_errors(self, document: Any) -> Iterator[_SchemaError]:
        for error in self._gate.iter_errors(document):
            keywords = [part for part in error.schema_path if part in KEYWORD_CODES]
            limit = "what the schema says"
            yield _SchemaError(str(keywords[-1]) if keywords else "not", tuple(error.instance_path), limit)


def _text_issues(document: Any) -> list[ValidationIssue]:
    """Where texts stand that are not Unicode (lone surrogates), to a bounded depth."""
    found: list[ValidationIssue] = []
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    while stack and len(found) < MAX_ISSUES:
        path, value = stack.pop()
        if isinstance(value, str):
            if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
                found.append(ValidationIssue("not_unicode", pointer(path), f"{pointer(path)} holds half a character"))
        elif len(path) > 60:
            found.append(ValidationIssue("too_deep", pointer(path[:5]), "the record is nested too deeply"))
        elif isinstance(value, dict):
            stack.extend(((*path, str(key)), member) for key, member in value.items())
        elif isinstance(value, list | tuple):
            stack.extend(((*path, index), member) for index, member in enumerate(value))
    return sorted(set(found), key=lambda r: (r.pointer, r.code))


def _object(path: Path, parse: Any) -> dict[str, Any]:
    try:
        loaded = parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path.parent.name}/{path.name} can not be read: {type(error).__name__}") from error
    if not isinstance(loaded, dict):
        raise ConfigurationError(f"{path.parent.name}/{path.name} is not an object")
    return loaded
