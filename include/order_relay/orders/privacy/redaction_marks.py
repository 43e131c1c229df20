"""Reads orders from which card data was removed: the redacted members count as missing.

The archive holds ``REDACTED`` in their place and a list of their JSON pointers; neither is ever sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from order_relay.errors import ValidationIssue
from order_relay.orders.notes import OrderNote
from order_relay.orders.privacy.card_data import REDACTED

MARK_KEY = "_card_data_removed"
"""The member of an archived order that lists where card data was removed (JSON pointers)."""

CARD_DATA_REMOVED = "card_data_removed"
"""Code of the note on such an order, and reason of ``held`` if the payload needs a removed value."""


def mark_redactions(document: Any, locations: list[str]) -> Any:
    """The document as archived: with the list of redacted members."""
    return {**document, MARK_KEY: locations} if isinstance(document, dict) else document


def redacted_pointers(document: Any) -> list[str]:
    """JSON pointers of the redacted members of an archived order."""
    locations = document.get(MARK_KEY) if isinstance(document, dict) else None
    return [location for location in locations if isinstance(location, str)] if isinstance(locations, list) else []


def remove_marks(document: Any) -> Any:
    """An archived order without its redacted members. An order without any is returned unchanged."""
    if not redacted_pointers(document):
        return document
    return _remove_marks({name: value for name, value in document.items() if name != MARK_KEY})


def drop_redactions(document: Any, locations: Sequence[str]) -> Any:
    """An archived order whose members at these pointers were replaced, so that they no longer count as redacted."""
    listed = redacted_pointers(document)
    kept = [one for one in listed if not any(one == at or one.startswith(f"{at}/") for at in locations)]
    if len(kept) == len(listed):
        return document
    others = {name: value for name, value in document.items() if name != MARK_KEY}
    return mark_redactions(others, kept) if kept else others


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


def redaction_notes(locations: Iterable[str]) -> list[OrderNote]:
    """One note per redacted member."""
    return [
        OrderNote(CARD_DATA_REMOVED, location, "held card data, which was removed; the member is not sent")
        for location in locations
    ]


def caused_by_redaction(issues: Iterable[ValidationIssue], locations: Iterable[str]) -> bool:
    """Whether all issues concern redacted members."""
    locations = list(locations)
    return bool(locations) and all(any(_covers(issue.pointer, location) for location in locations) for issue in issues)


def _covers(pointer: str, location: str) -> bool:
    return (
        pointer == location
        or pointer.startswith(f"{location}/")
        or (pointer != "" and location.startswith(f"{pointer}/"))
    )
