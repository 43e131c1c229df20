"""The ``Authorization`` header: an OAuth token (client credentials), or the deprecated static token.

``authorize`` and ``probe`` serve users' own tasks and the *Test* button: see ``airflow.hooks``.

Source: docs/vendors/cloudsuite.md, "Facts", login.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from order_relay import COMMAND
from order_relay.http.auth.authorizer import request_headers
from order_relay.http.auth.credentials import ClientCredentials, Credentials, bearer
from order_relay.http.reading.client import VendorClient
from order_relay.vendors.cloudsuite.connection import CloudSuiteSettings

DEFAULT_LIFETIME_S = 300.0
"""Used if the response states no lifetime: the default of Keycloak, which the token URL looks like (assumed)."""


def credentials(settings: CloudSuiteSettings) -> Credentials:
    """The credentials of a connection."""
    if settings.auth == "token":
        return bearer(settings.password, "Token")
    return ClientCredentials(
        token_url=settings.token_url,
        client_id=settings.login,
        client_secret=settings.password,
        form={"scope": "openid"},
        secret_in_form=True,
        lifetime_s=DEFAULT_LIFETIME_S,
    )


def authorize(settings: CloudSuiteSettings) -> Callable[[], Mapping[str, str]]:
    """Headers that authorize a request. Calling the result raises ``SourceAuthError``, ``TransientError``."""
    return request_headers(credentials(settings), VendorClient("CloudSuite", settings))


def probe(settings: CloudSuiteSettings) -> str:
    """Request a token; with a static token, contact the server without it. Raises as ``authorize``."""
    if settings.auth == "token":
        status = VendorClient("CloudSuite", settings).reach()
        return f"The server answered (HTTP {status}). The token was not tested: `{COMMAND} doctor` does."
    authorize(settings)()
    return f"CloudSuite issued a token. `{COMMAND} doctor` also reads orders."
