"""The ``Authorization`` header: an OAuth token (client credentials), or the deprecated static token.

``authorize`` and ``probe`` serve users' own tasks and the *Test* button: see ``airflow.hooks``.

Source: docs/vendors/cloudsuite.md, "Facts", login.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx

from order_relay import COMMAND
from order_relay.errors import ConfigurationError, SourceAuthError, ThrottledError
from order_relay.failpoints import failpoint
from order_relay.http.auth import oauth
from order_relay.http.reading.bodies import read_whole
from order_relay.http.reading.client import VendorClient
from order_relay.http.throttle import retry_after_s
from order_relay.vendors.cloudsuite.connection import CloudSuiteSettings

DEFAULT_LIFETIME_S = 300.0
"""Used if the response states no lifetime: the default of Keycloak, which the token URL looks like (assumed)."""


class CloudSuiteAuthorization:
    """The header for all threads of a client."""

    def __init__(self, settings: CloudSuiteSettings, server: VendorClient, client: httpx.Client) -> None:
        self._settings = settings
        self._server = server
        self._client = client
        self._tokens = oauth.TokenCache(self._fetch)

    def header(self) -> str:
        """The header, its token renewed if it is about to expire.

        Raises ``SourceAuthError``, ``ThrottledError``, ``TransientError``.
        """
        if self._settings.auth == "token":
            return f"Token {self._settings.password}"
        return f"Bearer {self._tokens.get()}"

    def replace(self, refused: str) -> str:
        """A header other than ``refused``. Raises the errors of ``header``; a static token has no replacement."""
        if self._settings.auth == "token":
            raise SourceAuthError("CloudSuite refused the static token (HTTP 401): edit the connection")
        return f"Bearer {self._tokens.replace(refused.removeprefix('Bearer '))}"

    def _fetch(self) -> oauth.TokenAndLifetime:
        form = {
            "grant_type": "client_credentials",
            "scope": "openid",
            "client_id": self._settings.login,
            "client_secret": self._settings.password,
        }
        limit = oauth.MAX_TOKEN_RESPONSE_BYTES
        with (
            failpoint("source token"),
            self._server.reading(),
            self._client.stream("POST", self._settings.token_url, data=form) as response,
        ):
            status = response.status_code
            if status == 429:
                raise ThrottledError("the token URL asked to slow down", retry_after_s(response.headers))
            body = read_whole(self._server.body(response, limit), limit) if status in (200, 201) else b""
        check = "token_url, client id and client secret"
        try:
            return oauth.parse_token_response(status, body, lifetime_s=DEFAULT_LIFETIME_S, check=check)
        except ConfigurationError as error:
            raise SourceAuthError(str(error)) from None


def authorize(settings: CloudSuiteSettings) -> Callable[[], Mapping[str, str]]:
    """Headers that authorize a request. Calling the result raises ``SourceAuthError``, ``TransientError``."""
    server = VendorClient("CloudSuite", settings)
    authorization = CloudSuiteAuthorization(settings, server, server.open_client(connections=1))
    return lambda: {"Authorization": authorization.header()}


def probe(settings: CloudSuiteSettings) -> str:
    """Request a token; with a static token, contact the server without it. Raises as ``authorize``."""
    if settings.auth == "token":
        status = VendorClient("CloudSuite", settings).reach()
        return f"The server answered (HTTP {status}). The token was not tested: `{COMMAND} doctor` does."
    authorize(settings)()
    return f"CloudSuite issued a token. `{COMMAND} doctor` also reads orders."
