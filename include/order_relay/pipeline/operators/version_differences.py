"""Which versions of an order to compare, and their differences from the archive, without personal data."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from itertools import pairwise
from typing import Any

from order_relay.batches import ArchiveRemovedError, BatchReader, BatchStore
from order_relay.errors import OrderRelayError
from order_relay.orders.identity.lineage import conflicting_columns, describe_columns
from order_relay.orders.identity.source_identity import source_lineage
from order_relay.orders.json_text import decode
from order_relay.orders.mapping.canonical import CanonicalReader
from order_relay.orders.review.diff import diff_versions
from order_relay.pipeline.operators.review_model import VersionDifference

_SENT_STATES = ("imported", "in_doubt", "sending")

VersionPair = tuple[Mapping[str, Any] | None, Mapping[str, Any]]
"""The rows of an older version (``None``: there is none) and of a newer one."""

MAX_DIFFERENCES = 30
"""Maximum comparisons in one review."""


class VersionComparison:
    """Compares archived versions. ``reader_of`` returns the reader of the pipeline's source; called on first use."""

    def __init__(self, store: BatchStore, pipeline: str, reader_of: Callable[[], CanonicalReader]) -> None:
        self._store, self._pipeline, self._reader_of = store, pipeline, reader_of

    def differences(self, pairs: Sequence[VersionPair]) -> tuple[VersionDifference, ...]:
        """The first ``MAX_DIFFERENCES`` comparisons. One that is not possible says why."""
        return tuple(self._difference(*pair) for pair in pairs[:MAX_DIFFERENCES])

    def _difference(self, before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> VersionDifference:
        if before is None:
            return VersionDifference(0, now["id"], problem="There is no other version to compare with.")
        same_lineage = source_lineage(before["lineage"]) == source_lineage(now["lineage"])
        contradicting = describe_columns(conflicting_columns((before, now))) if same_lineage else ""
        try:
            comparison = diff_versions(self._document(before), self._document(now), self._reader_of())
        except OrderRelayError as error:
            problem = f"The versions cannot be compared: {error}"
            return VersionDifference(before["id"], now["id"], problem=problem, contradicting=contradicting)
        return VersionDifference(before["id"], now["id"], comparison, contradicting=contradicting)

    def _document(self, row: Mapping[str, Any]) -> Any:
        reader = BatchReader(self._store, self._pipeline, row["batch_id"])
        text = reader.rows(row["part"], {row["row"]})[row["row"]]
        if not text:
            raise ArchiveRemovedError(f"the raw order of submission {row['id']} was removed by retention")
        return decode(text)


def pairs_to_review(rows: Sequence[Mapping[str, Any]], held: Container[int]) -> list[VersionPair]:
    """The pairs to compare, each with the older version first. ``rows`` is ordered by age, the oldest first.

    Each held submission is compared with the newest one at the OMS and with the next older held one; without either,
    with the next older of the others, or the next newer.
    """
    position = {row["id"]: number for number, row in enumerate(rows)}
    held_rows = [row for row in rows if row["id"] in held]
    others = [row for row in rows if row["id"] not in held]
    baseline = ("discarded", "baseline")
    sent = [row for row in others if row["state"] in _SENT_STATES or (row["state"], row["reason"]) == baseline]
    pairs: dict[tuple[int, int], VersionPair] = {}

    def add(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
        before, now = sorted((one, other), key=lambda row: position[row["id"]])
        pairs.setdefault((before["id"], now["id"]), (before, now))

    for number, row in enumerate(held_rows):
        if candidates := [other for other in sent if other["lineage"] == row["lineage"]] or sent:
            add(row, candidates[-1])
        if number:
            add(held_rows[number - 1], row)
    if not pairs:
        (row,) = held_rows
        older = [other for other in others if position[other["id"]] < position[row["id"]]]
        return [(older[-1], row)] if older else [(row, others[0])] if others else [(None, row)]
    return [pairs[key] for key in sorted(pairs, key=lambda key: (position[key[1]], position[key[0]]))]


def consecutive_pairs(rows: Sequence[Mapping[str, Any]]) -> list[VersionPair]:
    """Each version with the one before it, the newest pair first. ``rows``: the oldest version first."""
    return list(reversed(list(pairwise(rows))))
