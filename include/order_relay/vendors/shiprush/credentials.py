"""Checks the user name and password of a request.

HTTP Basic and query parameters are both accepted; if both are present, both must be right (docs/vendors/shiprush.md,
"Facts", credentials).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from urllib.parse import unquote_plus

from order_relay.vendors.shiprush.connection import ShipRushSettings

_USER, _PASSWORD = "ss-username", "ss-password"

CredentialPair = tuple[str, str]


def split_query(query: bytes) -> tuple[bytes, dict[str, list[str]]]:
    """Split credentials from a query string, so that the rest may be logged."""
    other: list[bytes] = []
    found: dict[str, list[str]] = {}
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        key = unquote_plus(name.decode("latin-1")).strip().lower()
        if key in (_USER, _PASSWORD):
            found.setdefault(key, []).append(unquote_plus(value.decode("latin-1")))
        else:
            other.append(part)
    return b"&".join(other), found


def is_authorized(settings: ShipRushSettings, authorization: str | None, query: dict[str, list[str]]) -> bool:
    """Whether credentials are present, and all of them are right. Never raises."""
    given: list[CredentialPair | None] = []
    if authorization is not None:
        given.append(_basic(authorization))
    if query:
        users, passwords = query.get(_USER, []), query.get(_PASSWORD, [])
        given.append((users[0], passwords[0]) if len(users) == len(passwords) == 1 else None)
    return bool(given) and all(_matches(settings, pair) for pair in given)


def _basic(header: str) -> CredentialPair | None:
    scheme, _, encoded = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None


def _matches(settings: ShipRushSettings, pair: CredentialPair | None) -> bool:
    """Compare both parts in constant time; an empty setting matches nothing."""
    user, password = pair or ("", "")
    same_user = hmac.compare_digest(user.encode("utf-8", "replace"), settings.login.encode())
    same_password = hmac.compare_digest(password.encode("utf-8", "replace"), settings.password.encode())
    return same_user and same_password and bool(settings.login) and bool(settings.password)
