"""Webhooks: registering, listing and deleting them, and verifying the signature of a delivery.

Paths and members are seen in public code; that the stream id of version 3 is the event type is assumed
(docs/vendors/acommerce.md, "Facts").
"""

from __future__ import annotations

import hmac
import re
from typing import Any

from order_relay.connections import Connection
from order_relay.errors import MalformedResponseError
from order_relay.vendors.acommerce.connection import AcommerceSettings
from order_relay.vendors.acommerce.transport import AcommerceTransport

STREAM = "SALES_ORDER_STATUS_V3"
SIGNATURE_HEADER = "X-Acomm-Signature"

_HOOK_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_PUBLIC_MEMBERS = ("id", "name", "url", "eventType", "active")


def open_webhooks(connection: Connection) -> WebhookClient:
    """The webhooks of a connection's account.

    Raises ``ConfigurationError``, also if there is no secret to sign deliveries with.
    """
    settings = AcommerceSettings.from_connection(connection)
    if not settings.hook_secret:
        raise connection.wrong("hook_secret", "is empty; unsigned webhook deliveries would be refused")
    return WebhookClient(settings)


def is_genuine(body: bytes, signature: str, settings: AcommerceSettings) -> bool:
    """Whether the body was signed with the connection's secret. Compared in constant time."""
    if not settings.hook_secret:
        return False
    expected = hmac.new(settings.hook_secret.encode(), body, settings.signature).hexdigest()
    given = signature.strip().lower().removeprefix(f"{settings.signature}=")
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


class WebhookClient:
    """The webhooks of one channel or partner."""

    def __init__(self, settings: AcommerceSettings) -> None:
        self._settings = settings
        self._transport = AcommerceTransport(settings)
        self._url = f"{settings.auth_url}/{settings.scope}/hooks"

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def register(self, name: str, url: str) -> dict[str, Any]:
        """Register ``url`` for deliveries signed with the connection's secret.

        Raises the errors of ``AcommerceTransport.request``.
        """
        hook = {
            "name": name,
            "url": url,
            "requestMethod": "POST",
            "secret": self._settings.hook_secret,
            "eventType": [STREAM],
            "active": True,
        }
        return _without_secret(self._transport.request("POST", self._url, document=hook).value)

    def listed(self) -> list[dict[str, Any]]:
        """All webhooks, without their secrets. Raises the errors of ``AcommerceTransport.get``."""
        value = self._transport.get(self._url).value or []
        if not isinstance(value, list):
            raise MalformedResponseError("the response is not a list of webhooks")
        return [_without_secret(hook) for hook in value]

    def delete(self, hook_id: str) -> None:
        """Delete a webhook. Raises ``ValueError`` for an invalid id, and the errors of ``register``."""
        if not _HOOK_ID.fullmatch(hook_id):
            raise ValueError("not a webhook id (letters, digits, dots, dashes and underscores)")
        self._transport.request("DELETE", f"{self._url}/{hook_id}")


def _without_secret(hook: Any) -> dict[str, Any]:
    return {name: hook[name] for name in _PUBLIC_MEMBERS if name in hook} if isinstance(hook, dict) else {}
