"""The OAuth2 token of the OMS (docs/vendors/shopatron.md, "Facts", token)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

import aiohttp

from order_relay.errors import ThrottledError, TransientError
from order_relay.failpoints import failpoint
from order_relay.http.auth import oauth
from order_relay.http.sending.delivery import read_bounded
from order_relay.http.throttle import retry_after_s
from order_relay.vendors.shopatron.outcomes import is_throttle

DEFAULT_LIFETIME_S = 3600.0
"""Used if the response states no lifetime; the vendor documents about an hour."""


async def fetch_token(http: aiohttp.ClientSession, url: str, key: str, secret: str) -> oauth.TokenAndLifetime:
    """A new token. Raises ``ConfigurationError``, ``ThrottledError`` or ``TransientError``."""
    headers = {
        "Authorization": "Basic " + b64encode(f"{key}:{secret}".encode()).decode(),
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    form = {"grant_type": "client_credentials"}
    try:
        async with (
            failpoint("destination token"),
            http.post(url, data=form, headers=headers, allow_redirects=False) as response,
        ):
            body = await read_bounded(response, oauth.MAX_TOKEN_RESPONSE_BYTES)
            return read_token(response.status, response.headers, body)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise TransientError(f"cannot connect to the token URL ({type(error).__name__})") from error


def read_token(status: int, headers: Mapping[str, str], body: bytes) -> oauth.TokenAndLifetime:
    """Token and lifetime from a response of the token URL. Raises the errors of ``fetch_token``."""
    if is_throttle(status, headers):
        raise ThrottledError("the token URL asked to slow down", retry_after_s(headers))
    check = "token_url, API key and client secret"
    return oauth.parse_token_response(status, body, lifetime_s=DEFAULT_LIFETIME_S, check=check)
