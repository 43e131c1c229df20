"""The states of a submission, and the only table of transitions between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType

from order_relay.errors import IllegalTransitionError


class State(StrEnum):
    """The state of a submission."""

    RECEIVED = "received"  # stored, not validated yet
    WAITING = "waiting"  # not validated before a condition is met
    READY = "ready"  # payload made and valid; may be sent
    SENDING = "sending"  # the intent is committed; a request may be under way
    IN_DOUBT = "in_doubt"  # the destination may have stored it
    IMPORTED = "imported"  # the destination has it; its OMS id is known
    SUPERSEDED = "superseded"  # a newer version of the lineage takes its place
    QUARANTINED = "quarantined"  # validation refused it
    REJECTED = "rejected"  # the destination refused it and stored nothing
    HELD = "held"  # an operator must decide
    DISCARDED = "discarded"  # an operator or a policy decided that it is never sent


S = State

INITIAL = frozenset({S.RECEIVED, S.HELD})
"""Initial states; ``held`` is for further editions and for conflicting identities."""

TRANSITIONS: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        S.RECEIVED: frozenset({S.READY, S.WAITING, S.SUPERSEDED, S.QUARANTINED, S.HELD, S.DISCARDED}),
        S.WAITING: frozenset({S.RECEIVED}),
        S.READY: frozenset({S.SENDING, S.SUPERSEDED, S.HELD, S.WAITING, S.QUARANTINED}),
        S.SENDING: frozenset({S.IMPORTED, S.IN_DOUBT, S.REJECTED, S.READY}),
        S.IN_DOUBT: frozenset({S.IMPORTED, S.REJECTED, S.READY, S.SENDING}),  # sending: idempotent destinations only
        S.IMPORTED: frozenset(),
        S.SUPERSEDED: frozenset({S.RECEIVED}),
        S.QUARANTINED: frozenset({S.RECEIVED, S.DISCARDED, S.SUPERSEDED}),
        S.REJECTED: frozenset({S.RECEIVED, S.DISCARDED, S.SUPERSEDED}),
        S.HELD: frozenset({S.RECEIVED, S.DISCARDED}),
        S.DISCARDED: frozenset(),
    }
)

AT_DESTINATION = (S.SENDING, S.IN_DOUBT, S.IMPORTED)
"""Only one submission per lineage may be in these states; a partial unique index enforces it."""

SETTLED = (S.IMPORTED, S.SUPERSEDED, S.DISCARDED)
"""These need nothing but their acknowledgement, if the acknowledgement rules allow it."""

OPEN = tuple(state for state in State if state not in SETTLED)

_INTERMEDIATE = (S.WAITING, S.RECEIVED)


@lru_cache(maxsize=256)
def path(origin: State, target: State) -> tuple[State, ...]:
    """The states from ``origin`` to ``target``, the target last; each step is in ``TRANSITIONS``.

    Without a direct transition, the path may pass ``waiting`` and ``received``, which only mean "to be validated": a
    ready order whose content changed passes waiting on its way to received. Every step gets its event.
    Raises ``IllegalTransitionError`` if there is no such path.
    """
    paths: list[tuple[State, ...]] = [(origin,)]
    while paths:
        longer: list[tuple[State, ...]] = []
        for states in paths:
            if target in TRANSITIONS[states[-1]]:
                return (*states[1:], target)
            longer += [(*states, s) for s in _INTERMEDIATE if s in TRANSITIONS[states[-1]] and s not in states]
        paths = longer
    raise IllegalTransitionError(f"a submission cannot change from {origin} to {target}")


def validate_path(states: tuple[State, ...]) -> None:
    """Raise ``IllegalTransitionError`` unless every step of ``states`` is in ``TRANSITIONS``."""
    for origin, target in pairwise(states):
        if target not in TRANSITIONS[origin]:
            raise IllegalTransitionError(f"a submission cannot change from {origin} to {target}")
