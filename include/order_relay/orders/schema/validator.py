"""Validation of records against a vendor's JSON Schema (Draft 2020-12).

Two validators read the same schema. ``jsonschema-rs`` is fast and decides about every record. ``jsonschema`` is the
reference and explains all errors of a record that was rejected. Formats and number types are defined once
(``schema.formats``) and given to both, so that the two cannot disagree about them.
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
"""Maximum issues listed for one record, so that a hostile record cannot fill a disk."""

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
"""The stable issue code of each schema keyword."""

CODE_MESSAGES = {
    "missing_field": "is required but missing",
    "wrong_type": "has the wrong type; must be {limit}",
    "too_long": "is longer than {limit} characters",
    "too_short": "is shorter than {limit} characters",
    "bad_format": "does not have the format that the schema requires",
    "bad_name": "has a member whose name is not allowed",
    "not_allowed": "has a value that is not allowed",
    "too_small": "is below the minimum of {limit}",
    "too_large": "is above the maximum of {limit}",
    "not_a_multiple": "is not a multiple of {limit}",
    "too_few": "has fewer than {limit} elements",
    "too_many": "has more than {limit} elements",
    "repeated": "has duplicate elements",
    "unknown_field": "has a member that the schema does not allow",
    "missing_element": "lacks a required element",
}

_MAX_LISTED_VALUES = 12


def pointer(path: Iterable[str | int]) -> str:
    """A JSON pointer (RFC 6901). Member names are cut to 100 characters: they may come from a hostile record."""
    parts = []
    for part in path:
        text = str(part)[:100].encode("utf-8", "replace").decode()
        parts.append("/" + text.replace("~", "~0").replace("/", "~1"))
    return "".join(parts)


def field_name(location: str) -> str:
    """The name of a JSON pointer in messages: ``upc of items no. 4`` for ``/items/3/upc``."""
    names: list[str] = []
    group: list[str] = []
    for part in location.split("/")[1:]:
        if part.isdecimal() and group:
            names.append(f"{'.'.join(group)} no. {int(part) + 1}")
            group = []
        else:
            group.append(part.replace("~1", "/").replace("~0", "~"))
    names += [".".join(group)] if group else []
    return " of ".join(reversed(names)) or "the record"


@dataclass(frozen=True, slots=True)
class _SchemaError:
    """``limit``: the value of the schema's keyword. ``form``: the ``title`` and ``examples`` beside a ``pattern``."""

    keyword: str
    path: tuple[str | int, ...]
    limit: Any
    form: str = ""

    @property
    def code(self) -> str:
        if self.keyword == "format" and self.limit == "identity":
            return "bad_identity"
        return KEYWORD_CODES.get(self.keyword, "not_allowed")

    @property
    def message(self) -> str:
        limit = self.limit
        if self.keyword == "format" and limit in FORMAT_DESCRIPTIONS:
            return FORMAT_DESCRIPTIONS[limit]
        if self.keyword == "pattern" and limit is not None:
            return self.form or f"must match the pattern {str(limit)[:100]}"
        if self.keyword == "enum" and isinstance(limit, list) and len(limit) <= _MAX_LISTED_VALUES:
            return f"must be one of {', '.join('empty' if one is None else str(one) for one in limit)}"
        text = CODE_MESSAGES[self.code]
        if isinstance(limit, list) and self.code == "wrong_type":
            limit = " or ".join(limit)
        return text.format(limit="what the schema allows" if limit is None else limit)


def _describe_form(schema: Any) -> str:
    """The form that a ``pattern`` requires, from the schema's ``title`` and ``examples``."""
    if not isinstance(schema, Mapping) or not schema.get("title"):
        return ""
    examples = schema.get("examples") or ()
    return f"must be {schema['title']}" + (f" (example: {examples[0]})" if examples else "")


def _to_issues(found: Iterable[_SchemaError]) -> list[ValidationIssue]:
    issues = set()
    for error in found:
        location = pointer(error.path)
        issues.add(ValidationIssue(error.code, location, f"{field_name(location)} {error.message}"))
    ordered = sorted(issues, key=lambda issue: (issue.pointer, issue.code))
    if len(ordered) > MAX_ISSUES:
        rest = ValidationIssue(
            "too_many_errors", "", f"the record has more than {MAX_ISSUES} errors; the first are listed"
        )
        ordered = [*ordered[:MAX_ISSUES], rest]
    return ordered


class VendorFormat:
    """The JSON Schema of a vendor's records, and the mapping between them and the canonical order.

    ``mapping`` is the parsed mapping file. Raises ``ConfigurationError`` if the schema is not valid.
    """

    def __init__(self, name: str, schema: Mapping[str, Any], mapping: Mapping[str, Any]) -> None:
        self.name = name
        self.schema = schema
        self.mapping = mapping
        try:
            self._validator = jsonschema_rs.Draft202012Validator(dict(schema), formats=FORMATS, validate_formats=True)
        except ValueError as error:
            raise ConfigurationError(
                f"the JSON Schema of {name} is not valid Draft 2020-12: {type(error).__name__}"
            ) from error

    @classmethod
    def load(cls, schema: Path, mapping: Path, name: str = "") -> VendorFormat:
        """Read the files; ``name`` defaults to the folder's name. Raises ``ConfigurationError``."""
        name = name or schema.parent.name
        return cls(name, _object(schema, json.loads), _object(mapping, partial(yaml.load, Loader=SafeLoader)))

    @cached_property
    def fingerprint(self) -> str:
        """Changes when the schema or the mapping file changes."""
        text = json.dumps([self.schema, self.mapping], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @cached_property
    def _reference(self) -> Any:
        # Imported for the first rejected record only: the import takes longer than all others together.
        from order_relay.orders.schema.reference_validator import reference_validator

        return reference_validator(self.schema)

    def accepts(self, document: Any) -> bool:
        """Whether the fast validator accepts a document."""
        try:
            return bool(self._validator.is_valid(document))
        except (ValueError, TypeError, RecursionError, OverflowError):  # such as half a character, or nesting too deep
            return False

    def check(self, document: Any) -> list[ValidationIssue]:
        """Every error of a document, or an empty list. Never raises, regardless of the document."""
        return [] if self.accepts(document) else self.explain(document)

    def explain(self, document: Any) -> list[ValidationIssue]:
        """Every error of a document that was not accepted. Never empty.

        The reference validator names them; the fast one, if the reference finds none.
        """
        unreadable = [ValidationIssue("unreadable_value", "", "the record holds a value that cannot be validated")]
        try:
            return _to_issues(self._reference_errors(document)) or _to_issues(self._fast_errors(document)) or unreadable
        except (ValueError, TypeError, RecursionError, OverflowError, ArithmeticError):
            return _text_issues(document) or unreadable

    def _reference_errors(self, document: Any) -> Iterator[_SchemaError]:
        for error in self._reference.iter_errors(document):
            path: tuple[str | int, ...] = tuple(error.absolute_path)
            keyword = str(error.validator)
            if keyword == "required":
                for name in error.validator_value:
                    if name not in error.instance:
                        yield _SchemaError(keyword, (*path, name), None)
                continue
            if "propertyNames" in error.absolute_schema_path:
                keyword = "propertyNames"
            yield _SchemaError(keyword, path, error.validator_value, _describe_form(error.schema))

    def _fast_errors(self, document: Any) -> Iterator[_SchemaError]:
        for error in self._validator.iter_errors(document):
            keywords = [part for part in error.schema_path if part in KEYWORD_CODES]
            yield _SchemaError(str(keywords[-1]) if keywords else "not", tuple(error.instance_path), None)


def _text_issues(document: Any) -> list[ValidationIssue]:
    """Texts that are not Unicode (lone surrogates), to a bounded depth."""
    found: list[ValidationIssue] = []
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    while stack and len(found) < MAX_ISSUES:
        path, value = stack.pop()
        if isinstance(value, str):
            if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
                found.append(
                    ValidationIssue(
                        "not_unicode",
                        pointer(path),
                        f"{field_name(pointer(path))} holds half a character (a lone surrogate)",
                    )
                )
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
        raise ConfigurationError(f"{path.parent.name}/{path.name} cannot be read: {type(error).__name__}") from error
    if not isinstance(loaded, dict):
        raise ConfigurationError(f"{path.parent.name}/{path.name} must hold an object")
    return loaded
