"""Eligibility rules: whether an order may be sent yet, from the section ``gate`` of a source's mapping file.

A source may list orders that are not to be fulfilled yet: a payment is open, or was cancelled and may be tried again.
Each rule reads one value and has a verdict on it; the first that is not ``go`` decides. A rule is
``{path, verdicts, otherwise}``. A verdict is one of ``VERDICTS``, or ``{table, by, default}``: a code table has it for
the value at the path ``by`` (such as a web shop), else it is ``default``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from order_relay.errors import ConfigurationError, ValidationIssue
from order_relay.orders.identity.scalars import text_of
from order_relay.orders.mapping.mapping_rules import CodeTables, normalize_words
from order_relay.orders.paths import first_value, path_pointer
from order_relay.orders.schema.validator import field_name

GO = "go"  # continue with the next rule; after the last one the order is eligible
WAIT = "wait"  # not yet: it is read again by its id
WITHDRAWN = "withdrawn"  # no longer to be sent: nothing is done unless the source lists it again
CANCELLED_THERE = "cancelled"  # as withdrawn; if the order was imported before, an operator decides
REFUSE = "refuse"  # a value without a verdict: quarantined
VERDICTS = (GO, WAIT, WITHDRAWN, CANCELLED_THERE, REFUSE)

REASON_PREFIX = "gate:"
"""Prefix of the reasons of orders that wait for a change at their source."""

NOT_RETURNED = f"{REASON_PREFIX}gone"
"""Reason of a waiting order that the source no longer returns."""

CANCELLED = f"{REASON_PREFIX}cancelled"
"""Reason of a waiting order that its source lists as cancelled; it is read again before it is sent."""

_MEMBERS = {"path", "verdicts", "otherwise"}


def is_eligibility_reason(reason: str | None) -> bool:
    """Whether an order waits for something to change at its source (and not for another version)."""
    return bool(reason) and str(reason).startswith(REASON_PREFIX)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict, and the ``reason`` code under which the order waits (safe for logs)."""

    verdict: str
    reason: str = ""
    refusal: ValidationIssue | None = None


@dataclass(frozen=True)
class _TableVerdict:
    rows: Mapping[str, str]
    by: str
    default: str


@dataclass(frozen=True)
class _EligibilityRule:
    path: str
    verdicts: Mapping[str, str | _TableVerdict]
    otherwise: str


class EligibilityRules:
    """The eligibility rules of one source. Without rules every order is eligible."""

    def __init__(self, rules: Sequence[_EligibilityRule] = ()) -> None:
        self._rules = tuple(rules)

    @property
    def paths(self) -> frozenset[str]:
        """All paths that the rules read."""
        tables = (
            verdict.by
            for rule in self._rules
            for verdict in rule.verdicts.values()
            if isinstance(verdict, _TableVerdict)
        )
        return frozenset((*(rule.path for rule in self._rules), *tables))

    @classmethod
    def from_mapping(cls, section: Any, tables: CodeTables, where: str = "gate") -> EligibilityRules:
        """Read the section of a mapping file.

        Raises ``ConfigurationError`` with ``where``, the rule and the allowed values.
        """
        if not isinstance(section or (), Sequence) or isinstance(section, str):
            raise ConfigurationError(f"{where}: must be a list of rules")
        return cls([_rule(raw, tables, f"{where}[{number}]") for number, raw in enumerate(section or ())])

    def evaluate(self, document: Any) -> Verdict:
        """The verdict on one document. Never raises, regardless of the document."""
        for rule in self._rules:
            value = text_of(first_value(document, rule.path))
            verdict = rule.verdicts.get(value, rule.otherwise)
            if isinstance(verdict, _TableVerdict):
                verdict = verdict.rows.get(normalize_words(text_of(first_value(document, verdict.by))), verdict.default)
            if verdict == GO:
                continue
            if verdict == REFUSE:
                location = path_pointer(rule.path)
                return Verdict(
                    REFUSE,
                    refusal=ValidationIssue(
                        "not_allowed",
                        location,
                        f"{field_name(location)} has a value that `gate` in the mapping does not list; add it there",
                    ),
                )
            # the reason quotes only values that the rule names, not arbitrary text of the order
            shown = value if value in rule.verdicts else "other"
            return Verdict(verdict, f"{REASON_PREFIX}{rule.path}={shown}")
        return Verdict(GO)


def _rule(raw: Any, tables: CodeTables, where: str) -> _EligibilityRule:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("path"), str) or set(raw) - _MEMBERS:
        raise ConfigurationError(f"{where}: must be an object with path, verdicts and otherwise")
    verdicts = raw.get("verdicts")
    if not isinstance(verdicts, Mapping) or not verdicts:
        raise ConfigurationError(f"{where}.verdicts: must give a verdict for each value")
    read = {str(value): _verdict(verdict, tables, f"{where}.verdicts.{value}") for value, verdict in verdicts.items()}
    return _EligibilityRule(raw["path"], read, _word(raw.get("otherwise", REFUSE), f"{where}.otherwise"))


def _verdict(raw: Any, tables: CodeTables, where: str) -> str | _TableVerdict:
    if not isinstance(raw, Mapping):
        return _word(raw, where)
    if set(raw) != {"table", "by", "default"} or raw["table"] not in tables:
        raise ConfigurationError(f"{where}: needs table (an existing code table), by and default")
    table = str(raw["table"])
    rows = {key: _word(word, f"code table {table!r}, row {key!r}") for key, word in tables[table].items()}
    return _TableVerdict(rows, str(raw["by"]), _word(raw["default"], f"{where}.default"))


def _word(value: Any, where: str) -> str:
    if value not in VERDICTS:
        raise ConfigurationError(f"{where}: must be one of {', '.join(VERDICTS)}")
    return str(value)
