"""aCommerce's status updates: what changed since a moment, page by page, and single orders by their ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx

from order_relay.errors import ConfigurationError, MalformedResponseError
from order_relay.orders.fulfilment.status_records import StatusPage
from order_relay.orders.schema.validator import VendorFormat
from order_relay.times import utc_text
from order_relay.vendors.acommerce.connection import AcommerceSettings
from order_relay.vendors.acommerce.transport import AcommerceTransport

IDS_PER_CALL = 10
"""At most so many ids in one read (checked by the vendor's own public client)."""
MAX_PAGES = 100_000


class AcommerceClient:
    """One channel or partner. Used by one thread; connections are kept until ``close``."""

    max_ids_per_call = IDS_PER_CALL

    def __init__(
        self, settings: AcommerceSettings, vendor_format: VendorFormat, transport: AcommerceTransport | None = None
    ) -> None:
        self._settings = settings
        self._transport = transport or AcommerceTransport(settings)
        self.account = settings.account
        self.format = vendor_format

    def close(self) -> None:
        """Give up the connections."""
        self._transport.close()

    def changed(self, since: datetime) -> Iterator[StatusPage]:
        """All orders whose status changed since then, page by page as the header ``Link`` leads. After a full page
        without that header the next one is asked for by its number, until a page is not full.

        Raises ``SourceAuthError``, ``ConfigurationError``, ``ThrottledError``, ``MalformedResponseError`` (also for a
        next page on another host,
        one that was read already, or where it stays unknown whether a full page was the last), ``TransientError``.
        """
        query = [("since", utc_text(since)), *self._settings.query.items()]
        url = f"{self._url()}?{urlencode(query)}"
        answer, linked, guessed = self._transport.get(url, None, self._settings.headers), False, False
        seen, orders = {url}, set[str]()
        for number in range(1, MAX_PAGES + 1):
            page = _page(answer.value, answer.asked_at)
            named = {_identity(record) for record in page.records}
            if guessed and page.records and named <= orders:
                raise self._incomplete("the next page repeated orders that were read already")
            yield page
            orders |= named
            full = self._settings.paging != "link" and len(page.records) >= self._settings.page_size
            following = answer.next_url or (self._following(url, number, linked=linked) if full else "")
            if not following:
                return
            guessed, linked = not answer.next_url, linked or bool(answer.next_url)
            if following in seen:
                raise MalformedResponseError("aCommerce's pages lead in a circle")
            seen.add(following)
            self._check_host(following)
            try:
                answer, url = self._transport.get(following, None, self._settings.headers), following
            except ConfigurationError as error:
                if not guessed:
                    raise
                if linked:
                    return  # pages are linked, and there was no link: a further page does not exist
                raise self._incomplete(str(error)) from None
        raise MalformedResponseError(f"aCommerce has more than {MAX_PAGES} pages")

    def _following(self, url: str, number: int, *, linked: bool) -> str:
        """The address of the page after a full one without a link; empty where its place is not known."""
        parts, settings = urlsplit(url), self._settings
        name = settings.page_parameter
        query = parse_qsl(parts.query, keep_blank_values=True)
        if linked and name not in dict(query):
            return ""  # linked in a way of its own
        if settings.paging == "offset":
            value = number * settings.page_size
        else:
            said = dict(query).get(name, "")
            value = int(said) + 1 if said.isascii() and said.isdigit() and len(said) < 9 else number + 1
        query = [(key, text) for key, text in query if key != name]
        return urlunsplit(parts._replace(query=urlencode([*query, (name, str(value))])))

    def _incomplete(self, why: str) -> MalformedResponseError:
        settings = self._settings
        return MalformedResponseError(
            f"aCommerce gave a full page of {settings.page_size} orders without a Link header, and it is unknown "
            f"whether more changed ({why}). What was read is stored; the next poll begins where this one did. Ask "
            "aCommerce how pages are asked for, and set paging, page_parameter and page_size in the connection"
        )

    def by_ids(self, ids: Sequence[str]) -> StatusPage:
        """The whole histories of at most ten orders. Raises as ``changed``, ``ThrottledError`` at once."""
        if not 1 <= len(ids) <= IDS_PER_CALL:
            raise ValueError(f"from 1 to {IDS_PER_CALL} ids a call")
        query = [*(("id", order_id) for order_id in ids), *self._settings.query.items()]
        answer = self._transport.get(f"{self._url()}/id", query, self._settings.headers, patient=False)
        return _page(answer.value, answer.asked_at)

    def _url(self) -> str:
        return f"{self._settings.base_url}/{self._settings.scope}/sales-order-status"

    def _check_host(self, url: str) -> None:
        """The token goes with every request, so only to the host that it is for."""
        if _origin(url) != _origin(self._settings.base_url):
            raise MalformedResponseError(
                "aCommerce's next page is on another host than the connection's; it was not asked for"
            )


def _identity(record: Any) -> str:
    return str(record.get("orderId")) if isinstance(record, dict) else repr(record)[:200]


def _origin(url: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except (ValueError, httpx.InvalidURL):
        raise MalformedResponseError("aCommerce's next page has no usable address") from None


def _page(value: Any, asked_at: datetime) -> StatusPage:
    """An empty JSON value of any kind is an empty page (seen in public clients)."""
    if not value:
        return StatusPage((), asked_at)
    if not isinstance(value, list):
        raise MalformedResponseError("the answer is no list of orders")
    return StatusPage(tuple(value), asked_at)
