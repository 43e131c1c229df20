"""What reading makes of an order from which card data was removed: the members concerned count as missing.

The archive keeps the mark ``REDACTED`` in their place, and a list of these places beside them; neither is ever sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from order_relay.errors import ValidationIssue
from order_relay.orders.notes import OrderNote
from order_relay.orders.privacy.card_data import REDACTED

MARK_KEY = "_card_data_removed"
"""The member of an archived order that lists where card data was removed (JSON pointers)."""

CARD_DATA_REMOVED = "card_data_removed"
"""Code of the note on such an order, and reason of ``held`` where the payload needs what is missing."""


def mark_redactions(document: Any, places: list[str]) -> Any:
    """The document as the archive keeps it."""
    return {**document, MARK_KEY: places} if isinstance(document, dict) else document


def redacted_pointers(document: Any) -> list[str]:
    """Where card data was removed from an archived order."""
    places = document.get(MARK_KEY) if isinstance(document, dict) else None
    return [place for place in places if isinstance(place, str)] if isinstance(places, list) else []


def remove_marks(document: Any) -> Any:
    """An archived order without the members from which something was removed. Untouched ones come back as they are."""
    if not redacted_pointers(document):
        return document
    return _remove_marks({name: value for name, value in document.items() if name != MARK_KEY})


def _remove_marks(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _remove_marks(item) for name, item in value.items() if REDACTED not in name and not _is_marked(item)
        }
    if isinstance(value, list):
        return [_remove_marks(item) for item in value if not _is_marked(item)]
    return value


def _is_marked(value: Any) -> bool:
    return isinstance(value, str) and REDACTED in value


def redaction_notes(places: Iterable[str]) -> list[OrderNote]:
    """One note for each place."""
    return [
        OrderNote(CARD_DATA_REMOVED, place, "held card data, which was removed; the member is not sent")
        for place in places
    ]


def caused_by_redaction(issues: Iterable[ValidationIssue], places: Iterable[str]) -> bool:
    """Whether all these issues are about members from which card data was removed."""
    places = list(places)
    return bool(places) and all(any(_covers(why.pointer, place) for place in places) for why in issues)


def _covers(pointer: str, place: str) -> bool:
    return pointer == place or pointer.startswith(f"{place}/") or (pointer != "" and place.startswith(f"{pointer}/"))
