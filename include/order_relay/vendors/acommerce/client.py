"""aCommerce's status updates: what changed since a moment, page by page, and single orders by their ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from order_relay.errors import BadAnswer
from order_relay.orders.judging import VendorFormat
from order_relay.orders.status_records import StatusPage
from order_relay.vendors.acommerce.connection import AcommerceSettings
from order_relay.vendors.acommerce.wire import Wire

IDS_A_CALL = 10
"""At most so many ids in one read (checked by the vendor's own public client)."""
MOST_PAGES = 100_000


class Acommerce:
    """One channel or partner. Used by one thread; connections are kept until ``close``."""

    ids_a_call = IDS_A_CALL

    def __init__(self, settings: AcommerceSettings, vendor_format: VendorFormat, wire: Wire | None = None) -> None:
        self._settings = settings
        self._wire = wire or Wire(settings)
        self.account = settings.account
        self.format = vendor_format

    def close(self) -> None:
        """Give up the connections."""
        self._wire.close()

    def changed(self, since: datetime) -> Iterator[StatusPage]:
        """All orders whose status changed since then, page by page as the header ``Link`` leads.

        Raises ``SourceRefused``, ``WrongSetup``, ``Throttled``, ``BadAnswer`` (also for a next page on another host, or
        one that was read already), ``RetryLater``.
        """
        query = [("since", f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"), *self._settings.query.items()]
        answer = self._wire.get(self._url(), query, self._settings.headers)
        seen = set()
        for _ in range(MOST_PAGES):
            yield _page(answer.value, answer.asked_at)
            if not answer.next_url:
                return
            if answer.next_url in seen:
                raise BadAnswer("aCommerce's pages lead in a circle")
            seen.add(answer.next_url)
            self._check_host(answer.next_url)
            answer = self._wire.get(answer.next_url, None, self._settings.headers)
        raise BadAnswer(f"aCommerce has more than {MOST_PAGES} pages")

    def by_ids(self, ids: Sequence[str]) -> StatusPage:
        """The whole histories of at most ten orders. Raises as ``changed``, ``Throttled`` at once."""
        if not 1 <= len(ids) <= IDS_A_CALL:
            raise ValueError(f"from 1 to {IDS_A_CALL} ids a call")
        query = [*(("id", order_id) for order_id in ids), *self._settings.query.items()]
        answer = self._wire.get(f"{self._url()}/id", query, self._settings.headers, patient=False)
        return _page(answer.value, answer.asked_at)

    def _url(self) -> str:
        return f"{self._settings.base_url}/{self._settings.scope}/sales-order-status"

    def _check_host(self, url: str) -> None:
        """The token goes with every request, so only to the host that it is for."""
        if _origin(url) != _origin(self._settings.base_url):
            raise BadAnswer("aCommerce's next page is on another host than the connection's; it was not asked for")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except (ValueError, httpx.InvalidURL):
        raise BadAnswer("aCommerce's next page has no usable address") from None


def _page(value: Any, asked_at: datetime) -> StatusPage:
    """An empty JSON value of any kind is an empty page (seen in public clients)."""
    if not value:
        return StatusPage((), asked_at)
    if not isinstance(value, list):
        raise BadAnswer("the answer is no list of orders")
    return StatusPage(tuple(value), asked_at)
