"""All that we serve: a path, and the app that stands there. A further vendor that calls us is one more line."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fastapi import FastAPI

from order_relay.serving.acommerce import acommerce_app
from order_relay.serving.answering import TidyPath
from order_relay.serving.parts import Parts
from order_relay.serving.shiprush import shiprush_app

APPS: Mapping[str, Callable[[Parts], FastAPI]] = {
    "/acommerce": acommerce_app,
    "/shiprush": shiprush_app,
}
"""By the prefix of their paths. Airflow's plugin names the same prefixes (``airflow_bindings.served``)."""


def whole_app(parts: Parts) -> FastAPI:
    """Everything together, for a server of our own."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.add_middleware(TidyPath)
    for prefix, make in APPS.items():
        app.mount(prefix, make(parts))
    return app
