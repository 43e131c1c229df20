"""Shadow mode: everything except sending and acknowledging, and a comparison with the orders in the OMS.

The run uses a scratch ledger, like a dry run. The orders that load would have sent are searched for at the destination
by external id and listed in the batch store. The result only informs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from order_relay.batches import BatchStore
from order_relay.errors import OrderRelayError
from order_relay.iteration import batched
from order_relay.ledger import Ledger, Sendable
from order_relay.orders.json_text import encode
from order_relay.orders.messages import RunContext
from order_relay.pipeline.lookup.evidence import MAX_SEARCH_KEYS, hits_by_key, why_not_absent
from order_relay.pipeline.ports import Destination, DestinationSession
from order_relay.pipeline.runs.objects import run_prefix
from order_relay.pipeline.runs.trials import SHADOW_PREFIX

log = logging.getLogger(__name__)

SHADOW_COUNTS = ("would_send", "found_there", "not_found_there", "not_compared")


def run_shadow(  # noqa: PLR0917 - the shape that all stages have
    ctx: RunContext, ledger: Ledger, store: BatchStore, destination: Destination, chunk_name: str, share: int
) -> dict[str, int]:
    """Look up the orders of the chunk without sending them, and list the results. Counts as in ``SHADOW_COUNTS``.

    ``not_found_there`` does not prove absence (there is no positive control); operators compare it with the logs of
    their current scripts. If the destination cannot be searched or does not respond, orders are ``not_compared``.
    """
    orders = ledger.claims.sendable([int(i) for i in store.read_json(chunk_name).get("send", ())])
    there = asyncio.run(_find_orders(destination, share, [order.destination_key for order in orders])) if orders else {}
    rows = [_row(order, there.get(order.destination_key)) for order in orders]
    short = chunk_name.rpartition("/")[2].removesuffix(".json")
    store.write_jsonl(f"{run_prefix(ctx)}/{SHADOW_PREFIX}{short}.jsonl.gz", map(encode, rows))
    counts = dict.fromkeys(SHADOW_COUNTS, 0) | {"would_send": len(rows)}
    for row in rows:
        counts[row["comparison"]] += 1
    return counts


def _row(order: Sendable, oms_ids: Sequence[str] | None) -> dict[str, Any]:
    comparison = "not_compared" if oms_ids is None else "found_there" if oms_ids else "not_found_there"
    return {
        "order_number": order.order_number,
        "external_id": order.destination_key,
        "payload": order.payload_name,
        "row": order.payload_row,
        "comparison": comparison,
        "oms_ids": list(oms_ids or ()),
    }


async def _find_orders(destination: Destination, share: int, keys: Sequence[str]) -> dict[str, list[str]]:
    """OMS ids by external id; keys without a usable result are missing."""
    if destination.search_by not in ("auto", "external_id"):
        return {}
    found: dict[str, list[str]] = {}
    try:
        async with destination.session(share) as session:
            for some in batched(keys, MAX_SEARCH_KEYS):
                found |= await _search(session, some)
    except OrderRelayError as error:
        log.warning("the remaining orders cannot be compared with the OMS: %s", error)
    return found


async def _search(session: DestinationSession, keys: Sequence[str]) -> dict[str, list[str]]:
    page = await session.find_by_key(keys)
    proven = not why_not_absent(page, (), trust_without_controls=True)
    found: dict[str, list[str]] = {key: [] for key in keys} if proven else {}
    shown = hits_by_key(page.rows)
    found.update((key, [row.oms_id for row in shown[key]]) for key in keys if key in shown)
    return found
