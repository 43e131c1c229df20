"""What a person needs to see to decide about a held order: what was there before, what came now, the differences.

A review holds no personal data (see ``orders.comparison``), so that it may stand in a task's page or an alert. It names
the ledger's ids that it shows; a decision hands them back and is refused where other ones are held by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol

from order_relay.batches import ArchiveRemoved, BatchReader, BatchStore
from order_relay.errors import MoveRefused, OrderRelayError
from order_relay.ledger import Ledger
from order_relay.orders.comparison import Comparison, as_text, compare, escape
from order_relay.orders.json_text import decode
from order_relay.orders.transforming import Transformer
from order_relay.pipeline.evidence import FOREIGN, UNIDENTIFIED

REASONS = {
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
    FOREIGN: "the OMS has an order under this order number that differs from ours: another channel may use the number. "
    "*separate* sends ours beside it (give the other one another number first, or the OMS may refuse ours); *discard* "
    "never sends it, also where the order there is ours after all",
    UNIDENTIFIED: "the OMS has an order under this order number and does not say to which manufacturer it belongs. "
    "Look it up there: if it is ours, *discard*; if not, *separate* sends ours beside it. Where the OMS never names "
    "manufacturers, set `unnamed_orders: ours` at the connection",
}
"""Reasons of ``held`` in plain words; other codes speak for themselves."""

IN_DOUBT_BESIDE = {
    FOREIGN: "The OMS has an order under this number that differs from ours in a member that both show, so another "
    "channel may use the number. Compare the two before you answer.",
    UNIDENTIFIED: "The OMS has an order under this number that names no manufacturer. Compare it before you answer.",
}
"""Why an operator is asked at once about an order in doubt."""

BEFORE = ("imported", "in_doubt", "sending")
_SHOWN = (
    "order_number", "source_id", "edition", "state", "reason", "first_offered_at", "imported_at", "oms_id",
    "destination_key",
)


class Reviewed(Protocol):
    """What a review uses of a pipeline's wiring."""

    @property
    def name(self) -> str:
        """The pipeline's name."""

    @property
    def transformer(self) -> Transformer:
        """It reads the source's documents."""


@dataclass(frozen=True)
class Version:
    """One submission in a review. ``shown``: the decision is about this one."""

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
class Difference:
    """A held submission against an earlier one. ``problem`` says why there is no comparison, or is empty."""

    before: int
    now: int
    comparison: Comparison | None = None
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        told = self.comparison.as_dict() if self.comparison else {}
        return {"before": self.before, "now": self.now, "problem": self.problem, **told}


@dataclass(frozen=True)
class Review:
    """All that is shown about the held submissions of one order number.

    ``shown_ids`` and their ``revisions`` go back with the decision. ``other_numbers`` of the lineages are held as well
    and need decisions of their own. ``imported``: OMS ids of orders that a ``replacement`` would replace; it needs the
    confirmation that they are cancelled there.
    """

    pipeline: str
    number: str
    lineage: str
    reason: str
    shown_ids: tuple[int, ...]
    revisions: tuple[int, ...]
    versions: tuple[Version, ...]
    details: tuple[Difference, ...]
    imported: tuple[str, ...] = ()
    other_numbers: tuple[str, ...] = ()

    @property
    def seen(self) -> dict[int, int | None]:
        """What is shown, as a decision names it."""
        return dict(zip(self.shown_ids, self.revisions, strict=True))

    @property
    def needs_confirmation(self) -> bool:
        """Whether ``replacement`` asks for the confirmation that the old order is cancelled."""
        return any(_may_be_there(version) for version in self.versions if not version.shown)

    @property
    def differences(self) -> str:
        """The differences as Markdown, one section for each held submission."""
        labels = {version.id: _label(version) for version in self.versions}
        parts = []
        for found in self.details:
            body = found.comparison.as_markdown() if found.comparison else escape(found.problem)
            before = f" against {escape(labels[found.before])}" if found.before in labels else ""
            parts.append(f"### {escape(labels[found.now])}{before}\n\n{body}")
        return "\n\n".join(parts)

    def as_markdown(self) -> str:
        """The whole review, without personal data."""
        why = REASONS.get(self.reason, self.reason)
        parts = [f"## Order {escape(self.number)}", f"Held: {escape(why)} (`{self.reason}`)."]
        parts.append(_table(self.versions))
        parts.append(self.differences)
        if self.imported:
            ids = ", ".join(map(escape, self.imported))
            parts.append(f"At the OMS already: {ids}. A replacement needs your word that it is cancelled there.")
        if self.other_numbers:
            parts.append(f"Held as well, decided one by one: {', '.join(map(escape, self.other_numbers))}.")
        return "\n\n".join(part for part in parts if part)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            **{name: value for name, value in asdict(self).items() if name != "details"},
            "meaning": REASONS.get(self.reason, ""),
            "needs_confirmation": self.needs_confirmation,
            "details": [detail.as_dict() for detail in self.details],
        }


def review_of(
    ledger: Ledger, store: BatchStore, wiring: Reviewed, *, lineage: str | None = None, number: str | None = None
) -> Review:
    """The review of one order number, or of the newest held number of a lineage. Give one of the two.

    Raises ``MoveRefused`` where nothing is held under it. A raw order that can not be read any more is said in the
    review and does not end it.
    """
    rows = ledger.family(wiring.name, number=number, lineage=lineage)
    held = [row for row in rows if row["state"] == "held" and lineage in (None, row["lineage"])]
    if number is None and held:
        number = held[-1]["order_number"]
        rows = ledger.family(wiring.name, number=number)
    shown = [row for row in rows if row["state"] == "held" and row["order_number"] == number]
    if not shown or number is None:
        raise MoveRefused("nothing is held under this order number or lineage")
    return _Reviewer(store, wiring).review(number, rows, shown)


class _Reviewer:
    """Puts one review together."""

    def __init__(self, store: BatchStore, wiring: Reviewed) -> None:
        self._store = store
        self._wiring = wiring

    def review(self, number: str, rows: Sequence[Mapping[str, Any]], shown: Sequence[Mapping[str, Any]]) -> Review:
        ids = [row["id"] for row in shown]
        lineages = {row["lineage"] for row in shown}
        near = [row for row in rows if row["lineage"] in lineages or row["order_number"] == number]
        versions = tuple(
            Version(row["id"], shown=row["id"] in ids, **{name: row[name] for name in _SHOWN}) for row in near
        )
        there = [v.oms_id or "(unknown)" for v in versions if not v.shown and _may_be_there(v)]
        others = {row["order_number"] for row in rows if row["state"] == "held" and row["lineage"] in lineages}
        return Review(
            pipeline=self._wiring.name, number=number, lineage=shown[-1]["lineage"], reason=shown[-1]["reason"],
            shown_ids=tuple(ids), revisions=tuple(row["revision"] for row in shown), versions=versions,
            details=tuple(self._difference(row, near) for row in shown),
            imported=tuple(there), other_numbers=tuple(sorted(others - {number})),
        )

    def _difference(self, row: Mapping[str, Any], near: Sequence[Mapping[str, Any]]) -> Difference:
        before = _before(row, near)
        if before is None:
            return Difference(0, row["id"], problem="There is no other version to compare with.")
        try:
            told = compare(self._document(before), self._document(row), self._wiring.transformer.reader)
        except OrderRelayError as error:
            return Difference(before["id"], row["id"], problem=f"The versions can not be compared: {error}")
        return Difference(before["id"], row["id"], told)

    def _document(self, row: Mapping[str, Any]) -> Any:
        reader = BatchReader(self._store, self._wiring.name, row["batch_id"])
        text = reader.rows(row["part"], {row["row"]})[row["row"]]
        if not text:
            raise ArchiveRemoved(f"the raw order of submission {row['id']} was removed by retention")
        return decode(text)


def _before(row: Mapping[str, Any], near: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The submission to compare with: the newest at the OMS, else the newest earlier one, else any other."""
    others = [other for other in near if other["id"] != row["id"]]
    there = [other for other in others if other["state"] in BEFORE]
    place = (row["version"], row["edition"])
    earlier = [other for other in others if (other["version"], other["edition"]) < place]
    return next((group[-1] for group in (there, earlier, others) if group), None)


def _may_be_there(version: Version) -> bool:
    return version.state in BEFORE or (version.state == "discarded" and version.reason == "baseline")


def _label(version: Version) -> str:
    edition = f", edition {version.edition}" if version.edition > 1 else ""
    return f"{version.order_number} (id {version.source_id}{edition})"


def _table(versions: Sequence[Version]) -> str:
    head = ("", "order", "id", "edition", "state", "first offered", "imported", "OMS id")
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for v in versions:
        cells = (
            "**now**" if v.shown else "", escape(v.order_number), escape(v.source_id), str(v.edition), escape(v.state),
            escape(as_text(v.first_offered_at)), escape(as_text(v.imported_at)), escape(v.oms_id or ""),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
