"""Content fingerprints across changes of the mapping: whether an order fetched again is still the same.

When the mapping starts to read more members, the fingerprints in the ledger cover fewer members than new ones. Compared
directly, every known order would look changed, and every imported one would be held. The fetched document is therefore
fingerprinted in the earlier way as well and, if that differs, the archived document in the current way. Only an order
that differs in both has changed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from order_relay.batches import BatchStore
from order_relay.errors import OrderRelayError
from order_relay.ledger import OutdatedFingerprint, WorkItem
from order_relay.ledger.submissions.fingerprints import Fingerprints
from order_relay.orders.mapping.content_hash import ContentPaths, document_hash, paths_version
from order_relay.orders.messages import RunContext
from order_relay.pipeline.archive import REMOVED, read_documents

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


def renew_fingerprints(
    ctx: RunContext,
    fingerprints: Fingerprints,
    store: BatchStore,
    offers: pd.DataFrame,
    batch_id: str,
    *,
    contents: ContentPaths,
) -> int:
    """Renew the fingerprints of known orders with unchanged content in this batch; returns their number."""
    fingerprints.save_reading(contents.paths_version, contents.as_text())
    offered = offers[offers["content_hash"].str.startswith(f"{contents.paths_version}-")]
    rows = {
        row.source_id: row for row in fingerprints.outdated(ctx.pipeline, offered["source_id"], contents.paths_version)
    }
    if not rows:
        return 0
    same: dict[int, tuple[str, str]] = {}
    undecided: dict[str, set[str]] = {}
    readings = fingerprints.readings()
    columns = offered.loc[offered["source_id"].isin(rows), ["source_id", "part", "row", "content_hash"]]
    now = {(part, row): (rows[name], new) for name, part, row, new in columns.itertuples(index=False, name=None)}
    works = [WorkItem(row.id, 0, "", row.source_id, batch_id, part, line) for (part, line), (row, _) in now.items()]
    for slice_ in read_documents(store, ctx.pipeline, works):
        for work, document in slice_:
            row, new = now[work.part, work.row]
            if _earlier_fingerprint(document, row.content_hash, readings, contents) == row.content_hash:
                same[row.id] = (row.content_hash, new)
            else:
                undecided.setdefault(row.source_id, set()).add(new)
    for row, document in _archived(ctx, store, [rows[name] for name in undecided if rows[name].id not in same]):
        current = contents.fingerprint(document)
        if current in undecided[row.source_id]:
            same[row.id] = (row.content_hash, current)
    count = fingerprints.replace_outdated(same)
    log.info("the mapping has changed: %d of %d orders fetched again have the same content as before", count, len(rows))
    return count


def _earlier_fingerprint(document: Any, known: str, readings: Mapping[str, str], contents: ContentPaths) -> str:
    """The fingerprint of a document in the way of the known one; empty if that way is unknown."""
    reading = paths_version(known)
    if not reading:
        return document_hash(document, contents.volatile)
    paths = readings.get(reading)
    return ContentPaths.from_text(paths).fingerprint(document) if paths else ""


def _archived(
    ctx: RunContext, store: BatchStore, rows: Iterable[OutdatedFingerprint]
) -> Iterable[tuple[OutdatedFingerprint, Any]]:
    """The archived orders as last received, if they can be read."""
    ordered = sorted(rows, key=lambda row: (row.batch_id, row.part, row.row))
    for batch_id, of_batch in groupby(ordered, key=lambda row: row.batch_id):
        found = {row.id: row for row in of_batch}
        works = [WorkItem(row.id, 0, "", row.source_id, batch_id, row.part, row.row) for row in found.values()]
        try:
            for slice_ in read_documents(store, ctx.pipeline, works):
                yield from ((found[work.id], document) for work, document in slice_ if document is not REMOVED)
        except OrderRelayError as error:
            log.warning("%d archived orders cannot be compared with the orders fetched now: %s", len(found), error)
