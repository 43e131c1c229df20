"""Which page of a status list comes next: by the ``Link`` header, or guessed after a full page without one.

Facts and assumptions: docs/vendors/acommerce.md, "Facts", pages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from order_relay.errors import ConfigurationError, MalformedResponseError
from order_relay.vendors.acommerce.connection import AcommerceSettings

MAX_PAGES = 100_000


class PageSequence:
    """The pages of one list. ``url`` is the first page's; ``is_own``: whether a URL is on the account's host."""

    def __init__(self, settings: AcommerceSettings, url: str, is_own: Callable[[str], bool]) -> None:
        self._settings = settings
        self._is_own = is_own
        self._url = url
        self._number = 1
        self._visited = {url}
        self._orders: set[str] = set()
        self._linked = False  # a page had a link
        self._guessed = False  # the URL of the present page was not given by a link

    def add(self, records: tuple[Any, ...]) -> None:
        """Register the records of the present page. Raises ``MalformedResponseError`` if a guess repeated a page."""
        ids = {_identity(record) for record in records}
        if self._guessed and records and ids <= self._orders:
            raise self._incomplete("the next page repeated orders that were already read")
        self._orders |= ids

    def next_url(self, link: str, size: int) -> str:
        """The URL of the next page, or empty after the last one. ``size``: records of the present page.

        Raises ``MalformedResponseError`` for a loop, another host, or too many pages.
        """
        is_full = self._settings.paging != "link" and size >= self._settings.page_size
        url = link or (self._guess() if is_full else "")
        if not url:
            return ""
        self._guessed, self._linked = not link, self._linked or bool(link)
        if url in self._visited:
            raise MalformedResponseError("aCommerce's pages lead in a circle")
        self._check_host(url)
        if self._number >= MAX_PAGES:
            raise MalformedResponseError(f"aCommerce has more than {MAX_PAGES} pages")
        self._visited.add(url)
        self._url, self._number = url, self._number + 1
        return url

    def check_missing(self, error: ConfigurationError) -> None:
        """Return if the refused page does not exist, because other pages were linked and this one was a guess.

        Raises ``error`` for a linked page, ``MalformedResponseError`` if the guess cannot be decided.
        """
        if not self._guessed:
            raise error
        if not self._linked:
            raise self._incomplete(str(error)) from None

    def _guess(self) -> str:
        """The URL of the page after a full one without a link; empty if its parameter is not known."""
        parts, settings = urlsplit(self._url), self._settings
        name = settings.page_parameter
        query = parse_qsl(parts.query, keep_blank_values=True)
        if self._linked and name not in dict(query):
            return ""  # links use another parameter
        if settings.paging == "offset":
            value = self._number * settings.page_size
        else:
            present = dict(query).get(name, "")
            is_number = present.isascii() and present.isdigit() and len(present) < 9
            value = int(present) + 1 if is_number else self._number + 1
        query = [(key, text) for key, text in query if key != name]
        return urlunsplit(parts._replace(query=urlencode([*query, (name, str(value))])))

    def _check_host(self, url: str) -> None:
        """The token is sent with each request, so only to the host that it is for."""
        if not self._is_own(url):
            raise MalformedResponseError(
                "aCommerce's next page is on another host than the connection's; it was not requested"
            )

    def _incomplete(self, reason: str) -> MalformedResponseError:
        settings = self._settings
        return MalformedResponseError(
            f"aCommerce sent a full page of {settings.page_size} orders without a Link header, and it is unknown "
            f"whether more orders changed ({reason}). The orders read are stored; the next poll starts at the same "
            "time again. Ask aCommerce how pages are requested, and set paging, page_parameter and page_size in the "
            "connection"
        )


def _identity(record: Any) -> str:
    return str(record.get("orderId")) if isinstance(record, dict) else repr(record)[:200]
