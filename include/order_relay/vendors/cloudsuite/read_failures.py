"""Decides whether single orders cannot be read, or the shop as a whole fails.

Single orders are set aside. The run ends only if more than half of the orders that are read for the first time fail,
and at least ``MIN_FAILURES``. Orders that failed before do not count; an address shared by several orders counts once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence

from order_relay.errors import MalformedResponseError, TransientError

MIN_FAILURES = 4
"""Fewer failures never end a run."""

PROBE_AFTER = 20
"""After this many failures without a readable order, orders from the rest of the list are probed."""

PROBE_COUNT = 3
"""Number of orders probed, spread over the rest of the list."""


class ReadFailures:
    """Counts failures of one run; for any number of threads.

    ``ids``: the orders to read, in this order. ``known``: those that failed or waited before.
    """

    def __init__(self, ids: Sequence[str] = (), known: Collection[str] = ()) -> None:
        self._ids = [order_id for order_id in ids if order_id not in known]
        self._counted = frozenset(self._ids)
        self._lock = threading.Lock()
        self._readable = False
        self._failing: set[str] = set()
        self._missing: set[str] = set()
        self._probed = False
        self.probe: Callable[[str], bool] = lambda _: True

    def read(self, order_id: str) -> None:
        """An order was read."""
        self._readable = True

    def missing(self, order_id: str) -> None:
        """The shop answered 404 for an order. Raises ``MalformedResponseError`` if it does so for most orders."""
        error = MalformedResponseError(
            "CloudSuite lists orders but answers HTTP 404 for their details: check no_trailing_slash, and whether the "
            "account may read orders"
        )
        self._count_failure(order_id, self._missing, order_id, error)

    def failed(self, order_id: str, what: str, error: TransientError) -> None:
        """An order could not be read, because of ``what``. Raises an error of the same type if most orders fail."""
        self._count_failure(order_id, self._failing, what, error)

    def _count_failure(self, order_id: str, group: set[str], what: str, error: TransientError) -> None:
        if order_id not in self._counted:
            return
        with self._lock:
            group.add(what)
            number, probe = len(group), False
            if number >= PROBE_AFTER and not self._readable and not self._probed:
                self._probed = probe = True
        majority = number >= MIN_FAILURES and 2 * number > len(self._ids)
        if majority or (probe and not any(map(self.probe, self._probe_sample()))):
            raise type(error)(f"{number} of {len(self._ids)} orders cannot be read; last error: {error}")

    def _probe_sample(self) -> list[str]:
        """Some orders of the second half of the list, including the last one."""
        rest = self._ids[len(self._ids) // 2 :]
        return rest[:: -max(1, len(rest) // PROBE_COUNT)][:PROBE_COUNT]
