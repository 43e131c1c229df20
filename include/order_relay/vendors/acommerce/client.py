"""aCommerce's status updates: orders changed since a time, page by page, and single orders by id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from order_relay.errors import ConfigurationError, MalformedResponseError
from order_relay.orders.fulfilment.status_records import StatusPage
from order_relay.orders.schema.validator import VendorFormat
from order_relay.times import utc_text
from order_relay.vendors.acommerce.connection import AcommerceSettings
from order_relay.vendors.acommerce.paging import PageSequence
from order_relay.vendors.acommerce.transport import AcommerceTransport, StatusReply

IDS_PER_CALL = 10
"""Maximum ids in one request (docs/vendors/acommerce.md, "Facts", read by id)."""


class AcommerceClient:
    """One channel or partner; for one thread. Connections are kept until ``close``."""

    max_ids_per_call = IDS_PER_CALL

    def __init__(self, settings: AcommerceSettings, vendor_format: VendorFormat) -> None:
        self._settings = settings
        self._transport = AcommerceTransport(settings)
        self._url = f"{settings.base_url}/{settings.scope}/sales-order-status"
        self.account = settings.account
        self.format = vendor_format

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def changed(self, since: datetime) -> Iterator[StatusPage]:
        """All orders whose status changed since then, page by page.

        Raises ``SourceAuthError``, ``ConfigurationError``, ``ThrottledError``, ``TransientError``, and
        ``MalformedResponseError``, also if the pages are inconsistent or it is unknown whether a page is the last.
        """
        query = [("since", utc_text(since)), *self._settings.query.items()]
        url = f"{self._url}?{urlencode(query)}"
        pages = PageSequence(self._settings, url, self._transport.is_own)
        while url:
            try:
                reply = self._transport.get(url, self._settings.headers)
            except ConfigurationError as error:
                pages.check_missing(error)
                return
            page = _page(reply)
            pages.add(page.records)
            yield page
            url = pages.next_url(reply.next_url, len(page.records))

    def by_ids(self, ids: Sequence[str]) -> StatusPage:
        """The whole histories of at most ten orders. Raises the errors of ``changed``; pauses are not waited for."""
        if not 1 <= len(ids) <= IDS_PER_CALL:
            raise ValueError(f"from 1 to {IDS_PER_CALL} ids per call")
        query = [*(("id", order_id) for order_id in ids), *self._settings.query.items()]
        return _page(self._transport.request("GET", f"{self._url}/id", query, self._settings.headers))


def _page(reply: StatusReply) -> StatusPage:
    """The orders of a response. An empty JSON value of any type is an empty page (seen in public clients)."""
    value: Any = reply.value
    if not value:
        return StatusPage((), reply.asked_at)
    if not isinstance(value, list):
        raise MalformedResponseError("the response is not a list of orders")
    return StatusPage(tuple(value), reply.asked_at)
