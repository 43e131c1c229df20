"""Access for users' own tasks and for the *Test* button: see ``airflow.hooks``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from order_relay import COMMAND
from order_relay.http.auth.credentials import basic_auth
from order_relay.http.reading.client import VendorClient
from order_relay.vendors.supercat.connection import SuperCatSettings


def authorize(settings: SuperCatSettings) -> Callable[[], Mapping[str, str]]:
    """Headers that authorize a request."""
    return lambda: basic_auth(settings.login, settings.password).headers


def probe(settings: SuperCatSettings) -> str:
    """Contact the server without credentials. Raises ``TransientError`` if it does not answer."""
    status = VendorClient("SuperCat", settings).reach()
    return (
        f"The server answered (HTTP {status}). The login was not tested, because SuperCat locks accounts after failed "
        f"logins; `{COMMAND} doctor` tests it once."
    )
