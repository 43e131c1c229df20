"""Differences between ledger and destination, and the report about them; no requests.

A row that a search shows is a fact, however incomplete the search. ``evidence`` decides when a missing row means that
an order is missing; reconciliation requires it of two searches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from order_relay.ledger.reporting.reconciliation import LedgerOrder
from order_relay.ledger.schema.records import PositiveControl
from order_relay.orders.markdown import escape_markdown, markdown_table
from order_relay.orders.messages import SearchHit, SearchResult
from order_relay.pipeline.lookup.evidence import hits_by_key, shown_controls, why_not_absent
from order_relay.pipeline.lookup.unseen_orders import SourceComparison
from order_relay.pipeline.report.comparison_advice import DISCREPANCIES, describe_search_problem

MAX_LISTED = 500
"""Maximum differences of one kind in the report; further ones are counted."""

UNCONFIRMED_STATES = frozenset({"sending", "in_doubt"})
"""States of orders that the destination may or may not have; the lookup DAG settles these."""


class DiscrepancyKind(StrEnum):
    """How ledger and OMS differ; see ``DISCREPANCIES`` for the texts."""

    MISSING = "missing"  # imported, and proven absent in the OMS
    DOUBLED = "doubled"  # several orders in the OMS have one external id
    OTHER_ID = "other_id"  # in the OMS under another OMS id than the ledger's
    NOT_IMPORTED = "not_imported"  # in the OMS, but not imported according to the ledger
    UNKNOWN = "unknown"  # in the OMS, but not in the ledger


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One external id on which ledger and destination differ. ``ours``: the OMS id in the ledger."""

    kind: DiscrepancyKind
    key: str
    number: str = ""
    state: str = ""
    ours: str = ""
    there: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PresenceCheck:
    """Imported orders compared with one search. ``absent``: proven absent; ``unsure``: missing without proof, for the
    reason ``why``."""

    there: Mapping[str, frozenset[str]]
    absent: tuple[LedgerOrder, ...] = ()
    unsure: tuple[LedgerOrder, ...] = ()
    why: str = ""


@dataclass
class ReconciliationReport:
    """The result of a reconciliation. ``unsure``: number of orders without a result, by reason. ``unread``: intervals
    that could not be read completely. ``bare``: orders at the destination without an external id, which cannot be
    compared. ``source``: the comparison of the source's list with the ledger, if it was made."""

    pipeline: str
    since: datetime
    until: datetime
    imported: int = 0
    seen: int = 0
    bare: int = 0
    differences: list[Discrepancy] = field(default_factory=list)
    unsure: Counter[str] = field(default_factory=Counter)
    unread: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    source: SourceComparison | None = None

    def of(self, kind: DiscrepancyKind) -> list[Discrepancy]:
        """The differences of one kind."""
        return [found for found in self.differences if found.kind == kind]

    @property
    def counts(self) -> dict[str, int]:
        """Flat counts, for XCom and programs."""
        return {
            "imported": self.imported,
            "seen": self.seen,
            "without_external_id": self.bare,
            "unsure": self.unsure.total(),
            "unread": len(self.unread),
            **{kind.value: len(self.of(kind)) for kind in DiscrepancyKind},
            **(self.source.counts if self.source else {}),
        }

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "pipeline": self.pipeline,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "counts": self.counts,
            "differences": [asdict(found) for found in self.differences],
            "unsure": dict(self.unsure),
            "unread": self.unread,
            "remarks": self.remarks,
            **({"source": self.source.as_dict()} if self.source else {}),
        }


def oms_ids_by_key(rows: Iterable[SearchHit]) -> dict[str, set[str]]:
    """OMS ids at the destination by external id; rows that lack either are left out."""
    return {key: {row.oms_id for row in some} for key, some in hits_by_key(rows).items()}


def check_presence(
    ours: Sequence[LedgerOrder], page: SearchResult, controls: Sequence[PositiveControl]
) -> PresenceCheck:
    """Compare our imported orders with one search for them. ``controls``: other imported orders.

    The controls are those of either that show under their own OMS id: others may be differences themselves. Orders that
    seem to be absent are searched for again on their own.
    """
    there = oms_ids_by_key(page.rows)
    known = [*controls, *(PositiveControl(one.key, one.oms_id, one.imported_at) for one in ours if one.imported_at)]
    why = why_not_absent(page, shown_controls(page, known))
    missing = tuple(order for order in ours if order.key not in there)
    ids = {key: frozenset(some) for key, some in there.items()}
    return PresenceCheck(ids, unsure=missing, why=why) if why else PresenceCheck(ids, absent=missing)


def classify(key: str, order: LedgerOrder | None, there: Collection[str]) -> Discrepancy | None:
    """The difference for an external id with the OMS ids ``there``; ``None`` if there is none."""
    ids = tuple(sorted(there, key=lambda text: (len(text), text)))
    if order is None:
        return (
            Discrepancy(DiscrepancyKind.DOUBLED if len(ids) > 1 else DiscrepancyKind.UNKNOWN, key, there=ids)
            if ids
            else None
        )
    if order.state in UNCONFIRMED_STATES:
        return None
    ours = order.oms_id if order.state == "imported" else ""
    if len(ids) > 1:
        kind = DiscrepancyKind.DOUBLED
    elif not ids:
        kind = DiscrepancyKind.MISSING
    elif order.state == "imported":
        if ids == (ours,):
            return None
        kind = DiscrepancyKind.OTHER_ID
    elif order.reason == "baseline":
        return None
    else:
        kind = DiscrepancyKind.NOT_IMPORTED
    return Discrepancy(kind, key, order.number, order.state, ours, ids)


def as_markdown(report: ReconciliationReport) -> str:
    """The report as Markdown: external ids, OMS ids, states and counts; no personal data."""
    span = f"{report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} UTC"
    lines = [f"# {report.pipeline}: reconciliation of ledger and OMS", "", f"{span}. **{verdict(report)}**", ""]
    compared = [(_COUNT_LABELS.get(name, name.replace("_", " ")), number) for name, number in report.counts.items()]
    lines += [markdown_table(("", "number"), compared), ""]
    for kind in DiscrepancyKind:
        lines += _section(kind, report.of(kind))
    lines += _uncertain(report)
    lines += [report.source.as_markdown()] if report.source else []
    return "\n".join(lines)


def verdict(report: ReconciliationReport) -> str:
    """The result in one or two sentences."""
    found = [f"{len(report.of(kind))} {kind.value.replace('_', ' ')}" for kind in DiscrepancyKind if report.of(kind)]
    incomplete = " Not everything could be compared." if report.unsure or report.unread or report.remarks else ""
    return (f"Ledger and OMS differ: {', '.join(found)}." if found else "No differences found.") + incomplete


_COUNT_LABELS = {
    "imported": "imported orders in the ledger",
    "seen": "orders in the OMS",
    "without_external_id": "of these without an external id",
    "unsure": "imported orders that could not be compared",
    "unread": "periods that could not be read completely",
    "source_listed": "orders that the source lists",
    "source_unseen": "of these never received",
    "source_unidentified": "of these without a readable id",
    "source_unread": "lists of the source that could not be read completely",
}


def describe(found: Discrepancy) -> str:
    """A difference as one line, without its external id."""
    oms = f"OMS ids in the OMS: {', '.join(found.there)}" if found.there else "not in the OMS"
    ledger = f"OMS id in the ledger: {found.ours}" if found.ours else f"state in the ledger: {found.state or 'none'}"
    return f"{found.kind.value.replace('_', ' ')}; {oms}; {ledger}"


def _section(kind: DiscrepancyKind, found: Sequence[Discrepancy]) -> list[str]:
    if not found:
        return []
    head = [f"## {kind.value.replace('_', ' ').capitalize()}: {len(found)}", "", DISCREPANCIES[kind], ""]
    columns = ("external id", "OMS ids in the OMS", "OMS id in the ledger", "state in the ledger")
    rows = (
        (escape_markdown(one.key), escape_markdown(", ".join(one.there)), escape_markdown(one.ours), one.state)
        for one in found[:MAX_LISTED]
    )
    more = [f"\nand {len(found) - MAX_LISTED} more"] if len(found) > MAX_LISTED else []
    return [*head, markdown_table(columns, rows), *more, ""]


def _uncertain(report: ReconciliationReport) -> list[str]:
    lines = [f"- {remark}" for remark in report.remarks]
    lines += [
        f"- {n} imported orders were not found, but the search proves nothing: {describe_search_problem(problem)}."
        for problem, n in report.unsure.items()
    ]
    lines += [f"- orders in the OMS could not be read completely: {period}" for period in report.unread]
    if report.bare:
        lines.append(f"- {report.bare} orders in the OMS have no external id and cannot be compared")
    return ["## What could not be compared", "", *lines, ""] if lines else []
