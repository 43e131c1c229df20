"""A kill at a crossing, within the test's own process: quick, where a file or a database is all that must survive."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from order_relay import failpoints


class Killed(BaseException):
    """Stands for a kill."""


def killed_at(place: int, work: Callable[[], object]) -> bool:
    """Run ``work`` and kill it at its crossing number ``place``, from 0; false where it came through before."""
    passed = itertools.count()

    def kill(_: str) -> None:
        if next(passed) == place:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failpoints, "hook", kill)
        try:
            work()
        except Killed:
            return True
    return False
