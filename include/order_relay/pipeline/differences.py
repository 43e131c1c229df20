"""Ledger against destination, the pure part: what differs, how surely, and the report about it.

That something is there is a fact, however incomplete the search was. When a missing row means that an order is missing
is said in ``evidence``; it must be so twice, the second time in a search for that order alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from order_relay.ledger.comparing import Booked
from order_relay.ledger.values import Control
from order_relay.orders.comparison import escape
from order_relay.orders.exchange import Found, Page
from order_relay.pipeline.evidence import under, why_not_absent

MOST_LISTED = 500
"""So many differences of one kind stand in the report; of further ones only how many there are."""

LEFT_TO_OTHERS = frozenset({"sending", "in_doubt"})
"""States in which nobody knows yet whether the destination has the order: the sweep looks these up."""


class Kind(StrEnum):
    """In which way ledger and destination differ."""

    MISSING = "missing"  # imported here, surely absent there
    DOUBLED = "doubled"  # several orders there carry one external id
    OTHER_ID = "other_id"  # there under another OMS id than ours
    NOT_IMPORTED = "not_imported"  # there, but the ledger does not say imported
    UNKNOWN = "unknown"  # there, but the ledger does not have it


WHAT_TO_DO: Mapping[Kind, str] = {
    Kind.MISSING: "Imported by us, and surely not there: two complete searches did not show them. Look for them in the "
    "OMS by their OMS id; somebody may have deleted them, or given them another external id.",
    Kind.DOUBLED: "Several orders there carry one external id. Cancel all but one in the OMS before they are shipped.",
    Kind.OTHER_ID: "There under another OMS id than the ledger has. Look whether ours was cancelled and entered anew.",
    Kind.NOT_IMPORTED: "There, although the ledger does not say imported. Do not replay or send these before somebody "
    "has looked: `python -m order_relay order NUMBER`.",
    Kind.UNKNOWN: "There, and not in the ledger: imported by somebody else, by an older script, or by a ledger that "
    "was lost. In an account that others use as well this is usual; `reconcile: alert_unknown: false` says so.",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One external id about which ledger and destination differ. ``ours`` is the OMS id that the ledger has."""

    kind: Kind
    key: str
    number: str = ""
    state: str = ""
    ours: str = ""
    there: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """Imported orders beside one search: those surely absent from it, and why the absence of others proves nothing."""

    there: Mapping[str, frozenset[str]]
    absent: tuple[Booked, ...] = ()
    unsure: tuple[Booked, ...] = ()
    why: str = ""


@dataclass
class Comparison:
    """Everything that was compared. ``unsure``: how many orders could not be judged, by reason. ``unread``: times that
    could not be read whole. ``bare``: orders there without an external id, which can not be compared."""

    pipeline: str
    since: datetime
    until: datetime
    imported: int = 0
    seen: int = 0
    bare: int = 0
    differences: list[Difference] = field(default_factory=list)
    unsure: Counter[str] = field(default_factory=Counter)
    unread: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def of(self, kind: Kind) -> list[Difference]:
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
            **{kind.value: len(self.of(kind)) for kind in Kind},
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
        }


def by_key(rows: Iterable[Found]) -> dict[str, set[str]]:
    """The OMS ids there by external id; rows that lack either are left out."""
    return {key: {row.oms_id for row in some} for key, some in under(rows).items()}


def look(ours: Sequence[Booked], page: Page, controls: Sequence[Control]) -> Look:
    """Imported orders of ours in one search for them. ``controls``: other imported ones.

    The controls are those of either that show under their own OMS id: others may be differences themselves. What seems
    to be absent is looked for again by itself.
    """
    there = by_key(page.rows)
    known = [*controls, *(Control(one.key, one.oms_id, one.imported_at) for one in ours if one.imported_at)]
    why = why_not_absent(page, [control for control in known if control.oms_id in there.get(control.key, ())])
    gone = tuple(order for order in ours if order.key not in there)
    ids = {key: frozenset(some) for key, some in there.items()}
    return Look(ids, unsure=gone, why=why) if why else Look(ids, absent=gone)


def judge(key: str, book: Booked | None, there: Collection[str]) -> Difference | None:
    """What is different about an external id under which ``there`` are the OMS ids; ``None`` where all is well."""
    ids = tuple(sorted(there, key=lambda text: (len(text), text)))
    if book is None:
        return Difference(Kind.DOUBLED if len(ids) > 1 else Kind.UNKNOWN, key, there=ids) if ids else None
    if book.state in LEFT_TO_OTHERS:
        return None
    ours = book.oms_id if book.state == "imported" else ""
    if len(ids) > 1:
        kind = Kind.DOUBLED
    elif not ids:
        kind = Kind.MISSING
    elif book.state == "imported":
        if ids == (ours,):
            return None
        kind = Kind.OTHER_ID
    elif book.reason == "baseline":
        return None
    else:
        kind = Kind.NOT_IMPORTED
    return Difference(kind, key, book.number, book.state, ours, ids)


def as_markdown(told: Comparison) -> str:
    """The report. External ids and OMS ids, states and counts; no personal data."""
    span = f"{told.since:%Y-%m-%d %H:%M} to {told.until:%Y-%m-%d %H:%M} UTC"
    lines = [f"# {told.pipeline}: ledger and OMS compared", "", f"{span}. **{verdict(told)}**", ""]
    lines += ["| what | orders |", "|---|---|", *(f"| {name} | {n} |" for name, n in told.counts.items()), ""]
    for kind in Kind:
        lines += _section(kind, told.of(kind))
    lines += _uncertain(told)
    return "\n".join(lines)


def verdict(told: Comparison) -> str:
    """One sentence."""
    found = [f"{len(told.of(kind))} {kind.value.replace('_', ' ')}" for kind in Kind if told.of(kind)]
    open_ = " Not everything could be compared." if told.unsure or told.unread or told.remarks else ""
    return ("They differ: " + ", ".join(found) + "." if found else "No difference was found.") + open_


def describe(found: Difference) -> str:
    """A difference on one line, without its external id."""
    there = f"OMS ids there: {', '.join(found.there)}" if found.there else "not there"
    ours = f"; ours: {found.ours}" if found.ours else f"; here: {found.state or 'unknown'}"
    return f"{found.kind.value.replace('_', ' ')}; {there}{ours}"


def _section(kind: Kind, found: Sequence[Difference]) -> list[str]:
    if not found:
        return []
    head = [f"## {kind.value.replace('_', ' ').capitalize()}: {len(found)}", "", WHAT_TO_DO[kind], ""]
    head += ["| external id | OMS ids there | OMS id here | state here |", "|---|---|---|---|"]
    rows = [
        f"| {escape(one.key)} | {escape(', '.join(one.there))} | {escape(one.ours)} | {one.state} |"
        for one in found[:MOST_LISTED]
    ]
    more = [f"\nand {len(found) - MOST_LISTED} more"] if len(found) > MOST_LISTED else []
    return [*head, *rows, *more, ""]


def _uncertain(told: Comparison) -> list[str]:
    lines = [f"- {remark}" for remark in told.remarks]
    lines += [f"- {n} imported orders were not seen, which proves nothing: `{why}`" for why, n in told.unsure.items()]
    lines += [f"- orders there could not be read whole: {which}" for which in told.unread]
    if told.bare:
        lines.append(f"- {told.bare} orders there carry no external id and can not be compared")
    return ["## What could not be compared", "", *lines, ""] if lines else []
