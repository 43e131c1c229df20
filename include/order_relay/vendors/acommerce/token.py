"""The token in ``X-Subject-Token``, issued for user name and API key (docs/vendors/acommerce.md, "Facts", token)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from order_relay.errors import RecordRejectedError, TransientError
from order_relay.http.auth.authorizer import IssuedToken
from order_relay.http.auth.oauth import TokenAndLifetime, is_usable_token
from order_relay.orders.fulfilment.status_records import parse_timestamp
from order_relay.vendors.acommerce.connection import AcommerceSettings

DEFAULT_LIFETIME_S = 3300.0
"""Used if the response states no usable expiry: public clients keep a token for 55 minutes (seen)."""


def credentials(settings: AcommerceSettings) -> IssuedToken:
    """The token of an account."""
    return IssuedToken(
        url=f"{settings.auth_url}/identity/token",
        document={"auth": {"apiKeyCredentials": {"username": settings.login, "apiKey": settings.api_key}}},
        read=lambda document: read_token(document, datetime.now(UTC)),
        secrets=(settings.api_key, settings.login),
        header="X-Subject-Token",
        scheme="",
        check="auth_url, user name and API key",
    )


def read_token(document: dict[str, Any], now: datetime) -> TokenAndLifetime:
    """Token and lifetime. An older form of the response has no ``token`` wrapper (seen in a public test).

    Raises ``TransientError`` if there is no usable token.
    """
    wrapper = document.get("token")
    fields = wrapper if isinstance(wrapper, dict) else document
    token = fields.get("token_id")
    if not is_usable_token(token):
        raise TransientError("the response of aCommerce's token URL has no usable token_id")
    try:
        expires_at = parse_timestamp(fields.get("expires_at"), "/expires_at")
    except RecordRejectedError:
        expires_at = None
    lifetime_s = (expires_at - now).total_seconds() if expires_at else DEFAULT_LIFETIME_S
    # a token that seems expired means that the clocks differ: use it until a 401
    return str(token), lifetime_s if lifetime_s > 0 else DEFAULT_LIFETIME_S
