"""What a token address answers to client credentials (RFC 6749, sections 4.4 and 5.1)."""

from __future__ import annotations

from typing import Any

import msgspec

from order_relay.errors import ConfigurationError, TransientError

MAX_TOKEN_RESPONSE_BYTES = 65_536
"""Bytes of a token's answer that are read."""

RENEWAL_MARGIN_S = 60.0
"""A token is renewed so long before its end, or after nine tenths of a short life."""


def parse_token_response(status: int, body: bytes, *, lifetime_s: float, check: str) -> tuple[str, float]:
    """Token and lifetime in seconds from an answer of the token address.

    ``lifetime_s`` counts where the answer states none; ``check`` names the settings to look at where we are refused.
    Raises ``ConfigurationError`` where our credentials or the address are refused, or ``TransientError``.
    """
    if status >= 500 or status == 408:
        raise TransientError(f"the token address answered HTTP {status}")
    if status not in (200, 201):
        raise ConfigurationError(f"the token address answered HTTP {status}: check {check}")
    try:
        document: Any = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise TransientError("the token address answered with something that is not JSON") from None
    token = document.get("access_token") if isinstance(document, dict) else None
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise TransientError("the token address answered without a usable access_token")
    return token, _lifetime(document.get("expires_in"), lifetime_s)


def renewal_delay_s(lifetime_s: float) -> float:
    """Seconds after which a token of this lifetime is replaced."""
    return max(lifetime_s - RENEWAL_MARGIN_S, lifetime_s * 0.9)


def _lifetime(stated: object, default: float) -> float:
    """``expires_in`` as a number or as its digits; the default where it is neither."""
    if isinstance(stated, str) and stated.isascii() and stated.isdigit():
        stated = int(stated[:9])
    if isinstance(stated, bool) or not isinstance(stated, int | float) or not 0 < stated < 1e9:
        return default
    return float(stated)
