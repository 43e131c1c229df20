"""How often Python looks for reference cycles while a run is in progress."""

from __future__ import annotations

import gc

THRESHOLD = 20_000
"""New objects before a collection. A run makes millions of objects, hardly any of them in cycles; at Python's default
of 700 the search for cycles took an eighth of a run's CPU time. Peak memory stays the same."""


def collect_rarely() -> None:
    """Let this process collect cycles rarely from now on; a process that collects even less often is left as it is."""
    young, *older = gc.get_threshold()
    if 0 < young < THRESHOLD:
        gc.set_threshold(THRESHOLD, *older)
