"""Resolving the versions of a lineage (ledger.md, the table of that name)."""

from __future__ import annotations

from enum import StrEnum

import pandas as pd

from order_relay.orders.exchange import Policies

VERSION_COLUMNS: tuple[str, ...] = (
    "id",        # int: the submission
    "lineage",   # str
    "source_id", # str
    "version",   # int
    "edition",   # int
    "suffix",    # int | None
    "items",     # tuple[str, ...]
    "state",     # str
    "reason",    # str: why it is in that state
    "decided",   # bool: a person let it go (replacement, separate); the rows of the table that ask a person are passed over
)
"""All submissions that the ledger ever saw of the lineages to resolve, whatever their state."""

RESULT_COLUMNS: tuple[str, ...] = ("id", "decision", "reason", "lineage")
"""One row for every unsent version: received, waiting, ready, superseded. ``lineage`` is the lineage that it belongs to
from now on (differs from the old one only beside ``new_lineage``)."""


class Decision(StrEnum):
    """What becomes of a version."""

    WINNER = "winner"            # goes on: received, or stays ready
    SUPERSEDED = "superseded"
    HELD = "held"
    WAITING = "waiting"
    DISCARDED = "discarded"
    NEW_LINEAGE = "new_lineage"  # gets the lineage named in ``lineage`` and goes on as its winner


def resolve(versions: pd.DataFrame, policies: Policies) -> pd.DataFrame:
    """One decision for every unsent version."""
    raise NotImplementedError
