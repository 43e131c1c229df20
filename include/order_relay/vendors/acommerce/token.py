"""The token in ``X-Subject-Token``, issued for user name and API key (docs/vendors/acommerce.md, "Facts", token)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx

from order_relay.errors import RecordRejectedError, SourceAuthError, ThrottledError, TransientError
from order_relay.failpoints import failpoint
from order_relay.http.auth import oauth
from order_relay.http.json.strict_json import read_object
from order_relay.http.reading.bodies import read_whole
from order_relay.http.reading.client import VendorClient
from order_relay.http.throttle import retry_after_s
from order_relay.orders.fulfilment.status_records import parse_timestamp
from order_relay.orders.json_text import encode
from order_relay.vendors.acommerce.connection import AcommerceSettings

DEFAULT_LIFETIME_S = 3300.0
"""Used if the response states no usable expiry: public clients keep a token for 55 minutes (seen)."""


def fetch_token(settings: AcommerceSettings, server: VendorClient, client: httpx.Client) -> oauth.TokenAndLifetime:
    """A new token. Raises ``SourceAuthError``, ``ThrottledError``, ``TransientError``."""
    body = encode({"auth": {"apiKeyCredentials": {"username": settings.login, "apiKey": settings.api_key}}})
    url, headers = f"{settings.auth_url}/identity/token", {"Content-Type": "application/json"}
    with (
        failpoint("source token"),
        server.reading(),
        client.stream("POST", url, content=body, headers=headers) as response,
    ):
        status = response.status_code
        if status == 429:
            raise ThrottledError("aCommerce's token URL asked to slow down", retry_after_s(response.headers))
        if status >= 500 or status == 408:
            raise TransientError(f"aCommerce's token URL answered HTTP {status}")
        if status not in (200, 201):
            raise SourceAuthError(
                f"aCommerce's token URL answered HTTP {status}: check auth_url, user name and API key"
            )
        limit = oauth.MAX_TOKEN_RESPONSE_BYTES
        document = read_object(read_whole(server.body(response, limit), limit), "the token response")
    return read_token(document, datetime.now(UTC))


def read_token(document: dict[str, Any], now: datetime) -> oauth.TokenAndLifetime:
    """Token and lifetime. An older form of the response has no ``token`` wrapper (seen in a public test).

    Raises ``TransientError`` if there is no usable token.
    """
    wrapper = document.get("token")
    fields = wrapper if isinstance(wrapper, dict) else document
    token = fields.get("token_id")
    if not oauth.is_usable_token(token):
        raise TransientError("the response of aCommerce's token URL has no usable token_id")
    try:
        expires_at = parse_timestamp(fields.get("expires_at"), "/expires_at")
    except RecordRejectedError:
        expires_at = None
    lifetime_s = (expires_at - now).total_seconds() if expires_at else DEFAULT_LIFETIME_S
    # a token that seems expired means that the clocks differ: use it until a 401
    return str(token), lifetime_s if lifetime_s > 0 else DEFAULT_LIFETIME_S
