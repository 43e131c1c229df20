"""The desk's FastAPI app: every page, the static files, and errors as pages or fragments."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException

from order_relay.desk import pages
from order_relay.desk.access import Access
from order_relay.desk.deployment import DeskDeployment
from order_relay.desk.rendering import HERE, render
from order_relay.desk.security import SecurityMiddleware
from order_relay.errors import (
    ConcurrentUpdateError,
    ConfigurationError,
    IllegalTransitionError,
    OrderRelayError,
    TransientError,
)

_ERRORS: tuple[tuple[type[OrderRelayError], int, str], ...] = (
    (ConcurrentUpdateError, 409, "This page is out of date"),
    (IllegalTransitionError, 422, "This is not possible"),
    (ConfigurationError, 422, "This is not possible"),
    (TransientError, 503, "Try again in a moment"),
)
_TITLES = {401: "Not signed in", 403: "Not permitted", 404: "Not found", 405: "Not found"}


def create_app(desk: DeskDeployment, access: Access) -> FastAPI:
    """The app, to be mounted at any path."""
    app = FastAPI(openapi_url=None)
    app.state.desk, app.state.access = desk, access
    app.add_middleware(SecurityMiddleware)
    for module in page_modules():
        app.include_router(import_module(f"{pages.__name__}.{module}").router)
    app.mount("/static", _StaticFiles(directory=HERE / "static"))
    app.add_exception_handler(StarletteHTTPException, http_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    for kind, *_ in _ERRORS:
        app.add_exception_handler(kind, _error)
    return app


def page_modules() -> list[str]:
    """The names of the pages' modules."""
    return sorted(module.name for module in iter_modules([str(Path(pages.__file__).parent)]))


class _StaticFiles(StaticFiles):
    """Static files, which browsers ask for again by their tag after an update."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response


async def http_error(request: Request, error: Exception) -> Response:
    """An ``HTTPException`` as a page or a fragment."""
    assert isinstance(error, StarletteHTTPException)  # noqa: S101 - for the type checker
    answer = _page(request, error.status_code, _TITLES.get(error.status_code, "Error"), str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


async def _invalid_request(request: Request, error: Exception) -> Response:
    """Names the fields that are missing or wrong; their values may be personal data."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    fields = ", ".join(dict.fromkeys(str(one["loc"][-1]) for one in error.errors()))
    return _page(request, 422, "Invalid input", f"Missing or invalid: {fields}. Correct it and try again.")


async def _error(request: Request, error: Exception) -> Response:
    status, title = next((status, title) for kind, status, title in _ERRORS if isinstance(error, kind))
    return _page(request, status, title, str(error))


def _page(request: Request, status: int, title: str, message: str) -> Response:
    """The error as a page, or as a fragment for the live region of the page that sent the request."""
    template = "error_fragment.html" if "HX-Request" in request.headers else "error.html"
    return render(request, template, status=status, title=title, message=message)
