"""Access for users' own tasks and for the *Test* button: see ``airflow.hooks``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from order_relay import COMMAND
from order_relay.http.client import VendorClient
from order_relay.vendors.cloudsuite.connection import CloudSuiteSettings
from order_relay.vendors.cloudsuite.token import CloudSuiteAuthorization


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
