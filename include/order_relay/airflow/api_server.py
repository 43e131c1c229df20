"""The plugin for Airflow's API server: the endpoints that vendors call.

Airflow loads plugins in each of its processes. The apps, and the engine that they need, are therefore imported at the
first request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import Any

import anyio
from airflow.plugins_manager import AirflowPlugin

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

PREFIXES = ("/acommerce", "/shiprush")


class LazyApp:
    """The app of ``endpoints.app`` for one URL prefix, created at its first request."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app = await anyio.to_thread.run_sync(_app_for, self.prefix)
        await app(scope, receive, send)


def fastapi_apps() -> list[dict[str, Any]]:
    """The apps in the shape that ``AirflowPlugin.fastapi_apps`` expects."""
    return [{"app": LazyApp(prefix), "url_prefix": prefix, "name": f"Order Relay {prefix}"} for prefix in PREFIXES]


class OrderRelayPlugin(AirflowPlugin):
    """``/shiprush/orders`` and ``/acommerce/events``, each with credentials of its own.

    Registered by the package's entry point, or by ``plugins/order_relay_plugin.py`` if the package is not installed.
    """

    name = "order_relay"
    fastapi_apps = fastapi_apps()


@cache
def _app_for(prefix: str) -> Any:
    from order_relay.endpoints.app import APPS

    return APPS[prefix](_deployment())


@cache
def _deployment() -> Any:
    from order_relay.airflow import connections
    from order_relay.batches import BatchStore
    from order_relay.endpoints.dependencies import Deployment

    def store() -> BatchStore:
        return BatchStore(*connections.store_filesystem(connections.store_url()))

    return Deployment(connections.connection, connections.ledger_url, store)
