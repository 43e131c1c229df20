"""Whether versions that share a uuid are versions of one order.

Superseding is final: the superseded number is acknowledged and its order is never sent. A shared uuid alone is not
sufficient evidence. Versions contradict each other if both have a base order number, a customer number or a customer PO
and the two differ. Case, white space and the way a whole number is written (``1044`` or ``1044.0``) make no difference.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

IDENTITY_SIGNALS: Mapping[str, str] = MappingProxyType(
    {"base_number": "base order number", "customer_number": "customer number", "customer_po": "customer PO"}
)
"""Columns of a version that must not differ within one order, and their names for operators."""

TEXT, UUID = "text", "uuid"
LINEAGE_FORMATS = (TEXT, UUID)
"""Forms of the value that versions share. ``uuid``: 32 hexadecimal digits, with or without dashes and braces."""

_UUID = re.compile(r"(?:URN:UUID:)?\{?([0-9A-F]{8})-?([0-9A-F]{4})-?([0-9A-F]{4})-?([0-9A-F]{4})-?([0-9A-F]{12})\}?")
_PLACEHOLDERS = frozenset({"NULL", "NONE", "NIL", "NAN", "NA", "N/A", "UNDEFINED", "UNKNOWN", "0", "-"})
_MIN_PLACEHOLDER_LENGTH = 8  # minimum length of a text of one repeated character to count as a placeholder
_INTEGER_AS_FLOAT = re.compile(r"([+-]?[0-9]+)\.0+", re.ASCII)


def usable_lineage(text: str, form: str = TEXT) -> str:
    """The lineage that a text names, in one spelling; empty if it identifies nothing.

    Unusable are placeholders, texts of one repeated character such as the nil or max uuid, and, if the source sends
    uuids, any value that is not a uuid.
    """
    word = text.strip().upper()
    if form == UUID:
        match = _UUID.fullmatch(word)
        word = "-".join(match.groups()) if match else ""
    characters = [c for c in word if c.isalnum()]
    repeated = len(characters) >= _MIN_PLACEHOLDER_LENGTH and len(set(characters)) == 1
    return "" if not characters or repeated or word in _PLACEHOLDERS else word


@lru_cache(maxsize=4096)
def normalize_text(text: str) -> str:
    """A number or name in the normalized spelling in which versions are compared."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(c for c in folded if not c.isspace() and unicodedata.category(c) not in ("Cc", "Cf"))
    kept = unicodedata.normalize("NFKC", kept)
    match = _INTEGER_AS_FLOAT.fullmatch(kept)
    return match[1] if match else kept


def conflicting_columns(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The columns of ``IDENTITY_SIGNALS`` in which these versions contradict each other."""
    versions = list(rows)
    conflicts = []
    for column in IDENTITY_SIGNALS:
        given = {normalize_text(str(version[column] or "")) for version in versions} - {""}
        if len(given) > 1:
            conflicts.append(column)
    return tuple(conflicts)


def common_share(one: Iterable[str], other: Iterable[str]) -> float:
    """Number of common items divided by the size of the smaller set; -1 if either set is empty."""
    first, second = set(one), set(other)
    smaller = min(len(first), len(second))
    return len(first & second) / smaller if smaller else -1.0


def describe_columns(columns: Iterable[str]) -> str:
    """Names of columns for a sentence: ``customer number and customer PO``."""
    names = [IDENTITY_SIGNALS[column] for column in columns]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
