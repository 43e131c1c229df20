"""All that we serve: a path, and the app that stands there. A further vendor that calls us is one more line."""

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
"""By the prefix of their paths. Airflow's plugin names the same prefixes (``airflow_bindings.served``)."""


def create_app(deployment: Deployment) -> FastAPI:
    """Everything together, for a server of our own."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.add_middleware(NormalizePathMiddleware)
    for prefix, make in APPS.items():
        app.mount(prefix, make(deployment))
    return app
