"""Access for users' own tasks and for the *Test* button: see ``airflow.hooks``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from order_relay import COMMAND
from order_relay.http.auth.oauth import MAX_TOKEN_RESPONSE_BYTES, TokenAndLifetime, TokenCache
from order_relay.http.connection_settings import HttpSettings
from order_relay.http.reading.bodies import read_whole
from order_relay.http.reading.client import VendorClient
from order_relay.vendors.shopatron.client import oms_credentials
from order_relay.vendors.shopatron.connection import OmsSettings


def authorize(settings: OmsSettings) -> Callable[[], Mapping[str, str]]:
    """Headers that authorize a request.

    Calling the result raises ``ConfigurationError``, ``ThrottledError`` or ``TransientError``.
    """
    tokens = TokenCache(partial(_fetch_token, settings))
    return lambda: {**settings.headers, "API-Key": settings.api_key, "Authorization": f"Bearer {tokens.get()}"}


def probe(settings: OmsSettings) -> str:
    """Request a token. Raises as ``authorize``."""
    authorize(settings)()
    return f"The OMS issued a token. `{COMMAND} doctor` also tests searches."


def _fetch_token(settings: OmsSettings) -> TokenAndLifetime:
    """A token, requested synchronously, so that it works in any task."""
    http = HttpSettings(
        base_url=settings.token_url,
        timeout_s=settings.timeout_s,
        download_s=settings.timeout_s,
        size_limit_bytes=MAX_TOKEN_RESPONSE_BYTES,
        trust_env=settings.trust_env,
        http=settings.http,
    )
    server = VendorClient("Shopatron", http)
    credentials = oms_credentials(settings)
    headers, form = credentials.request()
    with (
        server.reading(),
        server.open_client(connections=1) as client,
        client.stream("POST", settings.token_url, data=form, headers=headers) as response,
    ):
        body = read_whole(server.body(response), MAX_TOKEN_RESPONSE_BYTES)
        return credentials.read(response.status_code, response.headers, body)
