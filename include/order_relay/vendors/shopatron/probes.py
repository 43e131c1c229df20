"""What ``doctor`` asks this vendor beyond token and searches: reads only, nothing is imported."""

from __future__ import annotations

from typing import Any

import msgspec

from order_relay.vendors.shopatron.client import ShopatronClient
from order_relay.vendors.shopatron.search import SearchReply

CATALOG = "catalog/"
ORDERS = "order/"


Row = tuple[str, str, str]


async def probes(port: ShopatronClient) -> list[Row]:
    """Rows of level (``ok``, ``warn``, ``fail``), what was found, and advice.

    Reads the catalogue (page "Catalog Search"): a cheap call that shows whether API key and manufacturer id belong
    together. And two pages of orders with one row each: they show whether pages count from 0 or 1, which is documented
    nowhere. Raises ``ConfigurationError``, ``ThrottledError`` or ``TransientError`` where not even a token is given.
    """
    settings = port.settings
    async with port.session(1) as session:
        one = {"manufacturerID": str(settings.manufacturer_id), "perPage": "1"}
        catalog = await session.get(CATALOG, one)
        pages = [await session.get(ORDERS, {**one, "page": page}) for page in ("0", "1")]
    return [_catalog(catalog), _first_page(*pages)]


def _catalog(reply: SearchReply) -> Row:
    if reply.status == 200:
        return "ok", "the catalogue of this manufacturer id can be read", ""
    if reply.status in (400, 404):
        advice = "check manufacturer_id, and that the host ends with the API's path, such as /api/v2"
        return "warn", f"the catalogue is answered with HTTP {reply.status}", advice
    found = f"the catalogue is answered with HTTP {reply.status}" if reply.status else "the catalogue was not answered"
    return "warn", found, "try again later; orders may meet the same"


def _first_page(zero: SearchReply, one: SearchReply) -> Row:
    """The client counts pages from 1; where they count from 0, a search of more than one page misses orders."""
    if one.status != 200:
        return (
            "warn",
            f"the first page of orders is answered with HTTP {one.status}",
            "searches may not work; see above",
        )
    before, first = _first_id(zero), _first_id(one)
    if before is None and first is None:
        return "ok", "whether pages count from 1 can not be seen: the account has no orders yet", ""
    if before is None or before == first:
        return "ok", "pages of orders count from 1, as the client does", ""
    return "fail", "pages of orders count from 0 here, the client counts from 1", "set search_by to none, and report it"


def _first_id(reply: SearchReply) -> Any:
    """The id of the page's first order; ``None`` where it has none or is no page."""
    try:
        rows = msgspec.json.decode(reply.body)["collection"] if reply.status == 200 else []
        return rows[0]["orderID"] if rows else None
    except (ValueError, KeyError, TypeError, IndexError):
        return None
