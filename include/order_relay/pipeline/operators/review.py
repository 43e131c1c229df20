"""Builds the review of a group of held orders from the ledger and the archive."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from order_relay.batches import ArchiveRemovedError, BatchReader, BatchStore
from order_relay.errors import IllegalTransitionError, OrderRelayError
from order_relay.ledger import Ledger
from order_relay.ledger.operators.held_groups import HeldGroup
from order_relay.orders.identity.lineage import conflicting_columns, describe_columns
from order_relay.orders.identity.source_identity import source_lineage
from order_relay.orders.json_text import decode
from order_relay.orders.messages import VersionPolicies
from order_relay.orders.review.diff import diff_versions
from order_relay.pipeline.operators.review_choices import describe_choice
from order_relay.pipeline.operators.review_model import OrderReview, ReviewedVersion, VersionDifference
from order_relay.pipeline.run import RunWiring

_SENT_STATES = ("imported", "in_doubt", "sending")
_SHOWN = (
    "order_number",
    "source_id",
    "edition",
    "state",
    "reason",
    "first_offered_at",
    "imported_at",
    "oms_id",
    "destination_key",
)

MAX_DIFFERENCES = 30
"""Maximum comparisons in one review."""


def build_review(
    ledger: Ledger,
    store: BatchStore,
    wiring: RunWiring,
    *,
    number: str,
    minimum: float = VersionPolicies().min_common_items,
) -> OrderReview:
    """The review of the group in which an order number is held.

    ``minimum`` is the pipeline's ``min_common_items``. A raw order that can no longer be read is mentioned in the
    review. Raises ``IllegalTransitionError`` if nothing is held.
    """
    group = next(iter(ledger.decisions.held_groups(wiring.settings.name, number)), None)
    if group is None:
        raise IllegalTransitionError("no order is held under this order number")
    rows = ledger.queries.related(wiring.settings.name, group.numbers - {""}, {one.lineage for one in group.held})
    return _ReviewBuilder(store, wiring).review(group, rows, minimum)


class _ReviewBuilder:
    def __init__(self, store: BatchStore, wiring: RunWiring) -> None:
        self._store = store
        self._wiring = wiring

    def review(self, group: HeldGroup, rows: Sequence[Mapping[str, Any]], minimum: float) -> OrderReview:
        versions = tuple(
            ReviewedVersion(row["id"], shown=row["id"] in group.seen, **{name: row[name] for name in _SHOWN})
            for row in rows
        )
        return OrderReview(
            pipeline=self._wiring.settings.name,
            number=group.number,
            lineage=group.newest.lineage,
            reason=group.reason,
            shown_ids=tuple(group.seen),
            revisions=tuple(one.revision for one in sorted(group.held, key=lambda one: one.id)),
            versions=versions,
            details=tuple(self._difference(*pair) for pair in _pairs(rows, group.seen)[:MAX_DIFFERENCES]),
            imported=tuple(one.oms_id or "(unknown id)" for one in group.at_destination),
            other_numbers=tuple(sorted(group.numbers - {group.number})),
            answers=tuple((choice, describe_choice(choice, group, minimum)) for choice in group.choices),
        )

    def _difference(self, before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> VersionDifference:
        if before is None:
            return VersionDifference(0, now["id"], problem="There is no other version to compare with.")
        same_lineage = source_lineage(before["lineage"]) == source_lineage(now["lineage"])
        contradicting = describe_columns(conflicting_columns((before, now))) if same_lineage else ""
        try:
            comparison = diff_versions(self._document(before), self._document(now), self._wiring.transformer.reader)
        except OrderRelayError as error:
            problem = f"The versions cannot be compared: {error}"
            return VersionDifference(before["id"], now["id"], problem=problem, contradicting=contradicting)
        return VersionDifference(before["id"], now["id"], comparison, contradicting=contradicting)

    def _document(self, row: Mapping[str, Any]) -> Any:
        reader = BatchReader(self._store, self._wiring.settings.name, row["batch_id"])
        text = reader.rows(row["part"], {row["row"]})[row["row"]]
        if not text:
            raise ArchiveRemovedError(f"the raw order of submission {row['id']} was removed by retention")
        return decode(text)


_Pair = tuple[Mapping[str, Any] | None, Mapping[str, Any]]


def _pairs(rows: Sequence[Mapping[str, Any]], held: Container[int]) -> list[_Pair]:
    """The pairs to compare, each with the older version first. ``rows`` is ordered by age, the oldest first.

    Each held submission is compared with the newest one at the OMS and with the next older held one; without either,
    with the next older of the others, or the next newer.
    """
    position = {row["id"]: number for number, row in enumerate(rows)}
    held_rows = [row for row in rows if row["id"] in held]
    others = [row for row in rows if row["id"] not in held]
    baseline = ("discarded", "baseline")
    sent = [row for row in others if row["state"] in _SENT_STATES or (row["state"], row["reason"]) == baseline]
    pairs: dict[tuple[int, int], _Pair] = {}

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
