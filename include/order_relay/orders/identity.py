"""Who an order is: the few columns by which offers are told apart, without their content."""

from __future__ import annotations

OFFER_COLUMNS: tuple[str, ...] = (
    "source_id",      # str: the source's id of this submission; "sha256:<hash>" where there is none to use
    "lineage",        # str: the uuid in upper case, or the source id where there is none
    "order_number",   # str: exactly as received, never cut or normalised; "" where there is none
    "version",        # int: orders the versions of a lineage, the highest is the newest
    "suffix",         # int | None: the version suffix of the order number
    "base_number",    # str: the order number without that suffix
    "items",          # tuple[str, ...]: item numbers, sorted, each once
    "customer_po",    # str
    "content_hash",   # str: sha256 over the whole document
    "problem",        # str: a refusal code found while reading or identifying, or ""
)
"""What ``identify`` gives for each offered order. The offers frame of a batch has these, ``part`` and ``row``."""

PLACE_COLUMNS: tuple[str, ...] = ("part", "row")
"""Where the raw order lies in its batch: number of the part, line within the part; both from 0."""

SEPARATE_MARK = "//"


def separate_lineage(lineage: str, source_id: str) -> str:
    """The lineage of a submission that is an order of its own although it came under another order's uuid."""
    return f"{offered_lineage(lineage)}{SEPARATE_MARK}{source_id}"


def offered_lineage(lineage: str) -> str:
    """The lineage under which the source offered it, whatever was decided since."""
    return lineage.partition(SEPARATE_MARK)[0]
