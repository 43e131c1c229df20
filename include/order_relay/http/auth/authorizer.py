"""Authorizes the requests of a synchronous client by declared credentials: constant ones, or a token that is renewed.

Besides the credentials of ``credentials`` there are ``QueryKey`` and ``IssuedToken``, for a token that a vendor issues
in its own way. Messages never contain a credential in any of its spellings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote, quote_plus, urlencode

import httpx

from order_relay.errors import ConfigurationError, SourceAuthError, ThrottledError
from order_relay.failpoints import failpoint
from order_relay.http.auth.credentials import ClientCredentials, Credentials
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

    def issue(self, server: VendorClient, client: httpx.Client) -> TokenAndLifetime:
        """A new token. Raises ``ConfigurationError``, ``ThrottledError``, ``TransientError``."""
        headers = {"Content-Type": "application/json"}
        status, received, body = _post(server, client, self.url, headers, encode(self.document))
        if is_throttling(status, received):
            raise ThrottledError("the token URL asked to slow down", retry_after_s(received))
        check_token_status(status, self.check)
        return self.read(read_object(body, "the response of the token URL"))


Auth = Credentials | QueryKey | IssuedToken


@dataclass(frozen=True)
class Grant:
    """Headers and query parameters that authorize one request. ``secrets``: texts that no message may contain."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


class Authorizer(Protocol):
    """Authorizes the requests of one client; for any number of threads."""

    def grant(self) -> Grant:
        """The present credentials. Raises ``SourceAuthError``, ``ThrottledError``, ``TransientError``."""

    def renewed(self, refused: Grant) -> Grant | None:
        """Other credentials than those the vendor refused, or ``None`` if there are none. Raises as ``grant``."""


def open_authorizer(auth: Auth, server: VendorClient, client: httpx.Client) -> Authorizer:
    """The authorizer of a client. Tokens are requested with the same client."""
    hidden = spellings(*auth.secrets)
    if isinstance(auth, IssuedToken):
        return _Renewing(partial(_issued, auth.issue, server, client), auth.header, auth.scheme, hidden)
    if isinstance(auth, ClientCredentials):
        return _Renewing(partial(_issued, partial(_granted, auth), server, client), "Authorization", "Bearer", hidden)
    if isinstance(auth, QueryKey):
        return _Constant(Grant(query={auth.parameter: auth.key}, secrets=hidden))
    return _Constant(Grant(auth.headers, secrets=hidden))


def request_headers(auth: Auth, server: VendorClient) -> Callable[[], Mapping[str, str]]:
    """Headers that authorize a request of a user's own task.

    Calling the result raises ``SourceAuthError``, ``ThrottledError``, ``TransientError``.
    """
    authorizer = open_authorizer(auth, server, server.open_client(connections=1))
    return lambda: authorizer.grant().headers


def spellings(*secrets: str) -> tuple[str, ...]:
    """The secrets as they are and as they appear in URLs, the longest first."""
    found: set[str] = set()
    for secret in filter(None, secrets):
        found |= {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    return tuple(sorted(found, key=lambda text: (-len(text), text)))


class _Constant:
    """A refused credential is not tried again: some vendors lock accounts."""

    def __init__(self, present: Grant) -> None:
        self._present = present

    def grant(self) -> Grant:
        return self._present

    def renewed(self, _refused: Grant) -> Grant | None:
        return None


class _Renewing:
    def __init__(
        self, fetch: Callable[[], TokenAndLifetime], header: str, scheme: str, hidden: tuple[str, ...]
    ) -> None:
        self._tokens = TokenCache(fetch)
        self._header = header
        self._scheme = scheme
        self._hidden = hidden
        self._present = ("", Grant())

    def grant(self) -> Grant:
        return self._sent(self._tokens.get())

    def renewed(self, refused: Grant) -> Grant | None:
        return self._sent(self._tokens.replace(refused.headers[self._header].split()[-1]))

    def _sent(self, token: str) -> Grant:
        """The grant of a token, built once for each."""
        known, grant = self._present
        if known != token:
            hidden = (*spellings(token), *self._hidden)
            grant = Grant({self._header: f"{self._scheme} {token}".strip()}, secrets=hidden)
            self._present = (token, grant)
        return grant


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
