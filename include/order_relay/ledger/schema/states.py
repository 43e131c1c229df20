"""The states of a submission and the one table of moves between them. No other module says what may follow what."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType

from order_relay.errors import IllegalTransitionError


class State(StrEnum):
    """What is known about a submission."""

    RECEIVED = "received"  # stored, not judged yet
    WAITING = "waiting"  # not to be judged before something happens
    READY = "ready"  # payload made and valid; may be sent
    SENDING = "sending"  # the intent is committed; a request may be under way
    IN_DOUBT = "in_doubt"  # nobody knows whether the destination stored it
    IMPORTED = "imported"  # the destination has it; its id there is known
    SUPERSEDED = "superseded"  # a newer version of the lineage takes its place
    QUARANTINED = "quarantined"  # our own checks refused it
    REJECTED = "rejected"  # the destination refused it, nothing was stored
    HELD = "held"  # a person must decide
    DISCARDED = "discarded"  # a person or a policy decided that it is never sent


S = State

INITIAL = frozenset({S.RECEIVED, S.HELD})
"""Where a submission may begin: ``held`` is for a second edition and for conflicting identities."""

TRANSITIONS: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        S.RECEIVED: frozenset({S.READY, S.WAITING, S.SUPERSEDED, S.QUARANTINED, S.HELD, S.DISCARDED}),
        S.WAITING: frozenset({S.RECEIVED}),
        S.READY: frozenset({S.SENDING, S.SUPERSEDED, S.HELD, S.WAITING, S.QUARANTINED}),
        S.SENDING: frozenset({S.IMPORTED, S.IN_DOUBT, S.REJECTED, S.READY}),
        S.IN_DOUBT: frozenset({S.IMPORTED, S.REJECTED, S.READY}),
        S.IMPORTED: frozenset(),
        S.SUPERSEDED: frozenset({S.RECEIVED}),
        S.QUARANTINED: frozenset({S.RECEIVED, S.DISCARDED, S.SUPERSEDED}),
        S.REJECTED: frozenset({S.RECEIVED, S.DISCARDED, S.SUPERSEDED}),
        S.HELD: frozenset({S.RECEIVED, S.DISCARDED}),
        S.DISCARDED: frozenset(),
    }
)

AT_DESTINATION = (S.SENDING, S.IN_DOUBT, S.IMPORTED)
"""One submission per lineage may be in these: a partial unique index says so."""

SETTLED = (S.IMPORTED, S.SUPERSEDED, S.DISCARDED)
"""Nothing more is to be done for these but to acknowledge them, where the rules of acknowledging allow it."""

OPEN = tuple(state for state in State if state not in SETTLED)

_INTERMEDIATE = (S.WAITING, S.RECEIVED)


@lru_cache(maxsize=256)
def path(origin: State, target: State) -> tuple[State, ...]:
    """The states to pass from ``origin`` to ``target``, the target last; each step is in ``TRANSITIONS``.

    Where no direct move exists, the way may lead through ``waiting`` and ``received``, which mean nothing but "to be
    judged": a ready order whose content changed goes ready, waiting, received. Every step gets its event.
    Raises ``IllegalTransitionError`` where there is no such way.
    """
    ways: list[tuple[State, ...]] = [(origin,)]
    while ways:
        longer: list[tuple[State, ...]] = []
        for states in ways:
            if target in TRANSITIONS[states[-1]]:
                return (*states[1:], target)
            longer += [(*states, s) for s in _INTERMEDIATE if s in TRANSITIONS[states[-1]] and s not in states]
        ways = longer
    raise IllegalTransitionError(f"no move from {origin} to {target}")


def validate_path(states: tuple[State, ...]) -> None:
    """Raise ``IllegalTransitionError`` unless every step of ``way`` is in ``TRANSITIONS``."""
    for origin, target in pairwise(states):
        if target not in TRANSITIONS[origin]:
            raise IllegalTransitionError(f"no move from {origin} to {target}")
