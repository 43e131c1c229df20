"""The plugin for Airflow's API server: the order desk, and the endpoints that vendors call.

Airflow loads plugins in each of its processes. The apps, and the engine that they need, are therefore imported at the
first request.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import anyio
from airflow.plugins_manager import AirflowPlugin

from order_relay.airflow.telemetry.measured_app import MeasuredApp, Receive, Scope, Send
from order_relay.vendors import vendor_names

DESK = "order-desk"
"""Path of the desk. All URLs below are relative to Airflow's base URL, which may have a path."""

_ICONS = {"icon": f"{DESK}/static/icon.svg", "icon_dark_mode": f"{DESK}/static/icon-dark.svg"}


NAVIGATION = {
    "name": "Orders",
    "href": f"{DESK}/",
    "destination": "nav",
    "url_route": "orders",
    "nav_top_level": True,
    **_ICONS,
}
RUN_TAB = {
    "name": "Orders",
    "href": f"{DESK}/runs/{{DAG_ID}}/{{RUN_ID}}",
    "destination": "dag_run",
    "url_route": "orders-of-run",
    **_ICONS,
}
TILE = {
    "name": "OrderRelayTile",  # the name of the component in tile.js
    "bundle_url": f"{DESK}/static/tile.js",
    "destination": "dashboard",
    "url_route": "orders-tile",
}


class LazyApp:
    """An app that is created at the first request."""

    def __init__(self, create: Callable[[], Any]) -> None:
        self.create = create

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app = await anyio.to_thread.run_sync(self.create)
        await app(scope, receive, send)


@cache
def _app_for(vendor: str) -> Any:
    from order_relay.endpoints.app import create_vendor_app

    return create_vendor_app(vendor, _deployment())


@cache
def _desk() -> Any:
    from order_relay.airflow.desk.access import AirflowAccess
    from order_relay.airflow.desk.host import AirflowHost
    from order_relay.airflow.installation import Installation
    from order_relay.desk.deployment import DeskDeployment
    from order_relay.desk.web_app import create_app

    installation = Installation()
    return create_app(DeskDeployment(installation, AirflowHost(installation)), AirflowAccess())


@cache
def _deployment() -> Any:
    from order_relay.airflow import connections
    from order_relay.batches import BatchStore
    from order_relay.endpoints.dependencies import Deployment

    def store() -> BatchStore:
        return BatchStore(*connections.store_filesystem(connections.store_url()))

    return Deployment(connections.connection, connections.ledger_url, store)


def fastapi_apps() -> list[dict[str, Any]]:
    """The apps in the shape that ``AirflowPlugin.fastapi_apps`` expects."""
    endpoints = [
        _mounted(vendor, partial(_app_for, vendor), f"Order Relay /{vendor}") for vendor in vendor_names("endpoint")
    ]
    return [_mounted(DESK, _desk, "Order Relay order desk"), *endpoints]


def _mounted(path: str, create: Callable[[], Any], name: str) -> dict[str, Any]:
    return {"app": MeasuredApp(path, LazyApp(create)), "url_prefix": f"/{path}", "name": name}


class OrderRelayPlugin(AirflowPlugin):
    """The order desk, for Airflow's users, and the paths ``/VENDOR/...`` of the vendors that call us, each with
    credentials of its own.

    The desk is an entry *Orders* of the navigation, a tab of each run, and a tile on the home page. Airflow keeps the
    path of the page that the entry shows in its own URL: ``/plugin/orders/order-desk/orders/17``.
    Registered by the package's entry point, or by ``plugins/order_relay_plugin.py`` if the package is not installed.
    """

    name = "order_relay"
    fastapi_apps = fastapi_apps()
    external_views = [NAVIGATION, RUN_TAB]  # noqa: RUF012 - Airflow declares them without ClassVar
    react_apps = [TILE]  # noqa: RUF012
