"""The redelivery table: the action for each order that the source offers, new or again.

A pure function of two frames that returns one frame. The order of rows does not matter; the last offer of an order is
determined by part and row, if the frame has these columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING, Any

from order_relay.orders.identity.lineage import usable_lineage
from order_relay.orders.identity.source_identity import HASHED_ID_PREFIX, POSITION_COLUMNS, source_lineage
from order_relay.orders.mapping.content_hash import settled_hash
from order_relay.orders.mapping.eligibility import is_eligibility_reason
from order_relay.orders.messages import UNREAD_PROBLEMS
from order_relay.orders.schema import malformed

if TYPE_CHECKING:
    import pandas as pd

KNOWN_COLUMNS: tuple[str, ...] = (
    "source_id",
    "edition",
    "state",
    "content_hash",
    "lineage",
    "order_number",
    "transform_fingerprint",
    "reason",
)
"""Columns of the known submissions that share a source id **or an order number** with an offer.

All editions of such a source id are included. ``transform_fingerprint`` is the fingerprint with which its payload was
last built or rejected; "" if it never was.
"""

RESULT_COLUMNS: tuple[str, ...] = ("source_id", "action", "reason", "offer")
"""``offer`` is the row number in the offers frame of the offer whose content and position are used; -1 for a known
submission that was not offered this time."""

TWO_IDS = "number_with_two_ids"
TWO_UUIDS = "id_with_two_uuids"
TWO_CONTENTS = "id_with_two_contents"
AFTER_IMPORT = "changed_after_import"
AFTER_DISCARD = "changed_after_discard"


class RedeliveryAction(StrEnum):
    """The action of the ledger for an offer."""

    INSERT = "insert"  # unknown: insert a new submission in state received
    REFRESH = "refresh"  # point to the newest batch; no transition, no event
    REPLACE = "replace"  # received: replace the content; no transition
    REJUDGE = "rejudge"  # replace content and position, then move to received (from ready via waiting)
    EVALUATE_IN_PLACE = "evaluate_in_place"  # point to the newest batch; validate without a transition
    NOTHING = "nothing"
    REMEMBER = "remember"  # sending, in_doubt: compare the changed content once settled
    ACKNOWLEDGE = "acknowledge"  # acknowledge (again) if the ledger's rules allow it and the source needs it
    HOLD_EDITION = "hold_edition"  # insert a second edition of the same source id as held
    REFRESH_REVIEW = "refresh_review"  # held: replace the content and refresh the review
    HOLD = "hold"  # insert or keep, and move to held with the reason (offer -1: keep content and position)


UNSENT_STATES = ("received", "waiting", "ready", "superseded", "quarantined", "rejected")
"""States that a conflict moves to held: not at the destination, and without an operator's decision."""

_ACTIONS: dict[str, tuple[RedeliveryAction, RedeliveryAction]] = {  # state: (same content, changed content)
    "received": (RedeliveryAction.REFRESH, RedeliveryAction.REPLACE),
    "waiting": (RedeliveryAction.REJUDGE, RedeliveryAction.REJUDGE),
    "ready": (RedeliveryAction.REFRESH, RedeliveryAction.REJUDGE),
    "sending": (RedeliveryAction.NOTHING, RedeliveryAction.REMEMBER),
    "in_doubt": (RedeliveryAction.NOTHING, RedeliveryAction.REMEMBER),
    "imported": (RedeliveryAction.ACKNOWLEDGE, RedeliveryAction.HOLD_EDITION),
    "superseded": (RedeliveryAction.ACKNOWLEDGE, RedeliveryAction.REJUDGE),
    "quarantined": (RedeliveryAction.EVALUATE_IN_PLACE, RedeliveryAction.REJUDGE),
    "rejected": (RedeliveryAction.NOTHING, RedeliveryAction.REJUDGE),
    "held": (RedeliveryAction.NOTHING, RedeliveryAction.REFRESH_REVIEW),
    "discarded": (RedeliveryAction.ACKNOWLEDGE, RedeliveryAction.HOLD_EDITION),
}
_UNREPAIRABLE_STATES = ("sending", "in_doubt", "imported", "discarded")
"""States of orders that are not compared with a malformed offer, but only once they can be read again."""
_SETTLED_STATES = ("imported", "superseded", "discarded", "held")  # their eligibility no longer matters
_REEVALUATED_STATES = ("ready", "rejected")  # same content, but outdated mapping: evaluated again


def known_frame(known: Sequence[Any]) -> pd.DataFrame:
    """Rows with the attributes ``KNOWN_COLUMNS`` as a frame of these columns."""
    import pandas as pd

    return pd.DataFrame([[getattr(row, name) for name in KNOWN_COLUMNS] for row in known], columns=list(KNOWN_COLUMNS))


def decide_redeliveries(offers: pd.DataFrame, known: pd.DataFrame, transform_fingerprint: str = "") -> pd.DataFrame:
    """One action for every offered source id, and for known ones that are involved in a conflict.

    ``offers`` has ``IDENTITY_COLUMNS``, ``known`` has ``KNOWN_COLUMNS``; ``transform_fingerprint`` is that of the
    current mapping. Returns ``RESULT_COLUMNS``. Only the last offer of a source id and its newest known edition count.
    Raises ``ValueError`` for a state that the table lacks.
    """
    import pandas as pd

    unknown = set(known["state"]) - set(_ACTIONS)
    if unknown:
        raise ValueError(f"the redelivery table has no row for {sorted(unknown)}")
    if offers.empty:  # an empty frame has no column types to join on
        return pd.DataFrame({name: pd.Series(dtype=object) for name in RESULT_COLUMNS})
    newest = known.sort_values("edition", kind="stable").drop_duplicates("source_id", keep="last").astype(object)
    once = _deduplicate(offers, newest)
    joined = once.merge(newest[list(KNOWN_COLUMNS)], on="source_id", how="left", suffixes=("", "_known"))
    joined["state"] = joined["state"].astype(object).where(joined["state"].notna(), "")
    decided = _apply_actions(joined, transform_fingerprint)
    # Orders without readable content cannot contradict others.
    unread = set(joined.loc[_without_content(joined), "source_id"])
    conflicts = _conflicts(offers[~offers["source_id"].isin(unread)], joined[~joined["source_id"].isin(unread)], newest)
    held = decided["state"].isin(("", *UNSENT_STATES)) & decided["source_id"].isin(conflicts.index)
    decided.loc[held, "action"] = RedeliveryAction.HOLD.value
    explained = held | (
        (decided["action"] == RedeliveryAction.HOLD_EDITION.value) & decided["source_id"].isin(conflicts.index)
    )
    decided.loc[explained, "reason"] = decided.loc[explained, "source_id"].map(conflicts)
    involved = newest[
        newest["source_id"].isin(conflicts.index)
        & ~newest["source_id"].isin(once["source_id"])
        & newest["state"].isin(UNSENT_STATES)
    ]
    extra = pd.DataFrame(
        {
            "source_id": involved["source_id"],
            "action": RedeliveryAction.HOLD.value,
            "reason": involved["source_id"].map(conflicts),
            "offer": -1,
        }
    )
    result = pd.concat([decided[list(RESULT_COLUMNS)], extra], ignore_index=True) if len(extra) else decided
    return result[list(RESULT_COLUMNS)].reset_index(drop=True)


def _deduplicate(offers: pd.DataFrame, newest: pd.DataFrame) -> pd.DataFrame:
    """One offer per source id, with its row number in ``offer``: the last one, preferably with changed content."""
    columns = ["source_id", "lineage", "order_number", "content_hash", "problem"]
    before = offers["source_id"].map(newest.set_index("source_id")["content_hash"])
    frame = offers[columns].assign(offer=range(len(offers)), changed=(offers["content_hash"] != before).astype(int))
    position = [name for name in POSITION_COLUMNS if name in offers.columns]
    frame[position] = offers[position]
    frame = frame.sort_values(["changed", *(position or ["content_hash"])], kind="stable")
    return frame.drop_duplicates("source_id", keep="last").sort_values("offer")[[*columns, "offer"]]


def _apply_actions(joined: pd.DataFrame, transform_fingerprint: str) -> pd.DataFrame:
    """Apply ``_ACTIONS`` and its exceptions as masks."""
    import pandas as pd

    same = joined["content_hash"] == joined["content_hash_known"]
    same |= joined["state"].isin(_SETTLED_STATES) & (
        joined["content_hash"].map(settled_hash) == joined["content_hash_known"].fillna("").map(settled_hash)
    )
    outdated = joined["transform_fingerprint"].fillna("") != transform_fingerprint
    action = pd.Series(RedeliveryAction.INSERT.value, index=joined.index, dtype=object)
    reason = pd.Series("", index=joined.index, dtype=object)
    for (state, pair), equal in product(_ACTIONS.items(), (True, False)):
        mask = (joined["state"] == state) & (same == equal)
        action[mask] = pair[0 if equal else 1].value
    action[same & outdated & joined["state"].isin(_REEVALUATED_STATES)] = RedeliveryAction.REJUDGE.value
    # an order that waits for a change at its source is evaluated in place, to avoid an event without a change
    action[same & (joined["state"] == "waiting") & joined["reason"].map(is_eligibility_reason)] = (
        RedeliveryAction.EVALUATE_IN_PLACE.value
    )
    # superseded as fixed, but the source still offers it, so it was not replaced
    unnamed = joined["source_id"].str.startswith(HASHED_ID_PREFIX)
    action[unnamed & (joined["state"] == "superseded")] = RedeliveryAction.REJUDGE.value
    action[_without_content(joined)] = RedeliveryAction.NOTHING.value
    action[joined["state"].isin(_UNREPAIRABLE_STATES) & joined["problem"].isin(list(malformed.MALFORMED_CODES))] = (
        RedeliveryAction.NOTHING.value
    )
    editions = action == RedeliveryAction.HOLD_EDITION.value
    reason[editions & (joined["state"] == "imported")] = AFTER_IMPORT
    reason[editions & (joined["state"] == "discarded")] = AFTER_DISCARD
    return joined.assign(action=action, reason=reason)


def _without_content(joined: pd.DataFrame) -> pd.Series:
    """Mask of known orders that could not be read this time; they stay unchanged."""
    return (joined["state"] != "") & joined["problem"].isin(UNREAD_PROBLEMS)


def _conflicts(offers: pd.DataFrame, joined: pd.DataFrame, newest: pd.DataFrame) -> pd.Series:
    """Source ids that conflict with themselves or with another one, with one reason each.

    A conflict between offer and ledger is raised only when one of the orders involved is new or has changed in that
    field, so that an operator's decision is not questioned again.
    """
    import pandas as pd

    contents = offers.groupby("source_id")["content_hash"].nunique()
    two_contents = contents.index[contents > 1]

    uuids = offers.groupby("source_id")["lineage"].nunique()
    changed = joined[(joined["state"] != "") & (joined["content_hash"] != joined["content_hash_known"])]
    before = changed["lineage_known"].map(source_lineage)
    identified = (before != changed["source_id"]) & before.map(usable_lineage).astype(
        bool
    )  # without a uuid, the lineage is the source id
    other_uuid = (before != changed["lineage"]) & identified
    two_uuids = uuids.index[uuids > 1].union(pd.Index(changed.loc[other_uuid, "source_id"]))

    changed_numbers = joined[(joined["state"] == "") | (joined["order_number"] != joined["order_number_known"])]
    pairs = pd.concat([offers[["source_id", "order_number"]], newest[["source_id", "order_number"]]])
    pairs = pairs[pairs["order_number"].fillna("") != ""].drop_duplicates()
    ids = pairs.groupby("order_number")["source_id"].nunique()
    shared = ids.index[ids > 1].intersection(pd.Index(changed_numbers["order_number"]))
    two_ids = pairs.loc[pairs["order_number"].isin(shared), "source_id"].unique()

    reasons = dict.fromkeys(two_ids, TWO_IDS) | dict.fromkeys(two_uuids, TWO_UUIDS)
    return pd.Series(reasons | dict.fromkeys(two_contents, TWO_CONTENTS), dtype=object)
