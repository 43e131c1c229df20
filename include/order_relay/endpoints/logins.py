"""Credentials of requests: checked before the work queue; addresses that guess are locked out."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import Request

from order_relay.endpoints.requests import RequestRejectedError
from order_relay.http.auth.failed_logins import FailedLogins

T = TypeVar("T")

log = logging.getLogger(__name__)

_FAILURES = (401, 408)  # 408: a body that did not arrive, without which a signature cannot be checked


class LoginGuard:
    """Counts the failed logins of an endpoint by address, and logs each of them.

    All clients of a vendor share one secret, so there is no user to lock. ``endpoint``: for the log.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._failed = FailedLogins()

    async def check(self, request: Request, verify: Callable[[], Awaitable[T]]) -> T:
        """What ``verify`` returns.

        ``verify`` raises ``RequestRejectedError`` (401) for wrong credentials. Raises the same (429) without calling it
        while the address is locked.
        """
        address = request.client.host if request.client else ""
        if (wait_s := self._failed.wait_s("", address)) > 0:
            raise RequestRejectedError(429, "too many failed logins; try again later", {"Retry-After": f"{wait_s:.0f}"})
        try:
            return await verify()
        except RequestRejectedError as rejection:
            if rejection.status in _FAILURES:
                self._failed.failed("", address)
                log.warning("%s endpoint: failed login from %s: %s", self._endpoint, address, rejection.message)
            raise
