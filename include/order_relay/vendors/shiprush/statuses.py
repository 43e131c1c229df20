"""From what was sent of an order and what became of it to the word that ShipRush knows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

WORDS: Mapping[str, str] = MappingProxyType(
    {
        "ready_to_ship": "paid",  # an example of ShipRush's own for "Paid Status" (page-shiprush.txt)
        "partly_shipped": "paid",  # the rest is still to be shipped
        "shipped": "shipped",  # assumed: ShipRush names no word for it
        "cancelled": "cancelled",  # ShipRush: not to be shipped (page-shiprush.txt)
        "on_hold": "on-hold",  # assumed: any word that is not among the store's paid words
    }
)
"""Our statuses and ShipRush's words, in lower case: whether ShipRush minds the case is unknown."""

CANCELLED_WORDS = ("cancelled", "deleted", "voided", "refunded")
"""The only words that ShipRush takes for cancelled (page-shiprush.txt)."""

_CANCELLED = frozenset({"superseded", "discarded", "rejected"})
_TO_BE_SHIPPED = frozenset({"ready", "sending", "in_doubt", "imported"})


def status_of(state: str, *, shipped: str | None = None, cancelled: bool = False, sent_as: str = "READY") -> str:
    """One of the keys of ``CODE_MESSAGES``.

    ``shipped`` is empty, ``partly`` or ``shipped``; ``cancelled``: the order was cancelled since it was sent;
    ``sent_as``: the status that its payload gave it at the destination (READY, SHIPPED or CANCELLED). What has left
    the warehouse is shipped, even if it was cancelled too.
    """
    if shipped == "shipped" or (state == "imported" and sent_as == "SHIPPED"):
        return "shipped"
    if cancelled or state in _CANCELLED or (state == "imported" and sent_as == "CANCELLED"):
        return "cancelled"
    if state not in _TO_BE_SHIPPED:
        return "on_hold"
    return "partly_shipped" if shipped else "ready_to_ship"
