"""Crossings: the points at which something leaves this process for good, such as a commit, an object, or a request.

Every durable write and every HTTP call of a run passes one. In production nobody listens and a crossing costs a
comparison. The fault suite sets ``hook``, writes down which crossings a run has, and kills the process at each one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator

hook: Callable[[str], None] | None = None
"""Called with ``before NAME`` and ``after NAME``, in whichever thread gets there. For tests only."""


class failpoint(ContextDecorator):
    """``with``, ``async with``, or a decorator, around one durable effect. ``after`` is told however it ended."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        if hook is not None:
            hook(f"before {self._name}")

    def __exit__(self, *_: object) -> None:
        if hook is not None:
            hook(f"after {self._name}")

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()
