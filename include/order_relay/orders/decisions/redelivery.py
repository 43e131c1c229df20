"""When the source offers something again: which action each offer gets (ledger.md, the table of that name).

Pure and set-wise: two frames in, one frame out, nothing is looked up and the order of rows does not matter (apart from
"the last one offered", which goes by part and row where the frame has them).
"""

from __future__ import annotations

from enum import StrEnum
from itertools import product

import pandas as pd

from order_relay.orders.identity.lineage import usable_lineage
from order_relay.orders.identity.source_identity import HASHED_ID_PREFIX, POSITION_COLUMNS, source_lineage
from order_relay.orders.mapping.content_hash import settled_hash
from order_relay.orders.mapping.eligibility import is_eligibility_reason
from order_relay.orders.messages import UNREAD_PROBLEMS
from order_relay.orders.schema import malformed

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

All editions of such a source id are given. ``transform_fingerprint`` is the one under which its payload was last
made or rejected, "" if there was none.
"""

RESULT_COLUMNS: tuple[str, ...] = ("source_id", "action", "reason", "offer")
"""``offer`` is the row number (position) in the offers frame whose content and place count; -1 where the row is about
a known submission that was not offered now."""

TWO_IDS = "number_with_two_ids"
TWO_UUIDS = "id_with_two_uuids"
TWO_CONTENTS = "id_with_two_contents"
AFTER_IMPORT = "changed_after_import"
AFTER_DISCARD = "changed_after_discard"


class RedeliveryAction(StrEnum):
    """What the ledger does with an offer."""

    INSERT = "insert"  # unknown: a new submission, received
    REFRESH = "refresh"  # points to the newest batch, no move, no event
    REPLACE = "replace"  # received: the new content replaces the old, no move
    REJUDGE = "rejudge"  # new content and place, then to received (from ready via waiting)
    EVALUATE_IN_PLACE = "evaluate_in_place"  # points to the newest batch; validated without a change of state
    NOTHING = "nothing"
    REMEMBER = "remember"  # sending, in_doubt: the changed content is compared once settled
    ACKNOWLEDGE = "acknowledge"  # due (again) where the ledger's rules of acknowledging allow it
    HOLD_EDITION = "hold_edition"  # a second edition of the same source id, held
    REFRESH_REVIEW = "refresh_review"  # held: the new content replaces the old, the review is refreshed
    HOLD = "hold"  # insert or keep, and to held with the reason (offer -1: keep content and place)


UNSENT_STATES = ("received", "waiting", "ready", "superseded", "quarantined", "rejected")
"""States that a conflict turns to held: nothing of them is at the destination, and nobody decided about them."""

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
"""Orders in these states that cannot be read this time are compared once they can be read again."""
_SETTLED_STATES = ("imported", "superseded", "discarded", "held")  # their eligibility no longer matters
_REEVALUATED_STATES = ("ready", "rejected")  # same content, evaluated with an outdated mapping: evaluated again


def decide_redeliveries(offers: pd.DataFrame, known: pd.DataFrame, transform_fingerprint: str = "") -> pd.DataFrame:
    """One action for every offered source id, and for the known ones that a conflict draws in.

    ``offers`` has ``IDENTITY_COLUMNS``, ``known`` has ``KNOWN_COLUMNS``; ``transform_fingerprint`` is that of the
    mapping
    now in force. Returns ``RESULT_COLUMNS``. A source id offered several times counts once, by its last offer; of
    several editions known, the newest counts. Raises ``ValueError`` for a state that the table does not have.
    """
    unheard_of = set(known["state"]) - set(_ACTIONS)
    if unheard_of:
        raise ValueError(f"the redelivery table has no row for {sorted(unheard_of)}")
    if offers.empty:  # an empty frame has no types to join on
        return pd.DataFrame({name: pd.Series(dtype=object) for name in RESULT_COLUMNS})
    newest = known.sort_values("edition", kind="stable").drop_duplicates("source_id", keep="last").astype(object)
    once = _deduplicate(offers, newest)
    joined = once.merge(newest[list(KNOWN_COLUMNS)], on="source_id", how="left", suffixes=("", "_known"))
    joined["state"] = joined["state"].astype(object).where(joined["state"].notna(), "")
    decided = _apply_actions(joined, transform_fingerprint)
    unread = set(
        joined.loc[_without_content(joined), "source_id"]
    )  # nothing is known about them, so no contradiction either
    conflicts = _conflicts(offers[~offers["source_id"].isin(unread)], joined[~joined["source_id"].isin(unread)], newest)
    held = decided["state"].isin(("", *UNSENT_STATES)) & decided["source_id"].isin(conflicts.index)
    decided.loc[held, "action"] = RedeliveryAction.HOLD.value
    apart = held | (
        (decided["action"] == RedeliveryAction.HOLD_EDITION.value) & decided["source_id"].isin(conflicts.index)
    )
    decided.loc[apart, "reason"] = decided.loc[apart, "source_id"].map(conflicts)
    drawn_in = newest[
        newest["source_id"].isin(conflicts.index)
        & ~newest["source_id"].isin(once["source_id"])
        & newest["state"].isin(UNSENT_STATES)
    ]
    extra = pd.DataFrame(
        {
            "source_id": drawn_in["source_id"],
            "action": RedeliveryAction.HOLD.value,
            "reason": drawn_in["source_id"].map(conflicts),
            "offer": -1,
        }
    )
    result = pd.concat([decided[list(RESULT_COLUMNS)], extra], ignore_index=True) if len(extra) else decided
    return result[list(RESULT_COLUMNS)].reset_index(drop=True)


def _deduplicate(offers: pd.DataFrame, newest: pd.DataFrame) -> pd.DataFrame:
    """Each source id once, with its position in ``offer``: by its last offer, changed content before known content."""
    columns = ["source_id", "lineage", "order_number", "content_hash", "problem"]
    before = offers["source_id"].map(newest.set_index("source_id")["content_hash"])
    frame = offers[columns].assign(offer=range(len(offers)), changed=(offers["content_hash"] != before).astype(int))
    place = [name for name in POSITION_COLUMNS if name in offers.columns]
    frame[place] = offers[place]
    frame = frame.sort_values(["changed", *(place or ["content_hash"])], kind="stable")
    return frame.drop_duplicates("source_id", keep="last").sort_values("offer")[[*columns, "offer"]]


def _apply_actions(joined: pd.DataFrame, transform_fingerprint: str) -> pd.DataFrame:
    """The table of ledger.md, row by row, as masks."""
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
    # what waits for a change at its source is evaluated in place: no event while nothing changes
    action[same & (joined["state"] == "waiting") & joined["reason"].map(is_eligibility_reason)] = (
        RedeliveryAction.EVALUATE_IN_PLACE.value
    )
    # ended as repaired, and yet its source still offers it: what ended it was no replacement of it
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
    """Known orders that could not be read this time: they stay as they are."""
    return (joined["state"] != "") & joined["problem"].isin(UNREAD_PROBLEMS)


def _conflicts(offers: pd.DataFrame, joined: pd.DataFrame, newest: pd.DataFrame) -> pd.Series:
    """Source ids that are in conflict with themselves or with another, and the reason; at most one reason each.

    A conflict between offer and ledger is raised when it comes to light, that is when one of its parties is new or
    has changed in that field; after that, the decision of the operator is kept.
    """
    contents = offers.groupby("source_id")["content_hash"].nunique()
    two_contents = contents.index[contents > 1]

    uuids = offers.groupby("source_id")["lineage"].nunique()
    changed = joined[(joined["state"] != "") & (joined["content_hash"] != joined["content_hash_known"])]
    before = changed["lineage_known"].map(source_lineage)
    identified = (before != changed["source_id"]) & before.map(usable_lineage).astype(bool)  # else it had no uuid
    moved = (before != changed["lineage"]) & identified
    two_uuids = uuids.index[uuids > 1].union(pd.Index(changed.loc[moved, "source_id"]))

    news = joined[(joined["state"] == "") | (joined["order_number"] != joined["order_number_known"])]
    pairs = pd.concat([offers[["source_id", "order_number"]], newest[["source_id", "order_number"]]])
    pairs = pairs[pairs["order_number"].fillna("") != ""].drop_duplicates()
    ids = pairs.groupby("order_number")["source_id"].nunique()
    shared = ids.index[ids > 1].intersection(pd.Index(news["order_number"]))
    two_ids = pairs.loc[pairs["order_number"].isin(shared), "source_id"].unique()

    reasons = dict.fromkeys(two_ids, TWO_IDS) | dict.fromkeys(two_uuids, TWO_UUIDS)
    return pd.Series(reasons | dict.fromkeys(two_contents, TWO_CONTENTS), dtype=object)
