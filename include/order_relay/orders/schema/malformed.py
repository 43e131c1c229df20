"""Orders whose text is malformed: archived whole under their identity, and rejected with their issues.

The archive holds such an order as a wrapper document with the text as received (without card data) and the issues, so
that every later stage finds it like any other order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from order_relay.errors import ValidationIssue

ISSUES_KEY = "_unreadable"
TEXT_KEY = "_text"
LOCATION_KEY = "_where"
NUMBER_KEY = "_number"
"""Only if the order has no readable identity: the order number that could be read."""

DUPLICATE_KEY = "duplicate_key"
NOT_A_NUMBER = "not_a_json_number"
BAD_BYTE = "bad_byte"
CONTROL_CHARACTER = "control_character"
TOO_DEEP = "nested_too_deeply"
TOO_LARGE = "order_too_large"
NOT_JSON = "not_json"
NOT_AN_OBJECT = "not_an_object"

MALFORMED_CODES = frozenset(
    {DUPLICATE_KEY, NOT_A_NUMBER, BAD_BYTE, CONTROL_CHARACTER, TOO_DEEP, TOO_LARGE, NOT_JSON, NOT_AN_OBJECT}
)
"""Problems because of which only the identity of an order is used, and none of its other content."""


def wrap_malformed(text: str, issues: Iterable[ValidationIssue], where: str, number: str = "") -> dict[str, Any]:
    """The document to archive. ``text`` must be free of card data; ``where`` is its position in the response."""
    listed = [{"code": issue.code, "pointer": issue.pointer, "message": issue.message} for issue in issues]
    return {ISSUES_KEY: listed, LOCATION_KEY: where, TEXT_KEY: text} | ({NUMBER_KEY: number} if number else {})


def is_malformed(document: Any) -> bool:
    """Whether an archived document was made by ``wrap_malformed``."""
    return isinstance(document, dict) and document.keys() - {NUMBER_KEY} == {ISSUES_KEY, LOCATION_KEY, TEXT_KEY}


def malformed_issues(document: Mapping[str, Any]) -> list[ValidationIssue]:
    """The issues of a malformed order."""
    return [ValidationIssue(issue["code"], issue["pointer"], issue["message"]) for issue in document[ISSUES_KEY]]
