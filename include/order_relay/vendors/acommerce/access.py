"""Access for users' own tasks and for the *Test* button: see ``airflow.hooks``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from order_relay import COMMAND
from order_relay.http.auth.oauth import TokenCache
from order_relay.http.reading.client import VendorClient
from order_relay.vendors.acommerce.connection import AcommerceSettings
from order_relay.vendors.acommerce.token import fetch_token


def authorize(settings: AcommerceSettings) -> Callable[[], Mapping[str, str]]:
    """Headers that authorize a request. Calling the result raises ``SourceAuthError``, ``TransientError``."""
    server = VendorClient("aCommerce", settings)
    tokens = TokenCache(partial(fetch_token, settings, server, server.open_client(connections=1)))
    return lambda: {**settings.headers, "X-Subject-Token": tokens.get()}


def probe(settings: AcommerceSettings) -> str:
    """Request a token. Raises as ``authorize``."""
    authorize(settings)()
    return f"aCommerce issued a token. `{COMMAND} doctor` also reads statuses."
