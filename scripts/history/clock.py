"""Sets the clock of this process and of the simulated vendors back, without a change of the product.

The engine reads two clocks: the database's (``ledger.store.database.read_clock``) and ``datetime.now``. Both are
replaced in the modules of the package while a past is made.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from unittest import mock

from order_relay.ledger.store import database
from order_relay_sandbox.serving import ThreadedSandbox


class Clock:
    """The time of the past that is being made."""

    def __init__(self, vendors: ThreadedSandbox) -> None:
        self._vendors = vendors
        self.ahead = timedelta()

    def now(self) -> datetime:
        """The time (UTC) that engine and vendors see."""
        return datetime.now(UTC) + self.ahead

    def set(self, moment: datetime) -> None:
        """Continue at ``moment``. From here on it runs as the machine's."""
        self.shift(moment - datetime.now(UTC))

    def shift(self, ahead: timedelta) -> None:
        """Run ``ahead`` of the machine's clock, or behind it if negative."""
        self.ahead = ahead
        self._vendors.shift_clock(ahead)


@contextmanager
def set_back(vendors: ThreadedSandbox) -> Iterator[Clock]:
    """Replace the clocks of the loaded modules of the package; restores them, and the vendors' clock."""
    clock, read_clock = Clock(vendors), database.read_clock
    shifted = _shifted(clock)
    with mock.patch.object(database, "read_clock", lambda conn: read_clock(conn) + clock.ahead):
        changed = [
            module
            for name, module in list(sys.modules.items())
            if name.startswith("order_relay.") and vars(module).get("datetime") is datetime
        ]
        for module in changed:
            vars(module)["datetime"] = shifted
        try:
            yield clock
        finally:
            for module in changed:
                vars(module)["datetime"] = datetime
            clock.shift(timedelta())


def _shifted(clock: Clock) -> type[datetime]:
    class AnyDatetime(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, datetime)

    class Shifted(datetime, metaclass=AnyDatetime):
        """``datetime`` whose ``now`` is the clock's; everything that it makes is a plain ``datetime``."""

        def __new__(cls, *arguments: Any, **named: Any) -> Any:
            return datetime(*arguments, **named)  # noqa: DTZ001 - as the caller gave it

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + clock.ahead

    return Shifted
