"""Which error an unsuccessful HTTP status means. The same for all vendors, except for a few statuses and hints."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import httpx

from order_relay.errors import (
    ConfigurationError,
    MalformedResponseError,
    OrderRelayError,
    SourceAuthError,
    ThrottledError,
    TransientError,
)
from order_relay.http.reading.client import VendorClient
from order_relay.http.throttle import retry_after_s

RETRYABLE = frozenset({408})
"""Statuses below 500 that mean "try again later"."""


@dataclass(frozen=True, kw_only=True)
class StatusTable:
    """One vendor's statuses. Redirects are configuration errors: they are never followed.

    ``auth`` statuses mean that the account was refused, ``configuration`` statuses that an address is wrong; the hints
    end their messages. ``throttling`` statuses ask to slow down only together with ``Retry-After``; 429 always does.
    ``message_member`` is the member of an error body that holds a text.
    """

    auth: Collection[int] = (401, 403)
    auth_hint: str = "check the credentials of the connection and their rights"
    configuration: Collection[int] = (404, 405)
    configuration_hint: str = "check the base URL of the connection"
    throttling: Collection[int] = (403, 503)
    message_member: str = "message"

    def is_throttling(self, response: httpx.Response) -> bool:
        """Whether the response asks to slow down."""
        status = response.status_code
        return status == 429 or (status in self.throttling and "retry-after" in response.headers)

    def error(self, client: VendorClient, response: httpx.Response, *, read_body: bool = True) -> OrderRelayError:
        """The error to raise for a response whose status is not a success.

        The message quotes the error text of the body, bounded, unless ``read_body`` is false.
        """
        status = response.status_code
        answered = f"{client.name} answered HTTP {status}"
        if self.is_throttling(response):
            return ThrottledError(f"{client.name} asked to slow down (HTTP {status})", retry_after_s(response.headers))
        text = client.error_excerpt(response, self.message_member) if read_body else ""
        if status in self.auth:
            return SourceAuthError(f"{client.name} refused this account (HTTP {status}): {self.auth_hint}{text}")
        if status in self.configuration or 300 <= status < 400:
            return ConfigurationError(f"{answered}: {self.configuration_hint}{text}")
        if status >= 500 or status in RETRYABLE:
            return TransientError(f"{answered}{text}")
        return MalformedResponseError(f"{answered}, which is not documented{text}")
