"""The case of a review, passed from the run that finds it to the run that asks about it. Light: no engine."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

CONF_KEY = "review"
"""Key in a run's configuration that holds its case."""

HELD, DOUBT, SHOP_CANCELLED = "held", "doubt", "cancelled"

CANCELLED, NOT_CANCELLED = "the old order is cancelled in the OMS", "it is not: decide nothing"
"""The answers of the confirmation before an order is replaced."""

_UNSAFE_CHARACTERS = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class ReviewTask:
    """One case. ``number``: the order, or the newest one of a group. ``shown``: the submissions, as ``id/revision``
    (held, cancelled) or ``id/attempt`` (in doubt). ``choices``: the answers that apply to a held group. If any of these
    changes it is another case, to which answers about this one do not apply.
    """

    kind: str
    pipeline: str
    number: str
    shown: tuple[str, ...]
    choices: tuple[str, ...] = ()

    @property
    def seen(self) -> dict[int, int]:
        """The revision or attempt shown, by submission id."""
        return {int(number): int(what) for number, _, what in (part.partition("/") for part in self.shown)}

    @property
    def stem(self) -> str:
        """Common prefix of the ids of all runs about this case."""
        parts = (self.kind, self.pipeline, self.number, *self.shown, *self.choices)
        digest = hashlib.sha256("|".join(parts).encode()).hexdigest()
        return f"{self.kind}__{_UNSAFE_CHARACTERS.sub('-', self.number)[:60]}__{digest[:12]}"

    def conf(self) -> dict[str, Any]:
        """As a run's configuration, in plain values."""
        return {CONF_KEY: {**asdict(self), "shown": list(self.shown), "choices": list(self.choices)}}

    @classmethod
    def of(cls, context: Context | Mapping[str, Any]) -> ReviewTask | None:
        """The case of a run; ``None`` if it was not opened for one."""
        found = (context["dag_run"].conf or {}).get(CONF_KEY)
        if not isinstance(found, Mapping):
            return None
        return cls(
            kind=str(found["kind"]),
            pipeline=str(found["pipeline"]),
            number=str(found["number"]),
            shown=tuple(str(part) for part in found["shown"]),
            choices=tuple(str(part) for part in found.get("choices", ())),
        )
