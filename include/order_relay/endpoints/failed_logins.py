"""Limits and reports failed logins, by client address."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from order_relay.endpoints.requests import RequestRejectedError

log = logging.getLogger(__name__)

MAX_FAILURES = 20
"""Failed logins of one address within ``PERIOD_S`` after which it is locked out."""

PERIOD_S = 60.0
LOCKOUT_S = 60.0

_MAX_ADDRESSES = 10_000


class FailedLogins:
    """Failed logins to one endpoint. Safe to use from several threads.

    After ``MAX_FAILURES`` failures within ``PERIOD_S`` an address is locked out: for ``LOCKOUT_S`` seconds all of its
    requests are answered with 429, also those with the right password. Otherwise passwords could be guessed at the
    speed of the server. Behind a proxy the server must be configured to use the forwarded address, or all clients share
    one ("Endpoints" in docs/operations.md).
    """

    def __init__(self, endpoint: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._endpoint, self._clock = endpoint, clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._locked_until: dict[str, float] = {}

    def check(self, address: str) -> None:
        """Raise ``RequestRejectedError`` (429) if this address is locked out."""
        with self._lock:
            left = self._locked_until.get(address, 0.0) - self._clock()
            if left <= 0:
                self._locked_until.pop(address, None)
                return
        raise RequestRejectedError(429, "too many failed logins; try again later", {"Retry-After": str(int(left) + 1)})

    def record(self, address: str) -> None:
        """Count a failed login. The one that locks the address out is logged."""
        with self._lock:
            now = self._clock()
            failures = self._failures.setdefault(address, deque(maxlen=MAX_FAILURES))
            self._failures.move_to_end(address)
            failures.append(now)
            if len(self._failures) > _MAX_ADDRESSES:
                self._failures.popitem(last=False)
            locked = len(failures) == MAX_FAILURES and now - failures[0] <= PERIOD_S
            if locked:
                del self._failures[address]
                self._locked_until = {one: until for one, until in self._locked_until.items() if until > now}
                self._locked_until[address] = now + LOCKOUT_S
        if locked:
            log.warning(
                "%s: %d logins from %s failed within %d s; its requests are refused for %d s",
                self._endpoint,
                MAX_FAILURES,
                address,
                PERIOD_S,
                LOCKOUT_S,
            )
