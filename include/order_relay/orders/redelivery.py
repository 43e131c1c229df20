"""When the source offers something again: which action each offer gets (ledger.md, the table of that name)."""

from __future__ import annotations

from enum import StrEnum

import pandas as pd

KNOWN_COLUMNS: tuple[str, ...] = (
    "source_id", "edition", "state", "content_hash", "lineage", "order_number", "transform_fingerprint", "reason",
)
"""What the ledger tells of the submissions that share a source id **or an order number** with an offer.

All editions of such a source id are given. ``transform_fingerprint`` is the one under which its payload was last
made or refused, "" where there was none.
"""

RESULT_COLUMNS: tuple[str, ...] = ("source_id", "action", "reason", "offer")
"""``offer`` is the row number (position) in the offers frame whose content and place count; -1 where the row is about
a known submission that was not offered now."""


class Action(StrEnum):
    """What the ledger does with an offer."""

    INSERT = "insert"                  # unknown: a new submission, received
    REFRESH = "refresh"                # points to the newest batch, no move, no event
    REPLACE = "replace"                # received: the new content replaces the old, no move
    REJUDGE = "rejudge"                # new content and place, then to received (from ready via waiting)
    JUDGE_IN_PLACE = "judge_in_place"  # quarantined: points to the newest batch; validate judges it where it is
    NOTHING = "nothing"
    REMEMBER = "remember"              # sending, in_doubt: the changed content is compared once settled
    ACKNOWLEDGE = "acknowledge"        # due (again) where the ledger's rules of acknowledging allow it
    HOLD_EDITION = "hold_edition"      # a second edition of the same source id, held
    REFRESH_REVIEW = "refresh_review"  # held: the new content replaces the old, the review is refreshed
    HOLD = "hold"                      # insert or keep, and to held with the reason (offer -1: keep content and place)


def decide(offers: pd.DataFrame, known: pd.DataFrame, transform_fingerprint: str = "") -> pd.DataFrame:
    """One action for every offered source id (and for known ones that a conflict draws in)."""
    raise NotImplementedError
