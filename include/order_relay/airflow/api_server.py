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

from order_relay.vendors import vendor_names

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class LazyApp:
    """The endpoints of one vendor, created at the first request."""

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app = await anyio.to_thread.run_sync(_app_for, self.vendor)
        await app(scope, receive, send)


def fastapi_apps() -> list[dict[str, Any]]:
    """The apps in the shape that ``AirflowPlugin.fastapi_apps`` expects."""
    return [
        {"app": LazyApp(vendor), "url_prefix": f"/{vendor}", "name": f"Order Relay /{vendor}"}
        for vendor in vendor_names("endpoint")
    ]


class OrderRelayPlugin(AirflowPlugin):
    """The paths ``/VENDOR/...`` of the vendors that call us, each with credentials of its own.

    Registered by the package's entry point, or by ``plugins/order_relay_plugin.py`` if the package is not installed.
    """

    name = "order_relay"
    fastapi_apps = fastapi_apps()


@cache
def _app_for(vendor: str) -> Any:
    from order_relay.endpoints.app import create_vendor_app

    return create_vendor_app(vendor, _deployment())


@cache
def _deployment() -> Any:
    from order_relay.airflow import connections
    from order_relay.batches import BatchStore
    from order_relay.endpoints.dependencies import Deployment

    def store() -> BatchStore:
        return BatchStore(*connections.store_filesystem(connections.store_url()))

    return Deployment(connections.connection, connections.ledger_url, store)
