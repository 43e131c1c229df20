"""What the engine measures in this process for metrics, until ``take`` returns it and it starts again at zero.

The engine runs without Airflow, so it keeps numbers only; the task that runs it sends them.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

MOST_PAUSES = 10_000


@dataclass(slots=True)
class Throttling:
    """How a vendor slowed requests down.

    ``answers``: its throttling answers, by whether they said how long to wait. ``pauses_s``: the pauses, in seconds.
    """

    answers: Counter[bool] = field(default_factory=Counter)
    pauses_s: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_PAUSES))


@dataclass(slots=True)
class Measurements:
    """``throttling`` by the vendor's name; ``attempts`` to send an order, by their outcome; ``lookups`` of single
    orders at the destination, by finding; ``leases_expired``: orders left ``sending`` by a worker that died."""

    throttling: dict[str, Throttling] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    lookups: Counter[str] = field(default_factory=Counter)
    leases_expired: int = 0


_lock = threading.Lock()
_present = Measurements()


def throttled(vendor: str, *, with_time: bool) -> None:
    """Count an answer that asks to slow down."""
    with _lock:
        _present.throttling.setdefault(vendor, Throttling()).answers[with_time] += 1


def paused(vendor: str, seconds: float) -> None:
    """Count a pause, or what was added to one; requests that report the same throttling add nothing."""
    if seconds > 0:
        with _lock:
            _present.throttling.setdefault(vendor, Throttling()).pauses_s.append(seconds)


def attempted(outcome: str) -> None:
    """Count an attempt to send an order."""
    with _lock:
        _present.attempts[outcome] += 1


def looked_up(findings: Iterable[str]) -> None:
    """Count lookups of single orders."""
    with _lock:
        _present.lookups.update(findings)


def leases_expired(number: int) -> None:
    """Count orders whose lease expired."""
    with _lock:
        _present.leases_expired += number


def take() -> Measurements:
    """What was measured since the last call."""
    global _present
    with _lock:
        taken, _present = _present, Measurements()
    return taken
