"""Slices are loaded in a thread while the next ones are read and transformed in the caller's."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType

log = logging.getLogger(__name__)

RENEW_EVERY_S = 30.0
"""How often ``keep`` of ``BackgroundLoad.wait`` is called."""


class BackgroundLoad:
    """At most one load at a time. A context manager: leaving it waits for the load.

    ``stopping``: the caller failed, so that the load is to end early; checked by the load itself.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "history-load")
        self._running: Future[None] | None = None
        self.stopping = False

    @property
    def is_running(self) -> bool:
        """Whether a load runs."""
        return self._running is not None and not self._running.done()

    def start(self, load: Callable[[], None]) -> None:
        """Begin a load. The previous one must have been waited for."""
        self._running = self._pool.submit(contextvars.copy_context().run, load)

    def wait(self, keep: Callable[[], None] | None = None) -> None:
        """Wait for the load, if any; raises its error. ``keep``: called now and then."""
        running, self._running = self._running, None
        while running is not None and wait([running], RENEW_EVERY_S).not_done:
            if keep is not None:
                keep()
        if running is not None:
            running.result()

    def __enter__(self) -> BackgroundLoad:
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        self.stopping = error is not None
        try:
            self.wait()
        except Exception as also:
            if error is None:
                raise
            log.warning("history: the load of the slices before also failed: %s", also)
        finally:
            self._pool.shutdown()
