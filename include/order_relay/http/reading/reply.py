"""A successful response whose body is still to be read, and the usual ways to read it."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx

from order_relay.errors import MalformedResponseError
from order_relay.http.json.json_recovery import recover_body
from order_relay.http.reading.bodies import check_headers, read_whole
from order_relay.http.reading.client import VendorClient
from order_relay.orders.messages import SourceOrder


class Reply:
    """A response with a status from 200 to 299. ``sent_at``, ``answered_at``: times of our clock, UTC."""

    def __init__(self, server: VendorClient, response: httpx.Response, sent_at: datetime) -> None:
        self.server = server
        self.response = response
        self.sent_at = sent_at
        self.answered_at = datetime.now(UTC)

    @property
    def headers(self) -> httpx.Headers:
        """The headers; names are case-insensitive."""
        return self.response.headers

    @property
    def is_empty(self) -> bool:
        """Whether the response states that it has no body."""
        return self.response.status_code == 204 or self.headers.get("content-length") == "0"

    @property
    def next_link(self) -> str:
        """The absolute URL of the header ``Link`` with ``rel="next"`` (RFC 8288), or empty."""
        link = self.response.links.get("next", {}).get("url")
        try:
            return str(self.response.url.join(link)) if link else ""
        except (ValueError, httpx.InvalidURL):
            raise MalformedResponseError("the header Link of the response does not hold a URL") from None

    def body(self, opening: bytes = b"{") -> bytes:
        """The body, which must be JSON and begin with one of the characters ``opening``.

        Raises ``MalformedResponseError`` if it is of another type, truncated, or larger than ``size_limit_bytes``.
        """
        check_headers(self.response)
        return read_whole(self.server.body(self.response), self.server.settings.size_limit_bytes, opening)


def parse_order(reply: Reply) -> SourceOrder:
    """One order, as far as it is readable. Raises ``MalformedResponseError``, also if the response is empty."""
    found = parse_order_if_any(reply)
    if found is None:
        raise MalformedResponseError("the response is empty")
    return found


def parse_order_if_any(reply: Reply) -> SourceOrder | None:
    """One order, or ``None`` if the response has no body. Raises ``MalformedResponseError``."""
    return None if reply.is_empty else recover_body(reply.body(), "the response")


def ignore_body(_reply: Reply) -> None:
    """For a response whose status says everything."""
