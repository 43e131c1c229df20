"""All versions of an order: side by side, their differences, and what an operator can decide about held ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from order_relay.batches import BatchStore
from order_relay.ledger import Ledger
from order_relay.ledger.reporting.order_records import OrderFacts
from order_relay.ledger.schema.states import AT_DESTINATION, State
from order_relay.orders.mapping.canonical import CanonicalReader
from order_relay.pipeline.operators.review import describe_group, describe_versions
from order_relay.pipeline.operators.review_model import OrderReview, ReviewedVersion, VersionDifference
from order_relay.pipeline.operators.version_differences import (
    VersionComparison,
    VersionPair,
    consecutive_pairs,
    pairs_to_review,
)

MAX_VERSIONS = 30
"""Maximum versions that are listed."""

MAX_COMPARED = 10
"""Maximum pairs of versions that are compared, since each version is read from the archive."""


@dataclass(frozen=True)
class OrderVersions:
    """The versions of an order, the oldest first, and how many exist.

    ``review``: the group of held versions with its choices, without differences; ``None`` if none is held.
    """

    versions: tuple[ReviewedVersion, ...]
    total: int
    review: OrderReview | None = None

    @property
    def omitted(self) -> int:
        """How many versions are not listed."""
        return self.total - len(self.versions)


@dataclass(frozen=True)
class ComparedVersions:
    """Two versions of an order, the older one first, and their difference."""

    before: ReviewedVersion
    now: ReviewedVersion
    difference: VersionDifference


def order_versions(ledger: Ledger, order: OrderFacts, minimum: float) -> OrderVersions:
    """The versions of an order from the ledger; ``minimum`` is the pipeline's ``min_common_items``."""
    rows = _related(ledger, order)
    held = next((row for row in rows if row["id"] == order.id and row["state"] == State.HELD), None)
    held = held or next((row for row in reversed(rows) if row["state"] == State.HELD), None)
    review = None
    if held is not None:
        groups = ledger.decisions.held_groups(order.pipeline, held["order_number"])
        group = next((one for one in groups if held["id"] in one.seen), None)
        review = describe_group(group, rows, minimum) if group is not None else None
    shown = _most_important(rows, order.id)
    return OrderVersions(describe_versions(shown, review.shown_ids if review else ()), len(rows), review)


def order_differences(
    ledger: Ledger, store: BatchStore, order: OrderFacts, reader_of: Callable[[], CanonicalReader]
) -> tuple[ComparedVersions, ...]:
    """The differences between the versions of an order, from the archive.

    Pairs that a held version's review compares come first, then pairs of consecutive versions, the newest first. A
    version that cannot be read is mentioned as such.
    """
    rows = _related(ledger, order)
    held = {row["id"] for row in rows if row["state"] == State.HELD}
    pairs: list[VersionPair] = [pair for pair in pairs_to_review(rows, held) if pair[0]] if held else []
    pairs += [pair for pair in consecutive_pairs(rows) if pair not in pairs]
    compared = VersionComparison(store, order.pipeline, reader_of).differences(pairs[:MAX_COMPARED])
    versions = {version.id: version for version in describe_versions(rows, held)}
    return tuple(ComparedVersions(versions[one.before], versions[one.now], one) for one in compared)


def _related(ledger: Ledger, order: OrderFacts) -> Sequence[Mapping[str, Any]]:
    return ledger.queries.related(order.pipeline, {order.order_number} - {""}, {order.lineage})


def _most_important(rows: Sequence[Mapping[str, Any]], chosen: int) -> Sequence[Mapping[str, Any]]:
    """At most ``MAX_VERSIONS``: this one, held ones, those at the destination, then the newest; in their order."""

    def rank(position: int) -> tuple[bool, bool, bool, int]:
        row = rows[position]
        return row["id"] != chosen, row["state"] != State.HELD, row["state"] not in AT_DESTINATION, -position

    return [rows[position] for position in sorted(sorted(range(len(rows)), key=rank)[:MAX_VERSIONS])]
