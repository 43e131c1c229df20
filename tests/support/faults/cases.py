"""The pairs of source and destination that the fault suites run on. A new pair is one more; no test changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from tests.support.faults import cloudsuite_case, supercat_case
from tests.support.faults.case import Case

T = TypeVar("T")

CASES = [supercat_case.CASE, cloudsuite_case.CASE]


def named(name: str) -> Case:
    """The case of this name."""
    return next(case for case in CASES if case.name == name)


def share(case: Case, trials: Sequence[T]) -> list[T]:
    """What the short profile tries of ``trials`` that are about the engine: all with the first case, some with others.

    The long profile tries all with each.
    """
    return list(trials if case is CASES[0] else trials[::5])
