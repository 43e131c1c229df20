"""Counts and times the requests to our apps in Airflow's API server."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class MeasuredApp:
    """An ASGI app whose requests are recorded under the tag ``endpoint``."""

    def __init__(self, endpoint: str, app: App) -> None:
        self.endpoint, self.app = endpoint, app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. One that fails without an answer counts as 500."""
        started, status = time.perf_counter(), 500

        async def note(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, note)
        finally:
            if scope["type"] == "http":
                _record(self.endpoint, status, time.perf_counter() - started)


def _record(endpoint: str, status: int, seconds: float) -> None:
    from airflow.observability import stats  # the API server's client, which is not the one of tasks

    from order_relay.airflow.telemetry.catalogue import ENDPOINT_DURATION, ENDPOINT_REQUESTS

    stats.incr(ENDPOINT_REQUESTS.name, tags={"endpoint": endpoint, "status": str(status)})
    stats.timing(ENDPOINT_DURATION.name, seconds * 1_000, tags={"endpoint": endpoint})
