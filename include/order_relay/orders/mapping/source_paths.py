"""Checks that a source's schema has the paths that its mapping reads, so that a mistyped path fails at the start.

Members that a schema lacks, but an account's documents have, are declared in the pipeline's file under
``mapping.source.members``. Free-form objects, such as custom fields, take any name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from order_relay.errors import ConfigurationError
from order_relay.orders.identity.source_identity import NOT_PATHS
from order_relay.orders.mapping.mapping_rules import MappingRule
from order_relay.orders.paths import check_path, split_at_list, without_selectors
from order_relay.orders.schema.schema_paths import list_schema_paths, subschema_at
from order_relay.orders.suggestions import did_you_mean


@dataclass(frozen=True, slots=True)
class MappingFiles:
    """The files of a mapping, as messages name them: the vendor's, and the pipeline's ``own``.

    ``members``: the key of the own file that declares paths which the schema lacks.
    """

    vendor: str
    own: str
    members: str = "mapping.source.members"

    def of(self, own: bool) -> str:
        """The file of a rule."""
        return self.own if own else self.vendor


class SourcePaths:
    """The paths of one source, from its schema and as declared. Checks raise ``ConfigurationError``."""

    def __init__(self, schema: Mapping[str, Any], declared: Any, files: MappingFiles) -> None:
        listed = isinstance(declared, Sequence) and not isinstance(declared, str)
        if not listed or not all(isinstance(path, str) and path for path in declared):
            raise ConfigurationError(
                f"{files.own}: {files.members} must be a list of paths such as 'surcharge' or 'items[].colour'"
            )
        for path in declared:
            check_path(path, f"{files.own}: {files.members}")
        self._schema = schema
        self._declared = tuple(declared)
        self._files = files

    def has_path(self, path: str) -> bool:
        """Whether documents can have this path. Below a declared path any member is possible."""
        plain = without_selectors(path)
        declared = any(plain == one or plain.startswith((f"{one}.", f"{one}[]")) for one in self._declared)
        return declared or subschema_at(self._schema, path) is not None

    def require(self, path: str, context: str) -> None:
        """Raise ``ConfigurationError``, with near matches, for an unknown path. ``context``: where it is used."""
        check_path(path, context)
        if not self.has_path(path):
            near = did_you_mean(without_selectors(path), [*list_schema_paths(self._schema), *self._declared])
            own = "the pipeline's file" if self._files.own != self._files.vendor else self._files.own
            raise ConfigurationError(
                f"{context}: the source's schema has no path {path!r}{near or '.'} If the source sends it, "
                f"declare it in {own} under {self._files.members}"
            )

    def check_rules(self, rules: Iterable[MappingRule], before: str = "", overrides: Any = ()) -> None:
        """Check the paths of rules, relative to ``before`` (``items[].``). ``overrides``: the pipeline's own rules."""
        own = {rule.get("target") for rule in overrides or () if isinstance(rule, Mapping)}
        for rule in rules:
            context = f"{self._files.of(rule.target in own)}, target {rule.target!r}"
            for path in rule.paths:
                self.require(f"{before}{path}", context)

    def check_identity(self, section: Any) -> None:
        """Check the paths of the section ``identity``."""
        if not isinstance(section, Mapping):
            return  # reported by ``IdentityPaths.from_mapping``
        for key, value in section.items():
            paths = [value] if isinstance(value, str) else value
            if key in (*NOT_PATHS, "items_need") or not isinstance(paths, list | tuple):
                continue
            for path in filter(lambda one: isinstance(one, str) and one, paths):
                self.require(path, f"{self._files.vendor}: identity.{key}")
        lines, _ = split_at_list(str(section.get("items", "")))
        for path in section.get("items_need") or ():
            self.require(f"{lines}.{path}", f"{self._files.vendor}: identity.items_need")

    def check_eligibility(self, section: Any, *, own: bool, name: str = "gate") -> None:
        """Check the paths of eligibility rules. ``own``: the rules are in the pipeline's file, under ``name``."""
        file = self._files.of(own)
        for number, rule in enumerate(section or ()):
            self.require(rule["path"], f"{file}: {name}[{number}].path")
            for value, verdict in rule["verdicts"].items():
                if isinstance(verdict, Mapping):
                    self.require(str(verdict["by"]), f"{file}: {name}[{number}].verdicts.{value}.by")
