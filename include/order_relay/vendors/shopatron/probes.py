"""What ``doctor`` asks this vendor beyond token and searches: reads only, nothing is imported."""

from __future__ import annotations

from order_relay.vendors.shopatron.client import Shopatron

CATALOG = "catalog/"


async def probes(port: Shopatron) -> list[tuple[str, str, str]]:
    """Rows of level (``ok``, ``warn``, ``fail``), what was found, and advice.

    Reads the catalogue (page "Catalog Search"): a cheap call that shows whether API key and manufacturer id belong
    together. Raises ``WrongSetup``, ``Throttled`` or ``RetryLater`` where not even a token is given.
    """
    settings = port.settings
    async with port.session(1) as session:
        reply = await session.get(CATALOG, {"manufacturerID": str(settings.manufacturer_id), "perPage": "1"})
    if reply.status == 200:
        return [("ok", "the catalogue of this manufacturer id can be read", "")]
    if reply.status in (400, 404):
        advice = "check manufacturer_id, and that the host ends with the API's path, such as /api/v2"
        return [("warn", f"the catalogue is answered with HTTP {reply.status}", advice)]
    found = f"the catalogue is answered with HTTP {reply.status}" if reply.status else "the catalogue was not answered"
    return [("warn", found, "try again later; orders may meet the same")]
