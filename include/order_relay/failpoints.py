"""Failpoints: named places where an effect becomes durable, such as a commit, a stored object, or an HTTP request.

Every durable write and every HTTP call of a run passes a failpoint. In production ``hook`` is ``None`` and a failpoint
costs one comparison. The fault suite sets ``hook``, records the failpoints of a run, and kills the process at each one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator

hook: Callable[[str], None] | None = None
"""Called with ``before NAME`` and ``after NAME`` in the thread that passes the failpoint. For tests only."""


class failpoint(ContextDecorator):
    """Wraps one durable effect: use with ``with``, ``async with``, or as a decorator.

    ``after`` is also reported if the effect raised.
    """

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
