"""The response of the order download by time, in both forms. Unverified, as is the whole route."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from aiohttp import web

_BAD = b'{"id":1,"uuid":"00000000-0000-4000-8000-000000000001","order_number":"1-010126-1","items":[],"total":NaN}'


def moment(text: str | None) -> datetime | None:
    """A bound of the interval (``yyyy-mm-dd`` or ISO 8601). Raises ``ValueError``."""
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def whole(orders: Sequence[bytes], *, as_array: bool, fault: str = "") -> web.Response:
    """All orders as one array, or one a line."""
    if fault == "status_error":
        return web.json_response({"status": "error", "error": "the orders cannot be exported at present"})
    if fault == "one_bad_order":
        orders = [*orders[:1], _BAD, *orders[1:]]
    body = b"[" + b",".join(orders) + b"]" if as_array else b"".join(order + b"\n" for order in orders)
    if fault == "truncated":
        body = body[: len(body) * 2 // 3]
    return web.Response(body=body, content_type="application/json")
