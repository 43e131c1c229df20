"""One slice is loaded in a thread while the next one is read and transformed in the caller's."""

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
        self.slice: int | None = None
        """The number of the slice that is being loaded."""
        self.stopping = False

    def start(self, number: int, load: Callable[[], None]) -> None:
        """Begin to load a slice. The previous one must have been waited for."""
        self.slice = number
        self._running = self._pool.submit(contextvars.copy_context().run, load)

    def wait(self, keep: Callable[[], None] | None = None) -> None:
        """Wait for the slice that is being loaded, if any; raises its error. ``keep``: called now and then."""
        running, self._running = self._running, None
        while running is not None and wait([running], RENEW_EVERY_S).not_done:
            if keep is not None:
                keep()
        self.slice = None
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
            log.warning("history: loading the slice before also failed: %s", also)
        finally:
            self._pool.shutdown()
