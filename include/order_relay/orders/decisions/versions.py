"""The version table: which version of an order is sent, and what happens to the others.

The versions of one lineage are decided together. All versions that the ledger ever saw take part, in any state, ordered
by (version, edition, id); the **newest** one is the newest that is not discarded. The functions below are the table,
read from top to bottom: the first row that applies decides. A doubtful case never sends or forgets an order.

* **Common items** are compared between each unsent version and the newest one, and between each unsent version and each
  imported one. One pair with too few holds all unsent versions of the lineage.
* **Contradictions** (``identity.lineage``) are searched among all versions that still matter: not discarded, and not
  superseded for good. One contradiction holds all unsent versions of the lineage. Here and for too few common items
  that includes versions superseded while no newer one was at the destination, whatever the order of arrival.
* A superseded version stays superseded while its lineage has a newer version, unless that one is quarantined (it may be
  rejected after it was chosen) or the lineage is held for the two reasons above.
* Held versions stay held. Quarantined and rejected ones stay as they are, unless they are **obsolete**: older than a
  version at the destination that they agree with (no contradiction, the same base order number, enough common items).
* ``decided`` versions were released by an operator: the rows that would ask an operator skip them. Beside an imported
  version, such a version gets a lineage of its own.
* Policy ``import_as_new``: the newest of the versions newer than the imported one opens a new lineage. The other newer
  ones move there as superseded, so that they are acknowledged together with it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Any

from order_relay.orders.identity.lineage import common_share, conflicting_columns, describe_columns, normalize_text
from order_relay.orders.identity.source_identity import SEPARATE_LINEAGE_MARK, separate_lineage
from order_relay.orders.messages import VersionPolicies

if TYPE_CHECKING:
    import pandas as pd

VERSION_COLUMNS: tuple[str, ...] = (
    "id",  # int: the submission
    "lineage",  # str
    "source_id",  # str
    "version",  # int
    "edition",  # int
    "suffix",  # int | None
    "items",  # tuple[str, ...]
    "base_number",  # str
    "customer_number",  # str
    "customer_po",  # str
    "state",  # str
    "reason",  # str: why it is in that state
    "decided",  # bool: released by an operator
)
"""Columns of all submissions of the lineages to resolve, in any state."""

RESULT_COLUMNS: tuple[str, ...] = ("id", "decision", "reason", "lineage", "detail")
"""One row per unsent version (received, waiting, ready, superseded), and per obsolete one (quarantined or rejected).

Versions that wait for another reason than ``WAITING_REASONS`` are left alone. ``lineage`` differs from the old one only
for ``new_lineage`` and for the superseded versions that move along. ``detail`` explains the reason to operators without
personal data, or is empty."""

CONTRADICTING = "contradicting_versions"

NEWER_QUARANTINED = "newer_quarantined"
IN_DOUBT = "version_in_doubt"
NEWER_HELD = "newer_held"
TOO_FEW_ITEMS = "too_few_common_items"
NEWER_THAN_IMPORTED = "newer_than_imported"
WITHOUT_BASE = "suffix_without_base"
SUFFIXED = "suffixed"
SIBLING_HELD = "sibling_held"
BASELINE = "baseline"
"""Reason of a discarded version that older scripts brought to the destination: this table takes it as imported."""

WAITING_REASONS = (NEWER_QUARANTINED, IN_DOUBT, NEWER_HELD, "")
"""Reasons of ``waiting`` that this table sets and lifts."""

_UNSENT_STATES = ("received", "waiting", "ready", "superseded")
_ACTIVE_STATES = ("sending", "in_doubt")
_STOPPED_STATES = ("quarantined", "rejected")


class VersionDecision(StrEnum):
    """What happens to a version."""

    WINNER = "winner"  # is sent: received, or stays ready
    SUPERSEDED = "superseded"
    HELD = "held"
    WAITING = "waiting"
    DISCARDED = "discarded"
    NEW_LINEAGE = "new_lineage"  # is sent as the winner of the new lineage named in ``lineage``


def resolve_versions(versions: pd.DataFrame, policies: VersionPolicies) -> pd.DataFrame:
    """One decision for every unsent version.

    ``versions`` has ``VERSION_COLUMNS`` and holds every version of each of its lineages. Returns ``RESULT_COLUMNS``,
    with at most one winner per lineage and none beside a version that is sending, in doubt or imported.
    """
    import pandas as pd

    sizes = versions.groupby("lineage")["id"].transform("size")
    foreign = (versions["state"] == "waiting") & ~versions["reason"].fillna("").isin(WAITING_REASONS)
    alone = (sizes == 1) & versions["suffix"].isna() & versions["state"].isin(_UNSENT_STATES) & ~foreign
    winners = versions.loc[alone, ["id", "lineage"]].assign(decision=VersionDecision.WINNER.value, reason="", detail="")
    families = versions[~alone].sort_values(["lineage", "version", "edition", "id"], kind="stable")
    if decided := _resolve_families(families, policies):
        winners = pd.concat([winners, pd.DataFrame(decided, columns=list(RESULT_COLUMNS))])
    return winners[list(RESULT_COLUMNS)].sort_values("id", kind="stable").reset_index(drop=True)


def _resolve_families(families: pd.DataFrame, policies: VersionPolicies) -> list[tuple[int, str, str, str, str]]:
    records = families.astype(object).where(families.notna(), None).to_dict("records")
    return [
        (version["id"], one.decision.value, one.reason, one.lineage or version["lineage"], one.detail)
        for _, rows in groupby(records, key=lambda record: record["lineage"])
        for version, one in _resolve_family(
            _Family([{str(name): value for name, value in row.items()} for row in rows], policies)
        )
    ]


Version = Mapping[str, Any]
"""One row of ``VERSION_COLUMNS``."""


@dataclass(frozen=True, slots=True)
class _Decision:
    decision: VersionDecision
    reason: str = ""
    detail: str = ""
    lineage: str = ""


_SUPERSEDED = _Decision(VersionDecision.SUPERSEDED)


class _Family:
    """The versions of one lineage, oldest first, and the facts about them that the table needs. Ranks count from 0."""

    def __init__(self, versions: Sequence[Version], policies: VersionPolicies) -> None:
        self.versions = versions
        self.policies = policies
        self.lineage = str(versions[0]["lineage"])
        self.newest = self._last(lambda version: version["state"] != "discarded")
        self.imported = self._last(is_imported)
        self.active = any(version["state"] in _ACTIVE_STATES for version in versions)
        self.single_version = len({version["version"] for version in versions}) == 1
        self.separate = SEPARATE_LINEAGE_MARK in self.lineage
        self._last_done = self._last(lambda version: is_imported(version) or version["state"] == "discarded")
        self.conflicts = conflicting_columns(version for rank, version in self.ranked if not self.is_settled(rank))
        self.too_few_items = self._has_too_few_items()

    def _last(self, applies: Callable[[Version], bool]) -> int:
        return max((rank for rank, version in self.ranked if applies(version)), default=-1)

    @property
    def ranked(self) -> Iterable[tuple[int, Version]]:
        return enumerate(self.versions)

    @property
    def first_held(self) -> int:
        held = (rank for rank, version in self.ranked if version["state"] == "held")
        return min(held, default=len(self.versions))

    @property
    def newest_state(self) -> str:
        return str(self.versions[self.newest]["state"]) if self.newest >= 0 else ""

    def stays_superseded(self, rank: int) -> bool:
        return self.versions[rank]["state"] == "superseded" and rank < len(self.versions) - 1

    def is_settled(self, rank: int) -> bool:
        """Whether a version no longer matters for the others: discarded, or superseded for good."""
        version = self.versions[rank]
        if version["state"] == "superseded":
            return bool(version["decided"]) or rank < self._last_done
        return version["state"] == "discarded" and not is_imported(version)

    def _has_too_few_items(self) -> bool:
        """Whether an unsent or held version shares too few items with the newest or with an imported one."""
        if self.active:
            return False
        return any(
            common_share(version["items"], other["items"]) < self.policies.min_common_items
            for rank, version in self.ranked
            if (is_unsent(version) or version["state"] == "held") and not self.is_settled(rank)
            for other_rank, other in self.ranked
            if other_rank != rank and (other_rank == self.newest or is_imported(other))
        )


def is_unsent(version: Version) -> bool:
    """Whether the table decides about a version."""
    if version["state"] == "waiting":
        return (version["reason"] or "") in WAITING_REASONS
    return version["state"] in _UNSENT_STATES


def is_imported(version: Version) -> bool:
    """Whether a version is at the destination, brought there by us or before (baseline)."""
    return (version["state"], version["reason"]) == ("discarded", BASELINE) or bool(version["state"] == "imported")


def _resolve_family(family: _Family) -> Iterable[tuple[Version, _Decision]]:
    """The whole table: first the rows about each version by itself, then the choice among those that are left."""
    decisions = {rank: _decide_alone(family, rank) for rank, version in family.ranked if is_unsent(version)}
    left = [rank for rank, decision in decisions.items() if decision is None]
    held = {rank for rank, one in decisions.items() if one is not None and one.decision is VersionDecision.HELD}
    chosen = _choose_new_lineage(family, left) if family.imported >= 0 else _choose_winner(family, left, held)
    for rank, decision in {**decisions, **chosen}.items():
        if decision is not None:
            yield family.versions[rank], decision
    for rank in _obsolete(family):
        yield family.versions[rank], _SUPERSEDED


def _decide_alone(family: _Family, rank: int) -> _Decision | None:
    """The rows of the table that look at one unsent version; ``None`` if it takes part in the choice."""
    decided = family.versions[rank]["decided"]
    behind_imported = family.stays_superseded(rank) and rank < family.imported
    if family.newest_state == "quarantined" and rank < family.newest and not behind_imported:
        return _Decision(VersionDecision.WAITING, NEWER_QUARANTINED)
    questioned = (family.conflicts or family.too_few_items) and not family.is_settled(rank)
    if family.stays_superseded(rank) and (family.active or not questioned):
        return _SUPERSEDED
    if family.active:
        return _Decision(VersionDecision.WAITING, IN_DOUBT)
    if family.conflicts and not decided:
        detail = f"different {describe_columns(family.conflicts)}"
        return _Decision(VersionDecision.HELD, CONTRADICTING, detail)
    if family.too_few_items and not decided:
        return _Decision(VersionDecision.HELD, TOO_FEW_ITEMS)
    return _decide_beside_imported(family, rank) if family.imported >= 0 else _decide_without_imported(family, rank)


def _decide_beside_imported(family: _Family, rank: int) -> _Decision | None:
    version, policies = family.versions[rank], family.policies
    if rank < family.imported:
        return _SUPERSEDED
    if version["decided"]:
        return None
    if policies.suffixed == "review" and version["suffix"] is not None:
        return _Decision(VersionDecision.HELD, SUFFIXED)
    if policies.resubmission == "ignore":
        return _Decision(VersionDecision.DISCARDED, NEWER_THAN_IMPORTED)
    if policies.resubmission != "import_as_new":
        return _Decision(VersionDecision.HELD, NEWER_THAN_IMPORTED)
    return None


def _decide_without_imported(family: _Family, rank: int) -> _Decision | None:
    version, policies = family.versions[rank], family.policies
    if version["decided"]:
        return None
    if rank > family.first_held:
        return _Decision(VersionDecision.HELD, SIBLING_HELD)
    if family.separate or version["suffix"] is None:
        return None
    if policies.suffixed == "review":
        return _Decision(VersionDecision.HELD, SUFFIXED)
    if policies.unknown_base != "import" and family.single_version:
        return _Decision(VersionDecision.HELD, WITHOUT_BASE)
    return None


def _choose_new_lineage(family: _Family, left: Sequence[int]) -> dict[int, _Decision]:
    """Beside an imported version: the newest one that is left opens a new lineage, and the others follow it."""
    if not left:
        return {}
    lineage = separate_lineage(family.lineage, family.versions[left[-1]]["source_id"])
    chosen = dict.fromkeys(left, _Decision(VersionDecision.SUPERSEDED, lineage=lineage))
    chosen[left[-1]] = _Decision(VersionDecision.NEW_LINEAGE, NEWER_THAN_IMPORTED, lineage=lineage)
    return chosen


def _choose_winner(family: _Family, left: Sequence[int], held: Collection[int]) -> dict[int, _Decision]:
    """No version is imported: the newest one wins, unless a newer one is held or stopped."""
    if not left:
        return {}

    def stopped(rank: int) -> bool:
        return rank in held or family.versions[rank]["state"] in ("held", "discarded")

    last_open = max(rank for rank, _ in family.ranked if not stopped(rank))
    best = left[-1]
    if (
        best == family.newest
        or (family.versions[best]["decided"] and best == last_open)
        # its newer version was discarded and is never sent, so it must not block an older one that is offered again
        or family.newest_state == "superseded"
    ):
        return {**dict.fromkeys(left, _SUPERSEDED), best: _Decision(VersionDecision.WINNER)}
    if family.newest >= 0 and stopped(family.newest):
        return dict.fromkeys(left, _Decision(VersionDecision.WAITING, NEWER_HELD))
    return dict.fromkeys(left, _SUPERSEDED)


def _obsolete(family: _Family) -> list[int]:
    """Quarantined or rejected versions, older than a version at the destination, and in agreement with it."""
    if family.conflicts or family.imported < 0:
        return []
    imported = family.versions[family.imported]
    return [
        rank
        for rank, version in family.ranked
        if rank < family.imported
        and version["state"] in _STOPPED_STATES
        and _agrees(version, imported, family.policies)
    ]


def _agrees(version: Version, imported: Version, policies: VersionPolicies) -> bool:
    """Whether base order number and items are those of the imported version. A value that cannot be read is not."""
    base = normalize_text(str(version["base_number"] or ""))
    minimum = max(policies.min_common_items, 0.0)  # a version without readable items agrees with none
    return (
        base != ""
        and base == normalize_text(str(imported["base_number"] or ""))
        and common_share(version["items"], imported["items"]) >= minimum
    )
