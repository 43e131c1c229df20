"""What ``doctor`` asks of an OMS account beyond the searches: harmless reads that settle what the pages leave open.

Sources: page "Search for Catalog" (``manufacturerID`` is enough, so one small read proves credentials and the id); page
"Search for Order" (``page``, ``perPage``; whether pages count from 0 or 1 is not stated).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from order_relay.vendors.shopatron.client import Shopatron, ShopatronSession
    from order_relay.vendors.shopatron.search import Reply

Told = tuple[str, str, str]
"""Level (``ok``, ``warn``, ``fail``), what was found, what to do."""


async def probes(destination: Shopatron) -> list[Told]:
    """All probes, in order. Raises ``WrongSetup`` where the OMS refuses the credentials."""
    manufacturer_id = destination.settings.manufacturer_id
    async with destination.session(1) as session:
        return [await _catalog(session, manufacturer_id), await _first_page(session, manufacturer_id)]


async def _catalog(session: ShopatronSession, manufacturer_id: int) -> Told:
    reply = await session.get("catalog/", {"manufacturerID": str(manufacturer_id), "perPage": "1"})
    if reply.status == 200:
        return "ok", "catalog: the credentials may read this manufacturer's catalogue", ""
    if reply.status in (400, 422):
        return "fail", f"catalog: HTTP {reply.status}", "check manufacturer_id: the OMS does not take it"
    if reply.status == 404:
        return "warn", "catalog: there is none at this address (HTTP 404)", "check that host is the base URL of the API"
    what = f"HTTP {reply.status}" if reply.status else "no answer"
    return "warn", f"catalog: {what}", "ask again later; if it stays so, ask the vendor"


async def _first_page(session: ShopatronSession, manufacturer_id: int) -> Told:
    """Read page 0 and page 1, one order each: the client counts pages from 1."""
    query = {"manufacturerID": str(manufacturer_id), "perPage": "1"}
    zero = await session.get("order/", {**query, "page": "0"})
    one = await session.get("order/", {**query, "page": "1"})
    first, second = _first_row(zero), _first_row(one)
    if one.status != 200:
        return "warn", f"first page: page 1 was answered with HTTP {one.status}", "searches may not work; see above"
    if second is None and first is not None:
        return "fail", "first page: pages count from 0 here", "tell the maintainers: the client counts from 1"
    if second is None:
        return "ok", "first page: not to be seen, the account has no orders yet", ""
    if zero.status != 200 or first is None or first == second:
        return "ok", "first page: pages count from 1, as the client does", ""
    return "fail", "first page: pages count from 0 here", "tell the maintainers: the client counts from 1"


def _first_row(reply: Reply) -> Any:
    """The first row's id, or ``None`` where the page has no row or is no page."""
    if reply.status != 200 or not reply.body:
        return None
    try:
        rows = msgspec.json.decode(reply.body)["collection"]
        return rows[0]["orderID"] if rows else None
    except (ValueError, KeyError, TypeError, IndexError):
        return None
