"""All endpoints: ``create_app`` in the module ``endpoint`` of each vendor's folder, mounted at ``/NAME``."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.routing import Mount, Route

from order_relay.endpoints.dependencies import Deployment
from order_relay.endpoints.requests import NormalizePathMiddleware
from order_relay.vendors import vendor_module, vendor_names

ENDPOINT = "endpoint"


def endpoint_vendors() -> list[str]:
    """The vendors that call us."""
    return vendor_names(ENDPOINT)


def create_vendor_app(vendor: str, deployment: Deployment) -> FastAPI:
    """The app to be mounted at ``/VENDOR``. Raises ``ConfigurationError`` for an unknown vendor."""
    app: FastAPI = vendor_module(vendor, ENDPOINT).create_app(deployment)
    return app


def create_app(deployment: Deployment) -> FastAPI:
    """One app with all endpoints, for the standalone server."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.add_middleware(NormalizePathMiddleware)
    for vendor in endpoint_vendors():
        app.mount(f"/{vendor}", create_vendor_app(vendor, deployment))
    return app


def endpoint_paths(app: FastAPI) -> list[str]:
    """The paths that ``create_app`` serves, such as ``/NAME/orders``."""
    mounts = (mount for mount in app.routes if isinstance(mount, Mount))
    return sorted(
        {f"{mount.path}{route.path}" for mount in mounts for route in mount.routes if isinstance(route, Route)}
    )
