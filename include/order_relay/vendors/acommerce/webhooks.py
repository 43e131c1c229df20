"""Webhooks: registering, listing and deleting them, and telling a genuine delivery from a forged one.

Paths and members are seen in public code; that the stream id of version 3 is the event type is assumed.
"""

from __future__ import annotations

import hmac
import re
from typing import Any

from order_relay.errors import MalformedResponseError
from order_relay.vendors.acommerce.connection import AcommerceSettings
from order_relay.vendors.acommerce.transport import AcommerceTransport

STREAM = "SALES_ORDER_STATUS_V3"
SIGNATURE_HEADER = "X-Acomm-Signature"

_HOOK_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_PUBLIC_MEMBERS = ("id", "name", "url", "eventType", "active")


def is_genuine(body: bytes, signature: str, settings: AcommerceSettings) -> bool:
    """Whether the raw bytes were signed with the connection's secret. Takes the same time for every wrong signature."""
    if not settings.hook_secret:
        return False
    expected = hmac.new(settings.hook_secret.encode(), body, settings.signature).hexdigest()
    said = signature.strip().lower().removeprefix(f"{settings.signature}=")
    return hmac.compare_digest(expected.encode(), said.encode("utf-8", "replace"))


class WebhookClient:
    """The webhooks of one channel or partner."""

    def __init__(self, settings: AcommerceSettings, transport: AcommerceTransport | None = None) -> None:
        self._settings = settings
        self._transport = transport or AcommerceTransport(settings)
        self._url = f"{settings.auth_url}/{settings.scope}/hooks"

    def close(self) -> None:
        """Give up the connections."""
        self._transport.close()

    def register(self, name: str, url: str) -> dict[str, Any]:
        """Ask for deliveries to ``url``, signed with the connection's secret. Raises as ``Wire.get``."""
        hook = {
            "name": name,
            "url": url,
            "requestMethod": "POST",
            "secret": self._settings.hook_secret,
            "eventType": [STREAM],
            "active": True,
        }
        return _without_secret(self._transport.ask("POST", self._url, document=hook).value)

    def listed(self) -> list[dict[str, Any]]:
        """All webhooks, without their secrets. Raises as ``Wire.get``."""
        value = self._transport.get(self._url).value or []
        if not isinstance(value, list):
            raise MalformedResponseError("the answer is no list of webhooks")
        return [_without_secret(hook) for hook in value]

    def delete(self, hook_id: str) -> None:
        """Delete one. Raises ``ValueError`` for what is no id, and as ``Wire.get``."""
        if not _HOOK_ID.fullmatch(hook_id):
            raise ValueError("is no id of a webhook")
        self._transport.ask("DELETE", f"{self._url}/{hook_id}")


def _without_secret(hook: Any) -> dict[str, Any]:
    return {name: hook[name] for name in _PUBLIC_MEMBERS if name in hook} if isinstance(hook, dict) else {}
