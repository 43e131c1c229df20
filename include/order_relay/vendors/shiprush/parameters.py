"""The parameters of a request, by name in lower case: whether ShipRush minds capitals is unknown.

A parameter may be given more than once. The first value that is not blank counts, and further different ones are kept:
what they mean is for the reader to say, so that none is dropped silently.
"""

from __future__ import annotations

from collections.abc import Iterable


class Parameters(dict[str, str]):
    """The first value of each parameter that is not blank. ``several``: all values of those with different ones."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__()
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            known = values.setdefault(name.strip().lower(), [])
            if value.strip() and value.strip() not in known:
                known.append(value.strip())
        self.update({name: known[0] for name, known in values.items() if known})
        self.several = {name: tuple(known) for name, known in values.items() if len(known) > 1}
