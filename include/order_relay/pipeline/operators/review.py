"""What an operator needs to see to decide about held orders: all versions of the group, and how they differ.

A review holds no personal data (see ``orders.comparison``), so that it may be shown on a task's page or in an alert. It
names the ledger's ids that it shows; a decision hands them back and is refused where other ones are held by then.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol

from order_relay.batches import ArchiveRemovedError, BatchReader, BatchStore
from order_relay.errors import IllegalTransitionError, OrderRelayError
from order_relay.ledger import Ledger
from order_relay.ledger.operators.held_groups import HeldGroup
from order_relay.orders.identity.lineage import conflicting_columns, describe_columns
from order_relay.orders.identity.source_identity import source_lineage
from order_relay.orders.json_text import decode
from order_relay.orders.markdown import escape_markdown, markdown_table
from order_relay.orders.messages import VersionPolicies
from order_relay.orders.payload.transformer import Transformer
from order_relay.orders.review.diff import VersionDiff, diff_versions, format_value
from order_relay.orders.review.submission_groups import REPLACEMENT, GroupMember
from order_relay.pipeline.lookup.evidence import FOREIGN_ORDER, UNIDENTIFIED_ORDER
from order_relay.pipeline.operators.review_choices import describe_choice, version_label

HELD_REASONS = {
    "changed_after_import": "the source offers an order with other content although it was imported already",
    "changed_after_discard": "the source offers an order with other content although it was discarded",
    "newer_than_imported": "a newer version came although an earlier one was imported",
    "contradicting_versions": "versions under one uuid name different customers, customer POs or base order numbers",
    "too_few_common_items": "the versions share too few items: perhaps a new order on an old form",
    "suffix_without_base": "the order number says that it is a further version, but no other version was ever seen",
    "suffixed": "the order number says that it is a further version, and the pipeline wants each of these reviewed",
    "sibling_held": "another version of the same order waits for a decision",
    "number_with_two_ids": "the source offers one order number under two ids",
    "id_with_two_uuids": "the source offers one id under two uuids",
    "id_with_two_contents": "the source offers one id with two contents in one answer",
    "destination_key_taken": "another order has this external id already",
    "card_data_removed": "card data was removed from a member that the payload needs: correct the order at its source",
    FOREIGN_ORDER: "the OMS has an order under this order number that differs from ours: another channel may use the "
    "number. "
    "*separate* sends ours beside it (give the other one another number first, or the OMS may refuse ours); *discard* "
    "never sends it, also where the order there is ours after all",
    UNIDENTIFIED_ORDER: "the OMS has an order under this order number and does not say to which manufacturer it "
    "belongs. "
    "Look it up there: if it is ours, *discard*; if not, *separate* sends ours beside it. Where the OMS never names "
    "manufacturers, set `unnamed_orders: ours` at the connection",
}
"""Reasons of ``held`` in plain words; other codes speak for themselves."""

IN_DOUBT_REASONS = {
    FOREIGN_ORDER: "The OMS has an order under this number that differs from ours in a member that both show, so "
    "another "
    "channel may use the number. Compare the two before you answer.",
    UNIDENTIFIED_ORDER: "The OMS has an order under this number that names no manufacturer. Compare it before you "
    "answer.",
}
"""Why an operator is asked at once about an order in doubt."""

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


class ReviewContext(Protocol):
    """What a review uses of a pipeline's wiring."""

    @property
    def name(self) -> str:
        """The pipeline's name."""

    @property
    def transformer(self) -> Transformer:
        """It reads the source's documents."""


@dataclass(frozen=True)
class ReviewedVersion:
    """One submission in a review. ``shown``: it is held, and the decision is about it."""

    id: int
    order_number: str
    source_id: str
    edition: int
    state: str
    reason: str
    first_offered_at: datetime
    imported_at: datetime | None
    oms_id: str | None
    destination_key: str | None
    shown: bool


@dataclass(frozen=True)
class VersionDifference:
    """Two submissions of a group; ``before`` is the older version, ``now`` the newer one.

    ``contradicting``: names of what must not differ within one order, and does. ``problem`` says why there is no
    comparison, or is empty.
    """

    before: int
    now: int
    comparison: VersionDiff | None = None
    problem: str = ""
    contradicting: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        comparison = self.comparison.as_dict() if self.comparison else {}
        return {
            "before": self.before,
            "now": self.now,
            "problem": self.problem,
            "contradicting": self.contradicting,
            **comparison,
        }


@dataclass(frozen=True)
class OrderReview:
    """All that is shown about a group of held submissions.

    ``shown_ids`` and their ``revisions`` go back with the decision, which closes the group. ``number``: the newest one
    held; ``other_numbers`` are held in the same group. ``imported``: OMS ids of orders that a ``replacement`` would
    replace; it needs the confirmation that they are cancelled there. ``answers``: each choice that makes sense, and
    what it does.
    """

    pipeline: str
    number: str
    lineage: str
    reason: str
    shown_ids: tuple[int, ...]
    revisions: tuple[int, ...]
    versions: tuple[ReviewedVersion, ...]
    details: tuple[VersionDifference, ...]
    imported: tuple[str, ...] = ()
    other_numbers: tuple[str, ...] = ()
    answers: tuple[tuple[str, str], ...] = ()

    @property
    def seen(self) -> dict[int, int | None]:
        """What is shown, as a decision names it."""
        return dict(zip(self.shown_ids, self.revisions, strict=True))

    @property
    def choices(self) -> tuple[str, ...]:
        """The choices that make sense."""
        return tuple(choice for choice, _ in self.answers)

    @property
    def needs_confirmation(self) -> bool:
        """Whether ``replacement`` asks for the confirmation that the old order is cancelled."""
        return bool(self.imported) and REPLACEMENT in self.choices

    @property
    def differences(self) -> str:
        """The differences as Markdown, one section for each pair of versions."""
        labels = {version.id: version_label(version) for version in self.versions}
        parts = []
        for found in self.details:
            body = found.comparison.as_markdown() if found.comparison else escape_markdown(found.problem)
            if found.contradicting:
                body = f"**These two contradict each other: different {found.contradicting}.**\n\n{body}"
            before = (
                f" (now) against {escape_markdown(labels[found.before])} (before)" if found.before in labels else ""
            )
            parts.append(f"### {escape_markdown(labels[found.now])}{before}\n\n{body}")
        return "\n\n".join(parts)

    def as_markdown(self) -> str:
        """The whole review, without personal data."""
        why = HELD_REASONS.get(self.reason, self.reason)
        parts = [f"## Order {escape_markdown(self.number)}", f"Held: {escape_markdown(why)} (`{self.reason}`)."]
        if self.other_numbers:
            others = ", ".join(map(escape_markdown, self.other_numbers))
            parts.append(f"Held in the same group, and decided by the same answer: {others}.")
        parts.append(_table(self.versions))
        parts.append(self.differences)
        if self.imported:
            ids = ", ".join(map(escape_markdown, self.imported))
            asks = " A replacement needs your confirmation that it is cancelled there." * self.needs_confirmation
            parts.append(f"Already at the OMS: {ids}.{asks}")
        return "\n\n".join(part for part in parts if part)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            **{name: value for name, value in asdict(self).items() if name not in ("details", "answers")},
            "meaning": HELD_REASONS.get(self.reason, ""),
            "needs_confirmation": self.needs_confirmation,
            "choices": dict(self.answers),
            "details": [detail.as_dict() for detail in self.details],
        }


def build_review(
    ledger: Ledger,
    store: BatchStore,
    wiring: ReviewContext,
    *,
    lineage: str | None = None,
    number: str | None = None,
    minimum: float = VersionPolicies().min_common_items,
) -> OrderReview:
    """The review of the group in which an order number or a lineage is held. Give one of the two.

    ``minimum`` is the pipeline's ``min_common_items``. Raises ``IllegalTransitionError`` where nothing is held under
    it. A raw
    order that cannot be read any more is named in the review and does not end it.
    """
    group = next(
        (
            group
            for group in ledger.held_groups(wiring.name, number)
            if number is not None or any(one.lineage == lineage for one in group.held)
        ),
        None,
    )
    if group is None:
        raise IllegalTransitionError("nothing is held under this order number or lineage")
    rows = ledger.family(wiring.name, group.numbers - {""}, {one.lineage for one in group.held})
    return _ReviewBuilder(store, wiring).review(group, rows, minimum)


class _ReviewBuilder:
    """Puts one review together."""

    def __init__(self, store: BatchStore, wiring: ReviewContext) -> None:
        self._store = store
        self._wiring = wiring

    def review(self, group: HeldGroup, rows: Sequence[Mapping[str, Any]], minimum: float) -> OrderReview:
        versions = tuple(
            ReviewedVersion(row["id"], shown=row["id"] in group.seen, **{name: row[name] for name in _SHOWN})
            for row in rows
        )
        return OrderReview(
            pipeline=self._wiring.name,
            number=group.number,
            lineage=group.newest.lineage,
            reason=group.reason,
            shown_ids=tuple(group.seen),
            revisions=tuple(one.revision for one in _by_id(group.held)),
            versions=versions,
            details=tuple(self._difference(*pair) for pair in _pairs(rows, group.seen)[:MAX_DIFFERENCES]),
            imported=tuple(one.oms_id or "(unknown)" for one in group.there),
            other_numbers=tuple(sorted(group.numbers - {group.number})),
            answers=tuple((choice, describe_choice(choice, group, minimum)) for choice in group.choices),
        )

    def _difference(self, before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> VersionDifference:
        if before is None:
            return VersionDifference(0, now["id"], problem="There is no other version to compare with.")
        same = source_lineage(before["lineage"]) == source_lineage(now["lineage"])
        contrary = describe_columns(conflicting_columns((before, now))) if same else ""
        try:
            comparison = diff_versions(self._document(before), self._document(now), self._wiring.transformer.reader)
        except OrderRelayError as error:
            problem = f"The versions cannot be compared: {error}"
            return VersionDifference(before["id"], now["id"], problem=problem, contradicting=contrary)
        return VersionDifference(before["id"], now["id"], comparison, contradicting=contrary)

    def _document(self, row: Mapping[str, Any]) -> Any:
        reader = BatchReader(self._store, self._wiring.name, row["batch_id"])
        text = reader.rows(row["part"], {row["row"]})[row["row"]]
        if not text:
            raise ArchiveRemovedError(f"the raw order of submission {row['id']} was removed by retention")
        return decode(text)


def _by_id(held: Iterable[GroupMember]) -> list[GroupMember]:
    return sorted(held, key=lambda one: one.id)


_Pair = tuple[Mapping[str, Any] | None, Mapping[str, Any]]


def _pairs(rows: Sequence[Mapping[str, Any]], held: Container[int]) -> list[_Pair]:
    """What is compared, each pair the older version first: ``rows`` has the oldest first.

    Each held submission with the newest one at the OMS, and with the next older held one; where there is neither, with
    the next older of the others, or the next newer.
    """
    place = {row["id"]: number for number, row in enumerate(rows)}
    mine = [row for row in rows if row["id"] in held]
    others = [row for row in rows if row["id"] not in held]
    there = [row for row in others if row["state"] in _SENT_STATES or _is_baseline(row)]
    pairs: dict[tuple[int, int], _Pair] = {}

    def add(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
        before, now = sorted((one, other), key=lambda row: place[row["id"]])
        pairs.setdefault((before["id"], now["id"]), (before, now))

    for number, row in enumerate(mine):
        if near := [other for other in there if other["lineage"] == row["lineage"]] or there:
            add(row, near[-1])
        if number:
            add(mine[number - 1], row)
    if not pairs:
        (row,) = mine
        older = [other for other in others if place[other["id"]] < place[row["id"]]]
        return [(older[-1], row)] if older else [(row, others[0])] if others else [(None, row)]
    return [pairs[key] for key in sorted(pairs, key=lambda key: (place[key[1]], place[key[0]]))]


def _is_baseline(row: Mapping[str, Any]) -> bool:
    return bool(row["state"] == "discarded" and row["reason"] == "baseline")


def _table(versions: Sequence[ReviewedVersion]) -> str:
    head = ("", "order", "id", "edition", "state", "first offered", "imported", "OMS id")
    rows = (
        (
            "**held**" if v.shown else "",
            escape_markdown(v.order_number),
            escape_markdown(v.source_id),
            str(v.edition),
            escape_markdown(v.state),
            escape_markdown(format_value(v.first_offered_at)),
            escape_markdown(format_value(v.imported_at)),
            escape_markdown(v.oms_id or ""),
        )
        for v in versions
    )
    return markdown_table(head, rows)
