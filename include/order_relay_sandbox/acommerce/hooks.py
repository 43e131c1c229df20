"""Webhooks: registrations and the queue of signed deliveries."""

from __future__ import annotations

import hmac
import json
from collections import Counter
from typing import Any

import aiohttp

from order_relay_sandbox.acommerce.switches import AcommerceSwitches

Document = dict[str, Any]


class HookBook:
    """Registered webhooks and queued deliveries. ``answers`` counts the receivers' HTTP statuses."""

    def __init__(self) -> None:
        self.hooks: dict[str, Document] = {}
        self.waiting: list[bytes] = []
        self.answers: Counter[str] = Counter()
        self._number = 0

    def register(self, hook: Document) -> Document:
        """Register a webhook. Returns it as shown to clients, without its secret."""
        self._number += 1
        made = {**hook, "id": f"hook-{self._number}"}
        self.hooks[made["id"]] = made
        return {name: value for name, value in made.items() if name != "secret"}

    def queue(self, record: Document) -> None:
        """Queue a delivery as compact JSON; exactly these bytes are signed."""
        self.waiting.append(json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode())

    async def deliver(self, switches: AcommerceSwitches) -> Document:
        """Send the queue to every active webhook; deliveries without a successful answer stay queued."""
        left = []
        async with aiohttp.ClientSession() as client:
            for body in self.waiting:
                statuses = [
                    await self._send(client, hook, body, switches) for hook in self.hooks.values() if hook.get("active")
                ]
                if any(status not in range(200, 300) for status in statuses):
                    left.append(body)
        sent, self.waiting = len(self.waiting) - len(left), left
        return {"delivered": sent, "waiting": len(left)}

    async def _send(
        self, client: aiohttp.ClientSession, hook: Document, body: bytes, switches: AcommerceSwitches
    ) -> int:
        headers = {"Content-Type": "application/json", "X-Acomm-Signature": sign(body, hook["secret"], switches)}
        try:
            async with client.post(hook["url"], data=body, headers=headers) as response:
                self.answers[str(response.status)] += 1
                return response.status
        except aiohttp.ClientError:
            self.answers["none"] += 1
            return 0


def sign(body: bytes, secret: str, switches: AcommerceSwitches) -> str:
    """The hex digest for the signature header."""
    return hmac.new(secret.encode(), body, switches.signature).hexdigest()
