"""Checks for ``doctor`` beyond token and searches. They only read; nothing is imported."""

from __future__ import annotations

from typing import Any

import msgspec

from order_relay.http.sending.search import SearchReply
from order_relay.http.sending.session import HttpDestination
from order_relay.vendors.shopatron.connection import OmsSettings

CATALOG = "catalog/"
ORDERS = "order/"

Row = tuple[str, str, str]


async def probes(port: HttpDestination[OmsSettings]) -> list[Row]:
    """Rows of level (``ok``, ``warn``, ``fail``), finding, and advice.

    Reads the catalogue, which shows whether API key and manufacturer id belong together, and two pages of orders with
    one row each, which show whether pages count from 0 or 1 (docs/vendors/shopatron.md, "Facts"). Raises
    ``ConfigurationError``, ``ThrottledError`` or ``TransientError`` if no token is issued.
    """
    settings = port.settings
    async with port.session(1) as session:
        query = {"manufacturerID": str(settings.manufacturer_id), "perPage": "1"}
        catalog = await session.get(CATALOG, query)
        pages = [await session.get(ORDERS, {**query, "page": page}) for page in ("0", "1")]
    return [_catalog(catalog), _first_page(*pages)]


def _catalog(reply: SearchReply) -> Row:
    if reply.status == 200:
        return "ok", "the catalogue of this manufacturer id can be read", ""
    if reply.status in (400, 404):
        advice = "check manufacturer_id, and that the host ends with the API's path, such as /api/v2"
        return "warn", f"the catalogue answered HTTP {reply.status}", advice
    found = f"the catalogue answered HTTP {reply.status}" if reply.status else "the catalogue did not answer"
    return "warn", found, "try again later; sending orders may fail in the same way"


def _first_page(zero: SearchReply, one: SearchReply) -> Row:
    """The client counts pages from 1; if the OMS counts from 0, searches of several pages miss orders."""
    if one.status != 200:
        return ("warn", f"the first page of orders answered HTTP {one.status}", "searches may not work; see above")
    before, first = _first_id(zero), _first_id(one)
    if before is None and first is None:
        return "ok", "unknown whether pages count from 1: the account has no orders yet", ""
    if before is None or before == first:
        return "ok", "pages of orders count from 1, as the client does", ""
    return "fail", "pages of orders count from 0, but the client counts from 1", "set search_by to none, and report it"


def _first_id(reply: SearchReply) -> Any:
    """The id of a page's first order, or ``None``."""
    try:
        rows = msgspec.json.decode(reply.body)["collection"] if reply.status == 200 else []
        return rows[0]["orderID"] if rows else None
    except (ValueError, KeyError, TypeError, IndexError):
        return None
