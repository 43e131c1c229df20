"""Stand-ins that serve while the tests run: one sandbox for each vendor, in its initial state for each test."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from order_relay_contract.support import marks
from order_relay_sandbox import ThreadedSandbox, serve_in_thread, stand_ins
from order_relay_sandbox.audit import Audit
from order_relay_sandbox.stand_in import StandIn

ORDERS = 5
"""Number of plain orders that a source offers at first."""


def stand_in_of(vendor: str) -> StandIn[Any]:
    """A stand-in of a vendor that serves nothing: it makes orders, and its declarations can be read."""
    declared = stand_ins()[vendor]
    return declared(declared.switches_model(), Audit(), 0)


class Sandboxes:
    """Use in a ``with`` block; the sandboxes run until its end."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._running: dict[tuple[str, ...], ThreadedSandbox] = {}

    def __enter__(self) -> Sandboxes:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def of(self, *vendors: str) -> ThreadedSandbox:
        """A sandbox in its initial state. The accounts of ``vendors`` have marked credentials; the first of them offers
        plain orders, or the statuses of as many orders."""
        if vendors not in self._running:
            self._running[vendors] = self._stack.enter_context(self._serving(vendors))
        self._running[vendors].reset()
        return self._running[vendors]

    @staticmethod
    def _serving(vendors: tuple[str, ...]) -> Any:
        made = [stand_in_of(name) for name in vendors]
        orders = made[0].plain(ORDERS, 1) if "source" in made[0].roles else ORDERS
        switches = {one.name: marks.account_switches(one) for one in made}
        return serve_in_thread(switches, orders, sources=vendors[:1])
