"""Reads orders with their payloads a few at a time, so that memory does not grow with the backlog."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import groupby

from order_relay.batches import BatchStore, DamagedBatchError
from order_relay.iteration import batched
from order_relay.ledger.schema.records import Sendable
from order_relay.pipeline.load.sender import Sender

log = logging.getLogger(__name__)

SLICE_SIZE = 500
"""Ids read from the ledger per query."""


async def read_payloads(
    ids: Sequence[int], to_send: Callable[[list[int]], Awaitable[list[Sendable]]], store: BatchStore, tally: Sender
) -> AsyncIterator[tuple[Sendable, bytes]]:
    """The orders of ``ids`` that are ready, each with the bytes to POST, read grouped by object.

    A payload that cannot be read, or does not match its fingerprint, is left out and counted.
    Raises the ledger's errors, and ``StoreUnavailableError``.
    """
    for some in batched(ids, SLICE_SIZE):
        sendables = await to_send(some)
        if len(sendables) < len(some):
            tally.left_out("not_ready", len(some) - len(sendables), retry=False)
        ordered = sorted(sendables, key=lambda s: (s.payload_name, s.payload_row))
        for name, group in groupby(ordered, key=lambda s: s.payload_name):
            for item in await _read_group(name, list(group), store, tally):
                yield item


async def _read_group(
    name: str, group: list[Sendable], store: BatchStore, tally: Sender
) -> list[tuple[Sendable, bytes]]:
    rows = {s.payload_row for s in group}
    try:
        payloads = await asyncio.to_thread(store.read_rows, name, rows)
    except (DamagedBatchError, ValueError) as exc:
        log.error("payloads of %d orders cannot be used: %s", len(group), exc)  # noqa: TRY400 - no trace needed
        tally.damaged([s.id for s in group])
        return []
    good = [(s, payloads[s.payload_row]) for s in group if _is_unchanged(s, payloads[s.payload_row])]
    if len(good) < len(group):
        log.error("%d payloads in object %r do not match their fingerprints", len(group) - len(good), name)
        tally.damaged([s.id for s in group if not _is_unchanged(s, payloads[s.payload_row])])
    return good


def payload_fingerprint(payload: bytes) -> str:
    """The SHA-256 of a payload's bytes, in hex, as kept in the ledger."""
    return hashlib.sha256(payload).hexdigest()


def _is_unchanged(sendable: Sendable, payload: bytes) -> bool:
    return payload_fingerprint(payload) == sendable.fingerprint
