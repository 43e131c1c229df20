"""A clock for the product's pauses: they are recorded, and take no time."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from order_relay.http import throttle


class Clock:
    """Time of the product's throttles. ``pauses``: seconds, in the order in which they began."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self._ahead = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Seconds, like ``time.monotonic``."""
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        with self._lock:
            self.pauses.append(seconds)
            self._ahead += seconds

    async def async_sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.sleep(seconds)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make it the clock of all throttles that are created from now on."""
        monkeypatch.setattr(throttle.Throttle.__init__, "__defaults__", (self.now, self.sleep))
        monkeypatch.setattr(throttle.AdaptiveThrottle.__init__, "__defaults__", (self.now,))
        monkeypatch.setattr(throttle, "asyncio", SimpleNamespace(sleep=self.async_sleep))

    def use_for(self, account: Any) -> Any:
        """The account, with this clock for its own pauses."""
        if "sleep" in vars(account):
            account.sleep = self.sleep
        return account
