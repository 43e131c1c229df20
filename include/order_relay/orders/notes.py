"""Notes on an order: values that were changed, left out or defaulted in the payload. They do not contain the values.

A note never stops an order. It has a stable ``code``, the ``path`` that it concerns (a JSON pointer into the source's
document, such as ``/items/0/upc``, or a target of the payload, such as ``lines[].sku``), and a ``message``. Notes
are stored with the submission, shown by the command ``order``, and counted by code in the run report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_NOTES = 100
"""Maximum notes per order; the last one gives the number of omitted notes."""


@dataclass(frozen=True, slots=True, order=True)
class OrderNote:
    """One note. It holds no value of the order, except the order number if nothing else identifies the order."""

    code: str
    path: str = ""
    message: str = ""


READABLE_NUMBER = "readable_number"
"""Code of the note whose message is the order number of an order without a usable identity."""

NOTE_TITLES: Mapping[str, str] = {
    READABLE_NUMBER: "the order number of an order without a usable identity",
    "corrected": "a value was corrected by an operator; the corrected value is sent",
    "card_data_removed": "card data was removed from a member, which is not sent",
    "unreadable_value": "an informational value could not be read and was left out",
    "not_in_code_table": "a code without a row in its code table was left out, or replaced by the default",
    "position": "where in the answer of the source an unreadable order was found",
    "text_cut": "a text was shortened to the limit of the destination",
    "key_collision": "two values of the order have one key at the destination; one was sent under another key",
    "cancelled_line": "a line of quantity 0 without an amount was not sent as an item; the comment names it",
    "promotion_with_quantity": "a line with a quantity but no price was sent as a comment, not as an item",
    "more_notes": "the order has more notes than are kept",
}
"""The meaning of each code, for the run report."""


def limit_notes(notes: Iterable[OrderNote]) -> list[OrderNote]:
    """The notes without duplicates, in their order, at most ``MAX_NOTES``."""
    unique = list(dict.fromkeys(notes))
    if len(unique) <= MAX_NOTES:
        return unique
    omitted = len(unique) - (MAX_NOTES - 1)
    return [*unique[: MAX_NOTES - 1], OrderNote("more_notes", "", f"{omitted} more notes are not listed")]


def notes_to_json(notes: Iterable[OrderNote]) -> list[dict[str, str]]:
    """Notes as plain values, for JSON."""
    return [{"code": note.code, "path": note.path, "message": note.message} for note in notes]


def notes_from_json(values: Iterable[Any]) -> list[OrderNote]:
    """Notes from plain values. A bare text, as in older ledgers, becomes a message without code and path."""
    return [
        OrderNote("note", "", value)
        if isinstance(value, str)
        else OrderNote(*(str(value.get(n, "")) for n in _MEMBERS))
        for value in values
    ]


_MEMBERS = ("code", "path", "message")
