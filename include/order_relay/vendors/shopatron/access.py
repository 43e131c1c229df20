"""Access for users' own tasks and for the *Test* button: see ``airflow.hooks``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from order_relay import COMMAND
from order_relay.http.auth.authorizer import request_headers
from order_relay.http.connection_settings import HttpSettings
from order_relay.http.reading.client import VendorClient
from order_relay.vendors.shopatron.client import oms_credentials
from order_relay.vendors.shopatron.connection import OmsSettings


def authorize(settings: OmsSettings) -> Callable[[], Mapping[str, str]]:
    """Headers that authorize a request.

    Calling the result raises ``ConfigurationError``, ``ThrottledError`` or ``TransientError``.
    """
    http = HttpSettings(
        base_url=settings.token_url,
        timeout_s=settings.timeout_s,
        download_s=settings.timeout_s,
        trust_env=settings.trust_env,
        http=settings.http,
    )
    granted = request_headers(oms_credentials(settings), VendorClient("Shopatron", http))
    return lambda: {**settings.headers, "API-Key": settings.api_key, **granted()}


def probe(settings: OmsSettings) -> str:
    """Request a token. Raises as ``authorize``."""
    authorize(settings)()
    return f"The OMS issued a token. `{COMMAND} doctor` also tests searches."
