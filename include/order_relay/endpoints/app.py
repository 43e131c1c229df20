"""All endpoints by path. Another vendor that calls us needs one more line."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fastapi import FastAPI

from order_relay.endpoints.acommerce import create_acommerce_app
from order_relay.endpoints.dependencies import Deployment
from order_relay.endpoints.requests import NormalizePathMiddleware
from order_relay.endpoints.shiprush import create_shiprush_app

APPS: Mapping[str, Callable[[Deployment], FastAPI]] = {
    "/acommerce": create_acommerce_app,
    "/shiprush": create_shiprush_app,
}
"""Apps by path prefix. Airflow's plugin uses the same prefixes (``airflow.api_server``)."""


def create_app(deployment: Deployment) -> FastAPI:
    """One app with all endpoints, for the standalone server."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.add_middleware(NormalizePathMiddleware)
    for prefix, make in APPS.items():
        app.mount(prefix, make(deployment))
    return app
