"""Builds the review of a group of held orders from the ledger and the archive."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from order_relay.batches import BatchStore
from order_relay.errors import IllegalTransitionError
from order_relay.ledger import Ledger
from order_relay.ledger.operators.held_groups import HeldGroup
from order_relay.orders.messages import VersionPolicies
from order_relay.pipeline.operators.review_choices import describe_choice
from order_relay.pipeline.operators.review_model import OrderReview, ReviewedVersion, VersionDifference
from order_relay.pipeline.operators.version_differences import VersionComparison, pairs_to_review
from order_relay.pipeline.run import RunWiring

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
    name = wiring.settings.name
    group = next(iter(ledger.decisions.held_groups(name, number)), None)
    if group is None:
        raise IllegalTransitionError("no order is held under this order number")
    rows = ledger.queries.related(name, group.numbers - {""}, {one.lineage for one in group.held})
    comparison = VersionComparison(store, name, lambda: wiring.transformer.reader)
    review = describe_group(group, rows, minimum, comparison.differences(pairs_to_review(rows, group.seen)))
    return replace(review, versions=tuple(with_corrections(ledger, review.versions)))


def with_corrections(ledger: Ledger, versions: Sequence[ReviewedVersion]) -> Iterator[ReviewedVersion]:
    """The versions with the fields that operators corrected; those to confirm only of held versions."""
    works = {work.id: work for work in ledger.worklist.get(version.id for version in versions)}
    for version in versions:
        pending = ledger.corrections.pending(version.id) if version.shown else ()
        corrected = tuple(works[version.id].corrections) if version.id in works else ()
        yield replace(version, corrected=corrected, to_confirm=tuple(one.field for one in pending))


def describe_group(
    group: HeldGroup,
    rows: Sequence[Mapping[str, Any]],
    minimum: float,
    differences: tuple[VersionDifference, ...] = (),
) -> OrderReview:
    """The review of a group. ``rows``: all submissions of its lineages and order numbers, the oldest version first."""
    return OrderReview(
        pipeline=group.pipeline,
        number=group.number,
        lineage=group.newest.lineage,
        reason=group.reason,
        shown_ids=tuple(group.seen),
        revisions=tuple(one.revision for one in sorted(group.held, key=lambda one: one.id)),
        versions=describe_versions(rows, group.seen),
        details=differences,
        imported=tuple(one.oms_id or "(unknown id)" for one in group.at_destination),
        other_numbers=tuple(sorted(group.numbers - {group.number})),
        answers=tuple((choice, describe_choice(choice, group, minimum)) for choice in group.choices),
    )


def describe_versions(rows: Iterable[Mapping[str, Any]], held: Container[int]) -> tuple[ReviewedVersion, ...]:
    """Versions without personal data; ``held``: the ids that a decision is about."""
    return tuple(
        ReviewedVersion(row["id"], shown=row["id"] in held, **{name: row[name] for name in _SHOWN}) for row in rows
    )
