"""Near matches of a mistyped name, for messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MOST = 3


def near_matches(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'x' or 'y'?``, or an empty text where nothing known is near."""
    names = list(dict.fromkeys(known))
    last = {full: full.rpartition(".")[2] for full in names}
    found = get_close_matches(name, names, n=MOST, cutoff=0.7)
    # The same member below another object: a path that forgot or mistook the object around it.
    own = name.rpartition(".")[2]
    found += [full for full in names if full not in found and last[full] == own]
    shown = " or ".join(repr(full) for full in found[:MOST])
    return f"; did you mean {shown}?" if shown else ""
