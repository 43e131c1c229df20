"""A simulated kill at a failpoint inside the test process: fast, if only files or databases must survive."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from order_relay import failpoints


class Killed(BaseException):
    """Stands for a kill."""


def killed_at(place: int, work: Callable[[], object]) -> bool:
    """Run ``work`` and kill it at failpoint call ``place``, from 0. Returns whether it got that far."""
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
