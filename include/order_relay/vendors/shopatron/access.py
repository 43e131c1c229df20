"""Access for users' own tasks and for the *Test* button: see ``airflow.hooks``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import httpx

from order_relay import COMMAND
from order_relay.http.bodies import read_whole
from order_relay.http.client import VendorClient
from order_relay.http.oauth import MAX_TOKEN_RESPONSE_BYTES, renewal_delay_s
from order_relay.vendors.shopatron.connection import OmsSettings
from order_relay.vendors.shopatron.token import read_token


def authorize(settings: OmsSettings) -> Callable[[], Mapping[str, str]]:
    """Headers that authorize a request.

    Calling the result raises ``ConfigurationError``, ``ThrottledError`` or ``TransientError``.
    """
    token, renew_at = "", 0.0

    def headers() -> Mapping[str, str]:
        nonlocal token, renew_at
        if time.monotonic() >= renew_at:
            requested_at = time.monotonic()
            token, lifetime_s = _fetch_token(settings)
            renew_at = requested_at + renewal_delay_s(lifetime_s)
        return {**settings.headers, "API-Key": settings.api_key, "Authorization": f"Bearer {token}"}

    return headers


def probe(settings: OmsSettings) -> str:
    """Request a token. Raises as ``authorize``."""
    authorize(settings)()
    return f"The OMS issued a token. `{COMMAND} doctor` also tests searches."


def _fetch_token(settings: OmsSettings) -> tuple[str, float]:
    """Token and lifetime in seconds. Synchronous, unlike ``TokenStore``, so that it works in any task."""
    server = VendorClient(
        "Shopatron",
        settings.token_url,
        settings.timeout_s,
        settings.timeout_s,
        MAX_TOKEN_RESPONSE_BYTES,
        settings.trust_env,
    )
    form = {"grant_type": "client_credentials"}
    with (
        server.reading(),
        server.open_client(httpx.BasicAuth(settings.api_key, settings.secret), connections=1) as client,
        client.stream("POST", settings.token_url, data=form) as response,
    ):
        body = read_whole(server.body(response), MAX_TOKEN_RESPONSE_BYTES)
        return read_token(response.status_code, response.headers, body)
