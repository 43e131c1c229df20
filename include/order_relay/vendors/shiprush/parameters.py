"""The parameters of a request by name in lower case, because ShipRush's use of case is not documented.

A parameter may be repeated. Its first value that is not blank counts; different ones are kept for the caller to
interpret, so that none is dropped silently.
"""

from __future__ import annotations

from collections.abc import Iterable


class Parameters(dict[str, str]):
    """The first value of each parameter that is not blank. ``several``: all values, if they differ."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__()
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            known = values.setdefault(name.strip().lower(), [])
            if value.strip() and value.strip() not in known:
                known.append(value.strip())
        self.update({name: known[0] for name, known in values.items() if known})
        self.several = {name: tuple(known) for name, known in values.items() if len(known) > 1}
