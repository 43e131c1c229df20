"""Airflow's ``HttpHook`` as the parser of a connection's TLS, proxy and time-out fields.

``HttpHook`` turns every extra field that it does not know into a request header, and passes on the known ones
unchecked, although connections from a form, a URI or the environment hold texts instead of booleans and objects.
``prepare`` therefore removes our own fields and converts the others before ``HttpHook`` sees them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk import Connection as AirflowConnection
from requests.utils import select_proxy

from order_relay.connections import Connection, HttpOptions

DEFAULT_TIMEOUT_S = 60.0
MAX_TIMEOUT_S = 3600.0

_PASSED_ON = ("stream", "allow_redirects", "check_response")


class _PreparedHook(HttpHook):
    """An ``HttpHook`` for a connection that was already read, without a second look-up."""

    def __init__(self, prepared: AirflowConnection) -> None:
        super().__init__(http_conn_id=prepared.conn_id)
        self._prepared = prepared

    def get_connection(self, conn_id: str) -> AirflowConnection:  # type: ignore[override]
        """The prepared connection."""
        return self._prepared


def prepare(connection: Connection) -> AirflowConnection:
    """The connection as ``HttpHook`` may see it: a complete base URL, no port, and only fields that it knows.

    Raises ``ConfigurationError`` that names the field.
    """
    extra = connection.extra
    if connection.flag("srv_lookup"):
        raise connection.wrong("srv_lookup", "is not supported; give the server's URL as the host")
    options: dict[str, Any] = {name: connection.flag(name) for name in _PASSED_ON if name in extra}
    options |= {
        "verify": _verify(connection),
        "cert": _cert(connection),
        "proxies": _proxies(connection),
        "trust_env": connection.flag("trust_env"),
        "timeout": timeout_s(connection),
        "max_redirects": connection.integer("max_redirects", minimum=0, maximum=30, default=0),
    }
    return AirflowConnection(
        conn_id=connection.conn_id,
        conn_type="http",
        host=connection.base_url(),
        login=connection.login or None,
        password=connection.password or None,
        extra=json.dumps(options),
    )


def with_http_options(connection: Connection) -> Connection:
    """The connection with the TLS and proxy options that ``HttpHook`` parses, for our own transports.

    The provider's ``timeout`` sets our ``timeout_s`` unless that is given. A connection without a host is returned as
    it is: it has no server to call. Raises ``ConfigurationError`` that names the field.
    """
    if not connection.host:
        return connection
    hook = _PreparedHook(prepare(connection))
    session = hook.get_conn()
    cert = session.cert
    options = HttpOptions(
        verify=session.verify if isinstance(session.verify, bool) else str(session.verify),
        cert=cert if cert is None or isinstance(cert, str) else (str(cert[0]), str(cert[1])),
        proxy=select_proxy(hook.base_url, dict(session.proxies)) or "",
    )
    extra = dict(connection.extra)
    if extra.get("timeout") not in (None, "") and extra.get("timeout_s") in (None, ""):
        extra["timeout_s"] = hook.merged_extra["timeout"]
    return replace(connection, extra=extra, http=options)


def timeout_s(connection: Connection) -> float:
    """Seconds from our field ``timeout_s``, else from the provider's ``timeout``: a number, or connect and read."""
    given = _json(connection, "timeout")
    if isinstance(given, list | tuple):
        given = given[-1] if given else None
    fallback = replace(connection, extra={"timeout": given}).number(
        "timeout", DEFAULT_TIMEOUT_S, minimum=0.1, maximum=MAX_TIMEOUT_S
    )
    return connection.number("timeout_s", fallback, minimum=0.1, maximum=MAX_TIMEOUT_S)


def _verify(connection: Connection) -> bool | str:
    name = "verify" if "verify" in connection.extra else "verify_ssl"
    given = connection.extra.get(name)
    if given in (None, ""):
        return True
    if isinstance(given, str) and given.lower() not in ("true", "false", "1", "0"):
        return given
    return connection.flag(name)


def _cert(connection: Connection) -> str | list[str] | None:
    given = _json(connection, "cert")
    if given in (None, ""):
        return None
    if isinstance(given, str):
        return given
    if isinstance(given, list) and len(given) == 2 and all(isinstance(path, str) for path in given):
        return given
    raise connection.wrong("cert", 'must be a path, or a list of two paths such as ["client.pem", "client.key"]')


def _proxies(connection: Connection) -> dict[str, str]:
    """A single URL applies to both schemes: ``requests`` takes an object only."""
    name = "proxies" if connection.extra.get("proxies") else "proxy"
    given = _json(connection, name)
    if given in (None, ""):
        return {}
    if isinstance(given, str):
        given = {"http": given, "https": given}
    if not isinstance(given, Mapping) or not all(isinstance(url, str) and "://" in url for url in given.values()):
        raise connection.wrong(name, 'must be a URL such as http://proxy:3128, or an object such as {"https": "..."}')
    return dict(given)


def _json(connection: Connection, name: str) -> Any:
    """An extra field; text that looks like a JSON list or object is decoded."""
    given = connection.extra.get(name)
    if not isinstance(given, str) or given.strip()[:1] not in {"[", "{"}:
        return given
    try:
        return json.loads(given)
    except ValueError:
        raise connection.wrong(name, "is not valid JSON") from None
