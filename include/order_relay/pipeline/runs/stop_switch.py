"""The stop switch: parses the Variable ``order_relay_stop``. Fails closed: an unknown value stops everything.

A switch set in a hurry is easily mistyped. A typo may cost a pause but never lets an order out.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

VARIABLE = "order_relay_stop"

RESUME_WORDS = frozenset({"false", "f", "no", "n", "off", "0", "none", "null"})
STOP_WORDS = frozenset({"true", "t", "yes", "y", "on", "1", "all", "*", "any", "everything", "stop", "stopped", "halt"})

_BETWEEN_NAMES = re.compile(r"[\s,;]+")
_LONGEST_QUOTE = 80


@dataclass(frozen=True)
class StopSwitch:
    """Which pipelines must not send. ``problem``: why everything is stopped without a clear request;
    ``unreadable``: the Variable could not be read."""

    everything: bool = False
    pipelines: frozenset[str] = frozenset()
    problem: str = ""
    unreadable: bool = False

    def stops(self, pipeline: str) -> bool:
        """Whether this pipeline must not send."""
        return self.everything or pipeline in self.pipelines


def read_switch(text: str, known: Collection[str]) -> StopSwitch:
    """Parse a value of the Variable; ``known``: the names of the pipelines.

    Empty, or a word for false: nothing is stopped. A word for true: everything. Names of known pipelines, separated by
    commas or spaces: these. Anything else: everything, with a ``problem``.
    """
    if not text.strip():
        return StopSwitch()
    words = [word for word in _BETWEEN_NAMES.split(text) if word]
    plain = {word.lower() for word in words}
    if plain and plain <= RESUME_WORDS:
        return StopSwitch()
    if plain & STOP_WORDS and plain <= STOP_WORDS | {name.lower() for name in known}:
        return StopSwitch(everything=True)
    names = frozenset(words)
    if names and names <= frozenset(known):
        return StopSwitch(pipelines=names)
    return _all_stopped(f"its value {_quoted(text)} is {_wrong_with(names, known)}", known)


def stop_value(switch: StopSwitch, pipeline: str | None) -> str:
    """The value that stops a pipeline (``None``: everything) as well; whatever is stopped stays stopped."""
    if pipeline is None or switch.everything:
        return "true"
    return " ".join(sorted({*switch.pipelines, pipeline}))


def resume_value(switch: StopSwitch, pipeline: str | None, known: Collection[str]) -> str:
    """The value that resumes a pipeline (``None``: everything); the others that are stopped stay so."""
    stopped = set(known) if switch.everything else set(switch.pipelines)
    return "false" if pipeline is None else " ".join(sorted(stopped - {pipeline})) or "false"


def unreadable_switch(why: str, known: Collection[str]) -> StopSwitch:
    """The switch if its value could not be read."""
    return _all_stopped(f"it could not be read ({why})", known, unreadable=True)


def _all_stopped(why: str, known: Collection[str], *, unreadable: bool = False) -> StopSwitch:
    names = ", ".join(sorted(known)) or "none"
    problem = (
        f"Variable {VARIABLE}: {why}. To be safe, sending is stopped for all pipelines. Set it to 'false' to resume, "
        f"to 'true' to stop everything, or to names of pipelines. Known pipelines: {names}"
    )
    return StopSwitch(everything=True, problem=problem, unreadable=unreadable)


def _wrong_with(names: frozenset[str], known: Collection[str]) -> str:
    unknown = sorted(name for name in names if name not in known and name.lower() not in RESUME_WORDS | STOP_WORDS)
    if not names or len(names) == len(unknown):
        return "neither true, nor false, nor the name of a known pipeline"
    if unknown:
        return f"not understood: {', '.join(map(_quoted, unknown))} is not a known pipeline"
    return "contradictory: it means both stop and resume"


def _quoted(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= _LONGEST_QUOTE else f"{shown[:_LONGEST_QUOTE]}..."
