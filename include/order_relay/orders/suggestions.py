"""Near matches of a mistyped name, for messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MAX_SUGGESTIONS = 3


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'x' or 'y'?``, or an empty text without near matches."""
    names = list(dict.fromkeys(known))
    last = {full: full.rpartition(".")[2] for full in names}
    found = get_close_matches(name, names, n=MAX_SUGGESTIONS, cutoff=0.7)
    # The same member in another object: the path may lack the object or name a wrong one.
    own = name.rpartition(".")[2]
    found += [full for full in names if full not in found and last[full] == own]
    shown = " or ".join(repr(full) for full in found[:MAX_SUGGESTIONS])
    return f"; did you mean {shown}?" if shown else ""


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: near matches, else the first available names."""
    names = sorted(set(known))
    close = get_close_matches(word, names, n=3, cutoff=0.5) or [n for n in names if word and word in n][:3]
    if close:
        return f"did you mean {' or '.join(close)}?"
    if not names:
        return "there are none yet"
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"available: {', '.join(names[:8])}{more}"
