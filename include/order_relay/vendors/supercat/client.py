"""SuperCat eCat as a source: reads the orders that are not marked as received, and marks them.

API: docs/vendors/supercat.md, "Facts".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Literal

import httpx

from order_relay.errors import ConfigurationError
from order_relay.http.auth.credentials import basic_auth, spellings
from order_relay.http.reading.bodies import excerpt
from order_relay.http.reading.client import VendorClient
from order_relay.orders.json_text import encode
from order_relay.orders.messages import Acknowledgement, Selection, SourceOrder, Warn
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.supercat.connection import SuperCatSettings
from order_relay.vendors.supercat.download import SuperCatDownload
from order_relay.vendors.supercat.envelope import read_envelope, read_single
from order_relay.vendors.supercat.portal import SuperCatPortal
from order_relay.vendors.supercat.transport import get, post

_ORDER_ID = re.compile(r"[0-9]{1,20}", re.ASCII)


class SuperCatClient:
    """One organisation's account. Implements the ports ``Source``, ``PastReader`` and ``PortalOwner``. Connections are
    kept until ``close``."""

    windowed = False
    acknowledges: Literal["order_number"] = "order_number"

    def __init__(self, settings: SuperCatSettings, vendor_format: VendorFormat) -> None:
        self._settings = settings
        self.account = settings.account
        self.format = vendor_format
        self._hide = spellings(*basic_auth(settings.login, settings.password).secrets)
        self._server = VendorClient("SuperCat", settings, self._hide)

    @cached_property
    def _client(self) -> httpx.Client:
        # Shared by all requests: loading the trusted certificates takes as long as acknowledging many orders.
        return self._server.open_client(httpx.BasicAuth(self._settings.login, self._settings.password))

    def close(self) -> None:
        """Close the connections. A later request opens new ones."""
        client = self.__dict__.pop("_client", None)
        if client is not None:
            client.close()

    def fetch(self, selection: Selection) -> Iterator[SourceOrder]:
        """Stream all orders not yet marked as received, or only ``selection.order_ids`` (one request each).

        SuperCat has no dates: ``selection.start`` and ``end`` are ignored. The orders are valid only once the iterator
        is exhausted. Raises ``SourceAuthError``, ``ConfigurationError``, ``ThrottledError``,
        ``MalformedResponseError``, ``TransientError``.
        """
        if selection.order_ids:
            urls = [self._settings.order_url(self._checked_id(order_id)) for order_id in selection.order_ids]
            yield from (self._read_order(url, selection.warn) for url in urls)
            return
        settings = self._settings
        with get(self._server, self._client, settings.orders_url) as response:
            chunks = self._server.body(response)
            yield from read_envelope(chunks, max_order=settings.order_limit, hide=self._hide, warn=selection.warn)

    def acknowledge(self, names: Sequence[str]) -> dict[str, Acknowledgement]:
        """Mark orders as received. Each entry of the response counts for its order, regardless of the HTTP status.

        A number without a usable entry is missing from the result, and a defect inside one entry (a duplicate key, an
        invalid byte) does not affect the others. Raises ``OutcomeUnknownError`` if the request was sent and the
        response has no entries, ``TransientError`` if it was not sent; also the errors of ``fetch``.
        """
        if not names:
            return {}
        numbers = list(dict.fromkeys(names))
        entries = post(self._server, self._client, self._settings.orders_url, encode(numbers))
        return {number: found for number in numbers if (found := self._entry(entries.get(number))) is not None}

    def past_orders(self) -> SuperCatDownload | None:
        """See ``PastReader.past_orders``: only if the connection's ``download`` is on."""
        return None if self._settings.download == "off" else SuperCatDownload(self._settings, self.format)

    def portal_files(self) -> SuperCatPortal:
        """See ``PortalOwner.portal_files``."""
        return SuperCatPortal(self._settings)

    def _read_order(self, url: str, warn: Warn) -> SourceOrder:
        settings = self._settings
        with get(self._server, self._client, url) as response:
            chunks = self._server.body(response)
            return read_single(chunks, max_order=settings.order_limit, hide=self._hide, warn=warn)

    @staticmethod
    def _checked_id(order_id: str) -> str:
        if not _ORDER_ID.fullmatch(order_id):
            raise ConfigurationError(
                "order_ids: SuperCat order ids consist of digits, such as 117159 (see the URL in the admin portal)"
            )
        return order_id

    def _entry(self, entry: Any) -> Acknowledgement | None:
        if not isinstance(entry, dict) or not isinstance(entry.get("success"), bool):
            return None
        return Acknowledgement(entry["success"], excerpt(entry.get("error"), self._hide))
