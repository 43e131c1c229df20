"""The status of an order in ShipRush's words (docs/vendors/shiprush.md, "Facts")."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

WORDS: Mapping[str, str] = MappingProxyType(
    {
        "ready_to_ship": "paid",  # an example in the vendor's documentation of "Paid Status"
        "partly_shipped": "paid",  # the rest is still to be shipped
        "shipped": "shipped",  # assumed: no word is documented
        "cancelled": "cancelled",  # documented: do not ship
        "on_hold": "on-hold",  # assumed: any word other than the store's paid words
    }
)
"""Our statuses and ShipRush's words, in lower case, because its use of case is not documented."""

CANCELLED_WORDS = ("cancelled", "deleted", "voided", "refunded")
"""The documented words for cancelled."""

_CANCELLED = frozenset({"superseded", "discarded", "rejected"})
_TO_BE_SHIPPED = frozenset({"ready", "sending", "in_doubt", "imported"})


_HELD_AT_OMS = frozenset({"rejected", "partly_cancelled"})


def status_of(
    state: str, *, shipped: str | None = None, cancelled: bool = False, sent_as: str = "READY", oms: str = ""
) -> str:
    """One of the keys of ``WORDS``.

    ``shipped`` is empty, ``partly`` or ``shipped``; ``cancelled``: the order was cancelled after it was sent;
    ``sent_as``: its status in the payload (READY, SHIPPED or CANCELLED). A shipped order is shipped even if it was
    cancelled too. ``oms``: our reading of its status at the OMS (``OmsReading``), if it is asked. An order that the OMS
    has shipped is shipped without a parcel, too; one that it rejected or cancelled in part is on hold.
    """
    to_be_shipped = state in _TO_BE_SHIPPED
    if "shipped" in (shipped, oms) or (to_be_shipped and sent_as == "SHIPPED"):
        return "shipped"
    if cancelled or state in _CANCELLED or (to_be_shipped and sent_as == "CANCELLED"):
        return "cancelled"
    if not to_be_shipped or oms in _HELD_AT_OMS:
        return "on_hold"
    return "partly_shipped" if shipped or oms == "partly_shipped" else "ready_to_ship"
