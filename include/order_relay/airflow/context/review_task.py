"""A case: what one review is about. Handed from the run that finds it to the run that asks; light, no engine."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

CONF_KEY = "review"
"""The key in a run's configuration that makes it a review."""

HELD, DOUBT = "held", "doubt"

CANCELLED, NOT_CANCELLED = "the old order is cancelled in the OMS", "it is not: decide nothing"
"""The answers to the question that is asked before an order is replaced."""

_UNSAFE_CHARACTERS = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class ReviewTask:
    """``number``: the order, or the newest one of a group. ``shown``: the submissions and their revisions, as
    ``id/revision`` (held) or ``id/attempt`` (in doubt). ``choices``: the answers that make sense for a held group. A
    case in which any of these differ is another case: no answer about this one counts for it.
    """

    kind: str
    pipeline: str
    number: str
    shown: tuple[str, ...]
    choices: tuple[str, ...] = ()

    @property
    def seen(self) -> dict[int, int]:
        """The submissions, with the revision or attempt that is shown."""
        return {int(number): int(what) for number, _, what in (part.partition("/") for part in self.shown)}

    @property
    def stem(self) -> str:
        """What the ids of all runs about this case begin with: the same for each run that finds it."""
        parts = (self.kind, self.pipeline, self.number, *self.shown, *self.choices)
        digest = hashlib.sha256("|".join(parts).encode()).hexdigest()
        return f"{self.kind}__{_UNSAFE_CHARACTERS.sub('-', self.number)[:60]}__{digest[:12]}"

    def conf(self) -> dict[str, Any]:
        """As a run's configuration; plain values."""
        return {CONF_KEY: {**asdict(self), "shown": list(self.shown), "choices": list(self.choices)}}

    @classmethod
    def of(cls, context: Context | Mapping[str, Any]) -> ReviewTask | None:
        """The case of this run; ``None`` where the run is no review."""
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
