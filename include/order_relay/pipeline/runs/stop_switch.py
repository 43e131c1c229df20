"""What the Variable ``order_relay_stop`` says. Pure; fails closed: a value that nobody understands stops everything.

A switch that is pulled in a hurry is easily mistyped. A mistake may cost a pause, and never lets an order out.
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
    """Which pipelines may not send. ``problem`` says why everything is stopped although nobody clearly asked for it;
    ``unreadable``: the value could not even be read."""

    everything: bool = False
    pipelines: frozenset[str] = frozenset()
    problem: str = ""
    unreadable: bool = False

    def stops(self, pipeline: str) -> bool:
        """Whether this pipeline may not send now."""
        return self.everything or pipeline in self.pipelines


def read_switch(text: str, known: Collection[str]) -> StopSwitch:
    """The switch for a value of the Variable; ``known`` are the names of the pipelines.

    Nothing, or a false word: nothing is stopped. A true word: everything. Names of known pipelines, with commas or
    spaces between them: these. Whatever else: everything, with a ``problem``.
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


def unreadable_switch(why: str, known: Collection[str]) -> StopSwitch:
    """The switch where its value could not be read."""
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
    return "contradictory: it says both to stop and to go on"


def _quoted(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= _LONGEST_QUOTE else f"{shown[:_LONGEST_QUOTE]}..."
