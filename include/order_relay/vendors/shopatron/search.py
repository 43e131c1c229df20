"""How orders are found at the OMS. Facts and assumptions: docs/vendors/shopatron.md, "Facts"."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from order_relay.http.sending.outcomes import read_number_id
from order_relay.http.sending.search import OrderSearch, SearchReply, order_reader
from order_relay.vendors.shopatron.order_view import OrderView

NONE_FOUND = "5002"
CODE_KEYS = ("code", "errorCode", "statusCode")
MAX_DEPTH = 4


def order_search(view: OrderView, window: tuple[str, str]) -> OrderSearch:
    """The search of an account. ``window``: names of its two date parameters."""
    read = order_reader(
        "orderID", "externalOrderID", "orderStatus", "status", read_id=read_number_id, traits=view.traits
    )
    return OrderSearch(
        path="order/",
        rows="collection",
        total="totalCount",
        read_order=lambda row: replace(found := read(row), status=as_written(found.status)),
        order_path="order/{id}",
        by_key=lambda keys: {"externalOrderID": ",".join(keys)},
        by_window=lambda start, end: {window[0]: start, window[1]: end},
        common={"manufacturerID": str(view.manufacturer_id)},
        is_none_found=is_none_found,
        hint="the documented path ends with /api/v2",
    )


def is_none_found(reply: SearchReply) -> bool:
    """A 404 with the documented code for "no match", or an empty body, as seen in public clients."""
    if reply.status != 404:
        return reply.status == 200 and not reply.body.strip()
    try:
        document: Any = msgspec.json.decode(reply.body)
    except (ValueError, RecursionError):
        return False
    return _carries_code(document, MAX_DEPTH)


def _carries_code(value: Any, depth: int) -> bool:
    """Whether the code is in the body or in a nested object, such as ``{"errors": [{"code": 5002}]}``.

    The name of its member is assumed.
    """
    if isinstance(value, dict):
        if any(str(value.get(name)) == NONE_FOUND for name in CODE_KEYS):
            return True
        value = list(value.values())
    return isinstance(value, list) and depth > 0 and any(_carries_code(one, depth - 1) for one in value)


def as_written(status: str) -> str:
    """A status in the spelling of imports: searches show CANCELED for CANCELLED."""
    return "CANCELLED" if status.upper() == "CANCELED" else status.upper()
