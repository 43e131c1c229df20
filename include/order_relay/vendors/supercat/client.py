"""SuperCat eCat as a source: reads all orders that are not marked received, and marks them (page-supercat.txt)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Literal

import httpx

from order_relay.errors import (
    ConfigurationError,
    MalformedResponseError,
    OrderRelayError,
    OutcomeUnknownError,
    TransientError,
)
from order_relay.http.bodies import excerpt
from order_relay.http.client import VendorClient
from order_relay.http.json_recovery import recover_body
from order_relay.orders.json_text import encode
from order_relay.orders.messages import Acknowledgement, Selection, SourceOrder, Warn
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.supercat.connection import SuperCatSettings
from order_relay.vendors.supercat.envelope import read_envelope, read_single
from order_relay.vendors.supercat.transport import get, post

_ORDER_ID = re.compile(r"[0-9]{1,20}", re.ASCII)


class SuperCatClient:
    """One organisation's account. Fulfils the port ``Source``. Connections are kept until ``close``."""

    windowed = False
    acknowledges: Literal["order_number"] = "order_number"

    def __init__(self, settings: SuperCatSettings, vendor_format: VendorFormat) -> None:
        self._settings = settings
        self.account = settings.account
        self.format = vendor_format
        self.fingerprint = settings.fingerprint
        self._hide = (settings.password, settings.login)
        self._peer = VendorClient(
            "SuperCat",
            settings.base_url,
            settings.timeout_s,
            settings.download_s,
            settings.size_limit_bytes,
            settings.trust_env,
            self._hide,
        )

    @cached_property
    def _client(self) -> httpx.Client:
        # One for all requests: its trusted certificates take as long to load as many orders take to acknowledge.
        return self._peer.open_client(httpx.BasicAuth(self._settings.login, self._settings.password))

    def close(self) -> None:
        """Close the connections. A later request opens new ones."""
        client = self.__dict__.pop("_client", None)
        if client is not None:
            client.close()

    def fetch(self, selection: Selection) -> Iterator[SourceOrder]:
        """Stream all orders not yet marked received, or just ``selection.order_ids`` (one request each).

        SuperCat knows no dates: ``selection.start`` and ``end`` are ignored. Nothing may be used before the iterator
        has ended. Raises ``SourceAuthError``, ``ConfigurationError``, ``ThrottledError``, ``MalformedResponseError``,
        ``TransientError``.
        """
        if selection.order_ids:
            urls = [self._settings.order_url(self._checked_id(order_id)) for order_id in selection.order_ids]
            yield from (self._one(url, selection.warn) for url in urls)
            return
        settings = self._settings
        with get(self._peer, self._client, settings.orders_url) as response:
            chunks = self._peer.body(response)
            yield from read_envelope(chunks, max_order=settings.order_limit_bytes, hide=self._hide, warn=selection.warn)

    def acknowledge(self, names: Sequence[str]) -> dict[str, Acknowledgement]:
        """Mark orders as received. Every entry of the reply counts by itself, whatever status stands above them.

        A number without a usable entry is absent from the result. Raises ``OutcomeUnknownError`` where the request was
        sent
        and the reply has no entries at all, ``TransientError`` where it was not sent; also as ``offers`` does.
        """
        if not names:
            return {}
        numbers = list(dict.fromkeys(names))
        status, reply = post(self._peer, self._client, self._settings.orders_url, encode(numbers))
        entries = self._entries(reply)
        if isinstance(entries, OrderRelayError):
            if isinstance(entries, ConfigurationError):
                raise entries
            raise OutcomeUnknownError(
                f"acknowledgement sent, HTTP {status}, but the reply is no use: {entries}"
            ) from None
        return {number: answer for number in numbers if (answer := self._answer(entries.get(number))) is not None}

    def _one(self, url: str, warn: Warn) -> SourceOrder:
        settings = self._settings
        with get(self._peer, self._client, url) as response:
            chunks = self._peer.body(response)
            return read_single(chunks, max_order=settings.order_limit_bytes, hide=self._hide, warn=warn)

    @staticmethod
    def _checked_id(order_id: str) -> str:
        if not _ORDER_ID.fullmatch(order_id):
            raise ConfigurationError(
                "order_ids: SuperCat's order ids are digits (the admin portal shows them in the URL)"
            )
        return order_id

    def _entries(self, reply: bytes | OrderRelayError) -> dict[str, Any] | OrderRelayError:
        """``data`` of the reply, one entry per order number; or why there is none.

        Something wrong inside one entry (a duplicate key, a bad byte) takes away what it is about, not the others.
        """
        if isinstance(reply, OrderRelayError):
            return reply
        try:
            envelope = recover_body(reply, "the reply").document
        except MalformedResponseError as error:
            return error
        data = envelope.get("data")
        if isinstance(data, dict):
            return data
        words = excerpt(envelope.get("error"), self._hide)
        return TransientError(f"it has no entries{'; it says: ' + words if words else ''}")

    def _answer(self, entry: Any) -> Acknowledgement | None:
        if not isinstance(entry, dict) or not isinstance(entry.get("success"), bool):
            return None
        return Acknowledgement(entry["success"], excerpt(entry.get("error"), self._hide))
