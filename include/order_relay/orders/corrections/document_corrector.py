"""Applies corrections to an archived order, and checks new ones before they are stored.

A correction names a column of the canonical order. It is written to the member of the source's document that the
mapping reads for that column, before the source's schema is checked, so that an order with an invalid member can be
corrected. Whatever the mapping is, a correction that would also change an identity, a line, an amount or the
eligibility of the order is refused. The archived document itself is never changed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from order_relay.errors import RecordRejectedError, ValidationIssue
from order_relay.orders.corrections.correctable_fields import (
    CORRECTABLE,
    UNCHANGEABLE,
    FieldCorrection,
    FieldValue,
    archived_value,
    field_problem,
    list_fields,
    require_correctable,
)
from order_relay.orders.empty_values import drop_empty
from order_relay.orders.identity.source_identity import IdentityPaths, identify
from order_relay.orders.mapping.canonical import CHARGE_PREFIX, CanonicalReader
from order_relay.orders.notes import OrderNote
from order_relay.orders.paths import path_pointer, replace_value
from order_relay.orders.payload.transformer import Transformer
from order_relay.orders.privacy.card_data import redact
from order_relay.orders.privacy.redaction_marks import drop_redactions, remove_marks
from order_relay.orders.schema.malformed import is_malformed

MAX_LENGTH = 2_000
"""Maximum characters of a corrected value."""

NOT_APPLICABLE = "correction_not_applicable"
"""Reason code of an order whose stored correction cannot be applied any more, such as after a change of the mapping."""

CORRECTED = "corrected"
"""Code of the note on a corrected value."""

_SEVERAL_LINES = ("notes",)
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_MAY_DIFFER = frozenset({"content_hash", "customer_po"})  # columns of an identity that the ledger keeps as received


class DocumentCorrector:
    """Corrects documents of one pipeline's source."""

    def __init__(self, transformer: Transformer) -> None:
        self._source = transformer.source
        self._reader = transformer.reader
        self._eligibility = transformer.eligibility
        self._rules = {rule.target: rule for rule in self._reader.orders if rule.target in CORRECTABLE}
        section = self._source.mapping.get("identity", {})
        self._identity = IdentityPaths.from_mapping(section, f"{self._source.name}: identity")

    def fields(self, document: Any) -> list[FieldValue]:
        """The correctable fields with their archived values. Raises ``RecordRejectedError`` without readable text."""
        _require_readable(document)
        return list_fields(self._rules, document)

    def apply(self, document: Any, values: Mapping[str, str]) -> Any:
        """A corrected copy of an archived order.

        Raises ``RecordRejectedError`` if a value cannot be written to one member, or changes more than its column.
        """
        _require_readable(document)
        corrected = document
        for name, value in values.items():
            rule = self._rules.get(name)
            problem = field_problem(rule, document)
            if rule is None or problem:
                raise not_applicable(f"{name} cannot be corrected: {problem}")
            for number, path in enumerate(rule.paths):
                # the first member takes the whole value; the other parts of a joined one are removed
                if number == 0 or rule.verb == "join" or not value:
                    corrected = replace_value(corrected, path, value if number == 0 and value else None)
            corrected = drop_redactions(corrected, [path_pointer(path) for path in rule.paths])
        self._require_same_order(document, corrected)
        return corrected

    def check(
        self, document: Any, changes: Mapping[str, str], present: Mapping[str, str] | None = None
    ) -> list[FieldCorrection]:
        """Check new values, together with the corrections that are ``present``; returns what is to be stored.

        Raises ``ConfigurationError`` for a field that may not be corrected, and ``RecordRejectedError`` with every
        problem of the values. No message contains a value.
        """
        require_correctable(changes)
        values = {name: value.strip().replace("\r\n", "\n") for name, value in changes.items()}
        problems = [issue for name, value in values.items() for issue in _text_problems(name, value)]
        if problems:
            raise RecordRejectedError(problems)
        corrected = self.apply(document, {**(present or {}), **values})
        found = [
            FieldCorrection(name, archived_value(self._rules[name], document), value) for name, value in values.items()
        ]
        problems = [
            _issue("not_changed", change.field, "is the value that the source sent; nothing to correct")
            for change in found
            if change.old == change.new
        ]
        if problems := problems or self._value_problems(document, corrected, values):
            raise RecordRejectedError(problems)
        return found

    def _value_problems(self, document: Any, corrected: Any, values: Mapping[str, str]) -> list[ValidationIssue]:
        """What the rules for card data, the source's schema and the mapping have against the new values."""
        pointers = {path_pointer(path): name for name in values for path in self._rules[name].paths}
        cards = [
            _issue("card_data", pointers.get(pointer, ""), "contains what looks like card data, which is never stored")
            for pointer in redact(corrected)[1]
        ]
        if cards:
            return cards
        before = set(self._source.check(drop_empty(remove_marks(document))))
        schema = [
            issue
            for issue in self._source.check(drop_empty(remove_marks(corrected)))
            if issue.pointer in pointers or issue not in before
        ]
        return schema or self._unread(corrected, values)

    def _unread(self, corrected: Any, values: Mapping[str, str]) -> list[ValidationIssue]:
        """Values that the mapping cannot read: converters, code tables, required columns."""
        read = self._reader.read([remove_marks(corrected)])
        found = []
        for name, value in values.items():
            location = self._reader.order_pointer(name)
            issues = [issue for issue in read.issues[0] if issue.pointer == location]
            issues += [
                _issue(note.code, name, note.message, location) for note in read.notes[0] if note.path == location
            ]
            if not issues and value and read.orders[name].iloc[0] is None:
                issues = [_issue("bad_value", name, "cannot be read by the mapping", location)]
            found += issues
        return found

    def _require_same_order(self, document: Any, corrected: Any) -> None:
        """Raise ``RecordRejectedError`` if more than correctable columns differ."""
        before, now = (identify(one, self._identity) for one in (document, corrected))
        changed = [name for name in before if name not in _MAY_DIFFER and before[name] != now[name]]
        if self._eligibility.evaluate(document) != self._eligibility.evaluate(corrected):
            changed.append("eligibility")
        read = self._reader.read([remove_marks(document), remove_marks(corrected)])
        for name in map(str, read.orders.columns):
            old, new = read.orders[name].tolist()
            if old != new and _is_unchangeable(name, old, new):
                changed.append(name)
        if _lines_of(read.lines, 0) != _lines_of(read.lines, 1):
            changed.append("lines")
        if changed:
            raise not_applicable(
                f"the mapping reads a corrected member also for {', '.join(dict.fromkeys(changed))}, which a "
                "correction must not change; change the order in the source",
            )


def correction_notes(reader: CanonicalReader, fields: Iterable[str]) -> list[OrderNote]:
    """The notes on an order with these corrected fields."""
    return [OrderNote(CORRECTED, reader.order_pointer(name), f"{name} was corrected by an operator") for name in fields]


def _require_readable(document: Any) -> None:
    if not isinstance(document, dict) or is_malformed(document):
        raise not_applicable("the archived order cannot be read, so that nothing in it can be corrected")


def _is_unchangeable(name: str, old: Any, new: Any) -> bool:
    """Whether a correction must not change this column: of the closed list, a charge, or any number."""
    fixed = name in UNCHANGEABLE or name == "scale" or name.startswith(CHARGE_PREFIX)
    return fixed or any(isinstance(value, int | float | Decimal) for value in (old, new))


def _lines_of(lines: Any, order: int) -> list[dict[Any, Any]]:
    return [{**row, "order": 0} for row in lines[lines["order"] == order].to_dict("records")]


def _text_problems(name: str, value: str) -> list[ValidationIssue]:
    found = []
    if len(value) > MAX_LENGTH:
        found.append(_issue("too_long", name, f"is {len(value)} characters long; maximum: {MAX_LENGTH}"))
    allowed = "\n\t" if name in _SEVERAL_LINES else ""
    if any(
        char not in allowed and (unicodedata.category(char) in {"Cc", "Cs"} or char in _REORDERING) for char in value
    ):
        found.append(_issue("control_character", name, "contains a control character or half a character"))
    return found


def _issue(code: str, name: str, message: str, location: str = "") -> ValidationIssue:
    return ValidationIssue(code, location, f"{name} {message}")


def not_applicable(message: str) -> RecordRejectedError:
    """The error for corrections that cannot be applied to an order."""
    return RecordRejectedError([ValidationIssue(NOT_APPLICABLE, "", message)])
