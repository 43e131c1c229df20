"""An order whose text cannot be used as it is: kept whole under its identity, and refused with what is wrong with it.

The archive keeps such an order as a document of its own form, with the text as it came (without card data) and the
issues that name what is wrong, so that every later stage finds them where it finds any other order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from order_relay.errors import ValidationIssue

ISSUES_KEY = "_unreadable"
TEXT_KEY = "_text"
LOCATION_KEY = "_where"
NUMBER_KEY = "_number"
"""Only where the order is kept under its text: the order number that could be read."""

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
"""Problems with which nothing of an order's content is used, except for its identity."""


def wrap_malformed(text: str, issues: Iterable[ValidationIssue], where: str, number: str = "") -> dict[str, Any]:
    """The document that the archive keeps. ``text`` must be free of card data; ``where`` is its place in the answer."""
    wrong = [{"code": why.code, "pointer": why.pointer, "message": why.message} for why in issues]
    return {ISSUES_KEY: wrong, LOCATION_KEY: where, TEXT_KEY: text} | ({NUMBER_KEY: number} if number else {})


def is_malformed(document: Any) -> bool:
    """Whether a document of the archive is one that ``kept`` made."""
    return isinstance(document, dict) and document.keys() - {NUMBER_KEY} == {ISSUES_KEY, LOCATION_KEY, TEXT_KEY}


def malformed_issues(document: Mapping[str, Any]) -> list[ValidationIssue]:
    """What is wrong with such an order."""
    return [ValidationIssue(why["code"], why["pointer"], why["message"]) for why in document[ISSUES_KEY]]
