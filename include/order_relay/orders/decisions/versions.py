"""Resolving the versions of a lineage (ledger.md, the table of that name, row by row in its order).

Pure and set-wise. All versions that the ledger ever saw of the lineages take part, whatever their state. What the table
leaves open is decided here, always on the side that sends nothing twice and forgets nothing:

* Versions are ordered by (numeric id, edition). **Newest** means the newest that is not discarded.
* **Common items** are compared between each unsent version and the newest one, and between each unsent version and
  each imported one. One pair with too few is enough: then all unsent ones of the lineage are held.
* **Contradictions** (``orders.agreement``) are looked for among all versions of a lineage except discarded ones and
  those that were superseded for good. One is enough: all unsent versions of the lineage are held. Here and where common
  items are too few that includes the versions that were superseded while no newer one was at the destination, so that
  the order of arrival makes no difference.
* A superseded version stays superseded while its lineage has a newer version, unless the newest is now quarantined
  (the winner may be refused after its choice) or there is such a doubt; alone at the top (the newer ones
  became separate orders) it takes part again.
* Held versions stay as they are. So do quarantined and rejected ones, unless they are **obsolete**: older than a
  version at the destination and in agreement with it (no contradiction, the same base order number, enough common
  items). What cannot be read of them is no agreement. Under a newest version that is held the older ones wait
  (``newer_held``); above a held one the newer ones join the review (``sibling_held``).
* ``decided`` versions were let go by a person: the rows of the table that would ask a person pass them over. Beside an
  imported version such a one goes on in a lineage of its own.
* Policy ``import_as_new``: the newest of the versions newer than the imported one opens the new lineage, and the other
  newer ones move there with it as superseded, so that they are acknowledged with it and not with the imported one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import pandas as pd

from order_relay.orders.identity.lineage import common_share, conflicts_by_lineage, describe_columns, normalize_text
from order_relay.orders.identity.source_identity import SEPARATE_LINEAGE_MARK, separate_lineage
from order_relay.orders.messages import VersionPolicies

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
    "decided",  # bool: a person let it go; the rows of the table that ask a person pass it over
)
"""All submissions that the ledger ever saw of the lineages to resolve, whatever their state."""

RESULT_COLUMNS: tuple[str, ...] = ("id", "decision", "reason", "lineage", "detail")
"""One row for every unsent version: received, waiting, ready, superseded (``waiting`` for another reason than those
below is left alone), and for every obsolete one (quarantined or rejected). ``lineage`` is the one that it belongs to
from now on; it differs from the old one only with ``new_lineage`` and for the superseded ones that move along.
``detail`` explains the reason to operators, without values, or is empty."""

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
"""Reason of a discarded version that older scripts brought to the destination: to this table it is imported."""

WAITING_REASONS = (NEWER_QUARANTINED, IN_DOUBT, NEWER_HELD, "")
"""Reasons of ``waiting`` that this table sets and lifts."""

_UNSENT_STATES = ("received", "waiting", "ready", "superseded")
_NONE: Mapping[str, str] = MappingProxyType({})
_STOPPED_STATES = ("quarantined", "rejected")


class VersionDecision(StrEnum):
    """What becomes of a version."""

    WINNER = "winner"  # goes on: received, or stays ready
    SUPERSEDED = "superseded"
    HELD = "held"
    WAITING = "waiting"
    DISCARDED = "discarded"
    NEW_LINEAGE = "new_lineage"  # gets the lineage named in ``lineage`` and goes on as its winner


def resolve_versions(versions: pd.DataFrame, policies: VersionPolicies) -> pd.DataFrame:
    """One decision for every unsent version.

    ``versions`` has ``VERSION_COLUMNS`` and holds every version of each of its lineages. Returns ``RESULT_COLUMNS``,
    with at most one winner per lineage and none beside a version that is sending, in doubt or imported.
    """
    sizes = versions.groupby("lineage")["id"].transform("size")
    simple = (sizes == 1) & versions["suffix"].isna() & _movable_state(versions)
    alone = versions.loc[simple, ["id", "lineage"]].assign(decision=VersionDecision.WINNER.value, reason="", detail="")
    rest = versions[~simple]
    parts = [alone] if rest.empty else [alone, _resolve_families(rest, policies)]
    return pd.concat(parts)[list(RESULT_COLUMNS)].sort_values("id", kind="stable").reset_index(drop=True)


def _movable_state(frame: pd.DataFrame) -> pd.Series:
    foreign = (frame["state"] == "waiting") & ~frame["reason"].fillna("").isin(WAITING_REASONS)
    return frame["state"].isin(_UNSENT_STATES) & ~foreign


def _resolve_families(versions: pd.DataFrame, policies: VersionPolicies) -> pd.DataFrame:
    """The table for lineages with more than one version, or with a suffix. Later rows fill what earlier ones left."""
    f = _facts(versions)
    verdict = _Resolution(f)
    behind = f["stays_superseded"] & (f["rank"] < f["imported_rank"])  # its winner is imported: nothing can change
    verdict.put(f["top_state"].eq("quarantined") & f["older"] & ~behind, VersionDecision.WAITING, NEWER_QUARANTINED)
    contrary = conflicts_by_lineage(f[~f["settled"]])
    details = {lineage: f"different {describe_columns(columns)}" for lineage, columns in contrary.items()}
    short = _too_few_items(f, policies.min_common_items)
    doubtful = f["lineage"].isin([*contrary, *short]) & ~f["settled"]
    verdict.put(f["stays_superseded"] & (f["active"] | ~doubtful), VersionDecision.SUPERSEDED)
    verdict.put(f["active"], VersionDecision.WAITING, IN_DOUBT)
    verdict.put(f["lineage"].isin(contrary) & ~f["decided"], VersionDecision.HELD, CONTRADICTING, details)
    verdict.put(f["lineage"].isin(short) & ~f["decided"], VersionDecision.HELD, TOO_FEW_ITEMS)
    _resolve_against_imported(f, verdict, policies)
    _resolve_without_imported(f, verdict, policies)
    obsolete = f.loc[_obsolete(f, contrary, policies), ["id", "lineage"]]
    return pd.concat(
        [verdict.frame(), obsolete.assign(decision=VersionDecision.SUPERSEDED.value, reason="", detail="")]
    )


def _obsolete(f: pd.DataFrame, contrary: Mapping[str, object], policies: VersionPolicies) -> pd.Series:
    """Quarantined or rejected, older than a version at the destination, and in agreement with it."""
    asked = f["state"].isin(_STOPPED_STATES) & (f["rank"] < f["imported_rank"]) & ~f["lineage"].isin(contrary)
    there = f[f["rank"] == f["imported_rank"]]
    pairs = f[asked].merge(there, on="lineage", suffixes=("", "_there"))
    minimum = max(policies.min_common_items, 0.0)  # a version without readable items agrees with none
    agreeing = [
        number
        for number, old_base, new_base, old_items, new_items in zip(
            pairs["id"],
            pairs["base_number"],
            pairs["base_number_there"],
            pairs["items"],
            pairs["items_there"],
            strict=True,
        )
        if normalize_text(str(old_base or ""))
        and normalize_text(str(old_base)) == normalize_text(str(new_base or ""))
        and common_share(old_items, new_items) >= minimum
    ]
    return f["id"].isin(agreeing)


class _Resolution:
    """Decisions so far; the first one made about a row stands."""

    def __init__(self, facts: pd.DataFrame) -> None:
        self._facts = facts
        self._decision = pd.Series("", index=facts.index, dtype=object)
        self._reason = pd.Series("", index=facts.index, dtype=object)
        self._detail = pd.Series("", index=facts.index, dtype=object)
        self._lineage = facts["lineage"].astype(object)

    def open(self) -> pd.Series:
        """Rows still to be decided."""
        return self._facts["movable"] & (self._decision == "")

    def held(self) -> pd.Series:
        return self._decision == VersionDecision.HELD.value

    def put(
        self,
        mask: pd.Series,
        decision: VersionDecision,
        reason: str = "",
        details: Mapping[str, str] = _NONE,
        lineage: pd.Series | None = None,
    ) -> None:
        """Decide the open rows of ``mask``; ``details`` by lineage."""
        mask = mask & self.open()
        if not mask.any():
            return
        self._decision[mask] = decision.value
        self._reason[mask] = reason
        if details:
            self._detail[mask] = self._facts.loc[mask, "lineage"].map(details).fillna("")
        if lineage is not None:
            self._lineage[mask] = lineage[mask]

    def frame(self) -> pd.DataFrame:
        """The decided rows. Raises ``AssertionError`` where the table left one open (a defect of this module)."""
        left = int(self.open().sum())
        if left:
            raise AssertionError(f"the version table left {left} versions undecided")
        return pd.DataFrame(
            {
                "id": self._facts["id"],
                "decision": self._decision,
                "reason": self._reason,
                "lineage": self._lineage,
                "detail": self._detail,
            }
        )[self._facts["movable"]]


def _facts(versions: pd.DataFrame) -> pd.DataFrame:
    """Adds to each version what the table asks about it and about its lineage. ``rank`` orders a lineage, from 0."""
    f = versions.sort_values(["lineage", "version", "edition", "id"], kind="stable").reset_index(drop=True)
    f["decided"] = f["decided"].fillna(False).astype(bool)
    by = f["lineage"]
    f["rank"] = f.groupby("lineage").cumcount()
    last = f.groupby("lineage")["rank"].transform("max")
    f["stays_superseded"] = f["state"].eq("superseded") & (f["rank"] < last)
    f["movable"] = _movable_state(f)
    f["top"] = f["rank"].where(f["state"] != "discarded").groupby(by).transform("max")
    f["top_state"] = f["state"].where(f["rank"] == f["top"]).groupby(by).transform("first")
    f["older"] = f["rank"] < f["top"]
    there = f["state"].eq("imported") | (f["state"].eq("discarded") & f["reason"].eq(BASELINE))
    f["there"] = there
    f["active"] = f["state"].isin(["sending", "in_doubt"]).groupby(by).transform("any")
    f["imported_rank"] = f["rank"].where(there).groupby(by).transform("max")
    done = f["rank"].where(there | f["state"].eq("discarded")).groupby(by).transform("max")
    finished = f["state"].eq("superseded") & (f["decided"] | (f["rank"] < done))
    f["settled"] = finished | (f["state"].eq("discarded") & ~there)  # says nothing any more about the other versions
    f["held_rank"] = f["rank"].where(f["state"] == "held").groupby(by).transform("min")
    f["only"] = f.groupby("lineage")["version"].transform("nunique") == 1
    f["separate"] = by.astype(str).str.contains(SEPARATE_LINEAGE_MARK, regex=False)
    return f


def _too_few_items(f: pd.DataFrame, minimum: float) -> set[str]:
    """Lineages in which an unsent or held version shares too few items with the newest or with an imported one."""
    against = f[(f["rank"] == f["top"]) | f["there"]]
    unsent = f[(f["movable"] | f["state"].eq("held")) & ~f["settled"] & ~f["active"]]
    pairs = unsent[["lineage", "rank", "items"]].merge(against[["lineage", "rank", "items"]], on="lineage")
    pairs = pairs[pairs["rank_x"] != pairs["rank_y"]]
    short = [common_share(a, b) < minimum for a, b in zip(pairs["items_x"], pairs["items_y"], strict=True)]
    return set(pairs.loc[short, "lineage"])


def _resolve_against_imported(f: pd.DataFrame, verdict: _Resolution, policies: VersionPolicies) -> None:
    imported = f["imported_rank"].notna()
    if not imported.any():
        return
    verdict.put(imported & (f["rank"] < f["imported_rank"]), VersionDecision.SUPERSEDED)
    newer = imported & (f["rank"] > f["imported_rank"])
    if policies.suffixed == "review":
        verdict.put(newer & f["suffix"].notna() & ~f["decided"], VersionDecision.HELD, SUFFIXED)
    if policies.resubmission == "ignore":
        verdict.put(newer & ~f["decided"], VersionDecision.DISCARDED, NEWER_THAN_IMPORTED)
    elif policies.resubmission != "import_as_new":
        verdict.put(newer & ~f["decided"], VersionDecision.HELD, NEWER_THAN_IMPORTED)
    going = newer & verdict.open()
    newest = going & (f["rank"] == f["rank"].where(going).groupby(f["lineage"]).transform("max"))
    own = pd.Series([separate_lineage(a, b) for a, b in zip(f["lineage"], f["source_id"], strict=True)], index=f.index)
    new = own.where(newest).groupby(f["lineage"]).transform("first")
    verdict.put(newest, VersionDecision.NEW_LINEAGE, NEWER_THAN_IMPORTED, lineage=new)
    verdict.put(going, VersionDecision.SUPERSEDED, lineage=new)


def _resolve_without_imported(f: pd.DataFrame, verdict: _Resolution, policies: VersionPolicies) -> None:
    asks = ~f["decided"] & ~f["separate"] & f["suffix"].notna()
    verdict.put(~f["decided"] & (f["rank"] > f["held_rank"]), VersionDecision.HELD, SIBLING_HELD)
    if policies.suffixed == "review":
        verdict.put(asks, VersionDecision.HELD, SUFFIXED)
    if policies.unknown_base != "import":
        verdict.put(asks & f["only"], VersionDecision.HELD, WITHOUT_BASE)
    stopped = f["state"].isin(["held", "discarded"]) | verdict.held()
    going = verdict.open()
    best = going & (f["rank"] == f["rank"].where(going).groupby(f["lineage"]).transform("max"))
    above = f["rank"].where(~stopped).groupby(f["lineage"]).transform("max")
    verdict.put(best & ((f["rank"] == f["top"]) | (f["decided"] & (f["rank"] == above))), VersionDecision.WINNER)
    top_held = (stopped & (f["rank"] == f["top"])).groupby(f["lineage"]).transform("any")
    won = (going & ~verdict.open()).groupby(f["lineage"]).transform("any")
    verdict.put(going & ~won & top_held, VersionDecision.WAITING, NEWER_HELD)
    verdict.put(going, VersionDecision.SUPERSEDED)
