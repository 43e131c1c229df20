"""What reading makes of an order from which card data was removed: the members concerned count as missing.

The archive keeps the mark ``CUT`` in their place, and a list of these places beside them; neither is ever sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from order_relay.errors import Refusal
from order_relay.orders.card_data import CUT
from order_relay.orders.notes import Note

PLACES = "_card_data_removed"
"""The member of an archived order that lists where card data was removed (JSON pointers)."""

REMOVED = "card_data_removed"
"""Code of the note on such an order, and reason of ``held`` where the payload needs what is missing."""


def with_places(document: Any, places: list[str]) -> Any:
    """The document as the archive keeps it."""
    return {**document, PLACES: places} if isinstance(document, dict) else document


def places_of(document: Any) -> list[str]:
    """Where card data was removed from an archived order."""
    places = document.get(PLACES) if isinstance(document, dict) else None
    return [place for place in places if isinstance(place, str)] if isinstance(places, list) else []


def without_marks(document: Any) -> Any:
    """An archived order without the members from which something was removed. Untouched ones come back as they are."""
    if not places_of(document):
        return document
    return _without({name: value for name, value in document.items() if name != PLACES})


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without(item) for name, item in value.items() if CUT not in name and not _is_marked(item)}
    if isinstance(value, list):
        return [_without(item) for item in value if not _is_marked(item)]
    return value


def _is_marked(value: Any) -> bool:
    return isinstance(value, str) and CUT in value


def notes_on(places: Iterable[str]) -> list[Note]:
    """One note for each place."""
    return [Note(REMOVED, place, "held card data, which was removed; the member is not sent") for place in places]


def missing_for_it(refusals: Iterable[Refusal], places: Iterable[str]) -> bool:
    """Whether all these refusals are about members from which card data was removed."""
    places = list(places)
    return bool(places) and all(any(_about(why.pointer, place) for place in places) for why in refusals)


def _about(pointer: str, place: str) -> bool:
    return pointer == place or pointer.startswith(f"{place}/") or (pointer != "" and place.startswith(f"{pointer}/"))
