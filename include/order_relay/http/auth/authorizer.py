"""Authorizes the requests of a synchronous client by declared credentials: constant ones, or a token that is renewed.

Besides the credentials of ``credentials`` there are ``QueryKey`` and ``IssuedToken``, for a token that a vendor issues
in its own way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Protocol
from urllib.parse import urlencode

import httpx

from order_relay.errors import ConfigurationError, SourceAuthError, ThrottledError
from order_relay.failpoints import failpoint
from order_relay.http.auth.credentials import ClientCredentials, Credentials, Grant, spellings
from order_relay.http.auth.oauth import MAX_TOKEN_RESPONSE_BYTES, TokenAndLifetime, TokenCache, check_token_status
from order_relay.http.json.strict_json import read_object
from order_relay.http.reading.bodies import read_whole
from order_relay.http.reading.client import VendorClient
from order_relay.http.throttle import is_throttling, retry_after_s
from order_relay.orders.json_text import encode


@dataclass(frozen=True)
class QueryKey:
    """An API key in a query parameter. A key in a header is safer: servers write URLs into their logs."""

    parameter: str
    key: str = field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that no message may contain."""
        return (self.key,)

    def grant(self, _token: str = "") -> Grant:
        """What is sent with a request."""
        return Grant(query={self.parameter: self.key}, hidden=spellings(*self.secrets))


@dataclass(frozen=True, kw_only=True)
class IssuedToken:
    """A token that the vendor issues in its own way, sent in ``header``.

    ``document`` is sent to ``url`` by POST; ``read`` finds token and lifetime in the JSON object of the response.
    ``secrets``: no message may contain them. ``check``: the settings to check if the request is refused.
    """

    url: str
    document: Any = field(repr=False)
    read: Callable[[dict[str, Any]], TokenAndLifetime]
    secrets: tuple[str, ...] = field(repr=False)
    header: str = "Authorization"
    scheme: str = "Bearer"
    check: str

    def grant(self, token: str = "") -> Grant:
        """What is sent with a request, once there is a token."""
        headers = {self.header: f"{self.scheme} {token}".strip()}
        return Grant(headers, hidden=spellings(token, *self.secrets), token=token)

    def issue(self, server: VendorClient, client: httpx.Client) -> TokenAndLifetime:
        """A new token. Raises ``ConfigurationError``, ``ThrottledError``, ``TransientError``."""
        headers = {"Content-Type": "application/json"}
        status, received, body = _post(server, client, self.url, headers, encode(self.document))
        if is_throttling(status, received):
            raise ThrottledError("the token URL asked to slow down", retry_after_s(received))
        check_token_status(status, self.check)
        return self.read(read_object(body, "the response of the token URL"))


Auth = Credentials | QueryKey | IssuedToken


class Authorizer(Protocol):
    """Authorizes the requests of one client; for any number of threads."""

    def grant(self) -> Grant:
        """The present credentials. Raises ``SourceAuthError``, ``ThrottledError``, ``TransientError``."""

    def renewed(self, refused: Grant) -> Grant | None:
        """Other credentials than those the vendor refused, or ``None`` if there are none. Raises as ``grant``."""


def open_authorizer(auth: Auth, server: VendorClient, client: httpx.Client) -> Authorizer:
    """The authorizer of a client. Tokens are requested with the same client."""
    if isinstance(auth, IssuedToken):
        return _Renewing(partial(_issued, auth.issue, server, client), auth.grant)
    if isinstance(auth, ClientCredentials):
        return _Renewing(partial(_issued, partial(_granted, auth), server, client), auth.grant)
    return _Constant(auth.grant())


def request_headers(auth: Auth, server: VendorClient) -> Callable[[], Mapping[str, str]]:
    """Headers that authorize a request of a user's own task.

    Calling the result raises ``SourceAuthError``, ``ThrottledError``, ``TransientError``.
    """
    authorizer = open_authorizer(auth, server, server.open_client(connections=1))
    return lambda: authorizer.grant().headers


class _Constant:
    """A refused credential is not tried again: some vendors lock accounts."""

    def __init__(self, present: Grant) -> None:
        self._present = present

    def grant(self) -> Grant:
        return self._present

    def renewed(self, _refused: Grant) -> Grant | None:
        return None


class _Renewing:
    def __init__(self, fetch: Callable[[], TokenAndLifetime], grant: Callable[[str], Grant]) -> None:
        self._tokens = TokenCache(fetch)
        self._grant = lru_cache(maxsize=1)(grant)

    def grant(self) -> Grant:
        return self._grant(self._tokens.get())

    def renewed(self, refused: Grant) -> Grant | None:
        return self._grant(self._tokens.replace(refused.token))


Issue = Callable[[VendorClient, httpx.Client], TokenAndLifetime]


def _issued(issue: Issue, server: VendorClient, client: httpx.Client) -> TokenAndLifetime:
    try:
        return issue(server, client)
    except ConfigurationError as error:
        raise SourceAuthError(str(error)) from None


def _granted(auth: ClientCredentials, server: VendorClient, client: httpx.Client) -> TokenAndLifetime:
    headers, form = auth.request()
    return auth.read(*_post(server, client, auth.token_url, headers, urlencode(form).encode()))


def _post(
    server: VendorClient, client: httpx.Client, url: str, headers: Mapping[str, str], content: bytes
) -> tuple[int, httpx.Headers, bytes]:
    """Status, headers and body of the response of a token URL; the body only of a success."""
    limit = MAX_TOKEN_RESPONSE_BYTES
    stream = client.stream("POST", url, content=content, headers=headers)
    with failpoint("source token"), server.reading(), stream as response:
        is_read = response.status_code in (200, 201)
        body = read_whole(server.body(response, limit), limit) if is_read else b""
        return response.status_code, response.headers, body
