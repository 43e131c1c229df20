"""Access for users' own tasks and for the *Test* button: see ``airflow.hooks``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from order_relay import COMMAND
from order_relay.http.auth.authorizer import request_headers
from order_relay.http.reading.client import VendorClient
from order_relay.vendors.acommerce.connection import AcommerceSettings
from order_relay.vendors.acommerce.token import credentials


def authorize(settings: AcommerceSettings) -> Callable[[], Mapping[str, str]]:
    """Headers that authorize a request. Calling the result raises ``SourceAuthError``, ``TransientError``."""
    token = request_headers(credentials(settings), VendorClient("aCommerce", settings))
    return lambda: {**settings.headers, **token()}


def probe(settings: AcommerceSettings) -> str:
    """Request a token. Raises as ``authorize``."""
    authorize(settings)()
    return f"aCommerce issued a token. `{COMMAND} doctor` also reads statuses."
