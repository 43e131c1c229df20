"""Hooks of the vendors' connection types, for users' own tasks and for the *Test* button of the connection form.

There is one class per vendor folder, named after the connection type: ``MyshopHook`` for type ``myshop``. Order Relay
itself sends orders with its own clients (docs/decisions/0017-bulk-sending-and-httphook.md), which use the same base
URL, TLS, proxy and time-out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import urlsplit

from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk import BaseHook
from requests.auth import AuthBase
from requests_toolbelt.adapters.socket_options import TCPKeepAliveAdapter

from order_relay.airflow.connections import connection, ledger_url
from order_relay.airflow.http_options import prepare, timeout_s
from order_relay.airflow.provider import connection_forms, hook_class
from order_relay.connections import Connection
from order_relay.errors import ConfigurationError, OrderRelayError
from order_relay.vendors import load_vendor, optional_module

if TYPE_CHECKING:
    from airflow.sdk import Connection as AirflowConnection
    from requests import PreparedRequest, Response, Session

AuthHeaders = Callable[[], Mapping[str, str]]
"""Returns the headers that authorize a request; tokens are cached and renewed."""


class VendorHook(HttpHook):
    """An ``HttpHook`` for a vendor's connection, without the provider's pitfalls.

    Our own extra fields do not become headers, requests have a time-out, redirects are not followed unless the
    extra field ``max_redirects`` allows them, credentials are sent to the connection's own server only, and bodies of
    error responses are not logged, because they may quote an order.
    """

    vendor: ClassVar[str] = ""

    def __init__(self, http_conn_id: str = "", method: str = "GET", **arguments: Any) -> None:
        super().__init__(method=method, http_conn_id=http_conn_id or self.default_conn_name, **arguments)

    def get_connection(self, conn_id: str) -> AirflowConnection:  # type: ignore[override]
        """The connection as ``HttpHook`` may see it. Raises ``ConfigurationError``, ``TransientError``."""
        return prepare(self._connection if conn_id == self.http_conn_id else connection(conn_id))

    def get_conn(self, headers: dict[Any, Any] | None = None, extra_options: dict[str, Any] | None = None) -> Session:
        """A ``requests`` session that is authorized for the vendor's API, for a user's own tasks.

        Relative paths are joined by ``url_from_endpoint``. Raises ``ConfigurationError`` if the connection is invalid,
        or if the vendor has no API to call.
        """
        access = self._access()
        settings = self._settings
        session = super().get_conn(headers, extra_options)
        session.mount("http://", adapter := _TimeoutAdapter(timeout_s(self._connection)))
        session.mount("https://", adapter)
        session.auth = _OwnServerAuth(self.base_url, access.authorize(settings))
        return session

    def check_response(self, response: Response) -> None:
        """Raise ``AirflowException`` for an error status, without logging the body."""
        if not response.ok:
            from airflow.sdk.exceptions import AirflowException

            raise AirflowException(f"{self.hook_name} returned HTTP {response.status_code} {response.reason}")

    def test_connection(self) -> tuple[bool, str]:
        """Check the fields, then contact the vendor in a harmless way: ``probe`` of the vendor's module ``access``."""
        try:
            settings = self._settings
            access = optional_module(self.vendor, "access")
            if access is None:
                return (
                    True,
                    f"All fields are valid. {self.hook_name} calls Order Relay, so there is nothing to contact.",
                )
            return True, str(access.probe(settings))
        except OrderRelayError as error:
            return False, str(error)

    @cached_property
    def _connection(self) -> Connection:
        return connection(self.http_conn_id)

    @cached_property
    def _settings(self) -> Any:
        return load_vendor(self.vendor).settings.from_connection(self._connection)

    def _access(self) -> ModuleType:
        access = optional_module(self.vendor, "access")
        if access is None:
            raise ConfigurationError(f"{self.hook_name} has no API to call: it calls Order Relay")
        return access


class LedgerHook(BaseHook):
    """Hook of the connection type ``order_relay_ledger``."""

    conn_name_attr = "conn_id"
    conn_type = "order_relay_ledger"
    hook_name = "Order Relay ledger (PostgreSQL)"
    default_conn_name = "order_relay_ledger"

    def __init__(self, conn_id: str = default_conn_name, **_: Any) -> None:
        super().__init__()
        self.conn_id = conn_id

    def get_conn(self) -> Any:
        """An SQLAlchemy connection to the ledger. Raises ``ConfigurationError``."""
        from sqlalchemy.engine import make_url

        from order_relay.ledger.store.database import make_engine

        return make_engine(make_url(ledger_url(self.conn_id))).connect()

    def test_connection(self) -> tuple[bool, str]:
        """Log in to the database; nothing is read or written."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            self.get_conn().close()
        except OrderRelayError as error:
            return False, str(error)
        except SQLAlchemyError as error:
            return False, f"The database cannot be reached, or it refused the login ({type(error).__name__})."
        return True, "The database accepted the login."


class DeskHook(BaseHook):
    """Hook of the connection type ``order_relay_desk``, for the *Test* button only."""

    conn_name_attr = "conn_id"
    conn_type = "order_relay_desk"
    hook_name = "Order Relay order desk (own login)"
    default_conn_name = "order_relay_desk"

    def __init__(self, conn_id: str = default_conn_name, **_: Any) -> None:
        super().__init__()
        self.conn_id = conn_id

    def test_connection(self) -> tuple[bool, str]:
        """Check the users; nothing is contacted."""
        from order_relay.desk.standalone.accounts import read_accounts

        try:
            found = read_accounts(connection(self.conn_id))
        except OrderRelayError as error:
            return False, str(error)
        return True, f"{len(found.users)} user{'s' * (len(found.users) != 1)} may sign in to the order desk."


class _TimeoutAdapter(TCPKeepAliveAdapter):  # type: ignore[misc]  # untyped base
    """Requests without a time-out of their own get the connection's: ``requests`` has no default."""

    def __init__(self, default_s: float) -> None:
        self._default_s = default_s
        super().__init__()

    def send(self, request: PreparedRequest, **arguments: Any) -> Response:
        """See ``HTTPAdapter.send``."""
        if arguments.get("timeout") is None:
            arguments["timeout"] = self._default_s
        return cast("Response", super().send(request, **arguments))


class _OwnServerAuth(AuthBase):
    """Adds a vendor's credentials to requests to its own server, and to no other."""

    def __init__(self, base_url: str, headers: AuthHeaders) -> None:
        self._origin, self._headers = _origin(base_url), headers

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """See ``AuthBase``."""
        if _origin(request.url or "") == self._origin:
            request.headers.update(self._headers())
        return request


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


@cache
def _vendor_hook(name: str) -> type[VendorHook] | None:
    for vendor, form in connection_forms().items():
        if hook_class(form) == name:
            kind = form["connection_type"]
            members = {
                "__doc__": f"Hook of connection type ``{kind}`` ({form['name']}). See ``VendorHook``.",
                "__module__": __name__,
                "vendor": vendor,
                "conn_type": kind,
                "hook_name": form["name"],
                "default_conn_name": f"{kind}_default",
            }
            return type(name, (VendorHook,), members)
    return None


def __getattr__(name: str) -> Any:
    """The vendors' hook classes, so that a new vendor folder needs no change here."""
    found = _vendor_hook(name)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found
