"""What ``doctor`` finds: one line each, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from order_relay.errors import OrderRelayError


class Level(StrEnum):
    """How bad it is: only ``fail`` would fail a run. ``skip``: not checked, since something before it failed."""

    OK = "ok"
    SKIP = "skip"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor. ``advice`` says what to do; no part of it shows a credential or a customer's data."""

    level: Level
    check: str
    found: str
    advice: str = ""


def ok(check: str, found: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, check, found)


def warn(check: str, found: str, advice: str) -> Finding:
    """Runs go on, but somebody should know."""
    return Finding(Level.WARN, check, found, advice)


def fail(check: str, found: str, advice: str) -> Finding:
    """A run would fail."""
    return Finding(Level.FAIL, check, found, advice)


def guarded(check: str, advice: str, examine: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of ``examine``; an error of the package becomes a finding too, and the doctor goes on."""
    try:
        yield from examine()
    except OrderRelayError as error:
        yield fail(check, str(error), advice)
