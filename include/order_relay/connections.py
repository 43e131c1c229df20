"""Typed access to the fields of a connection, independent of Airflow.

Vendors build their settings from a ``Connection``. Every error names the connection and the field, and never shows a
value. All readers raise ``ConfigurationError``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from order_relay.errors import ConfigurationError


def check_url(text: str) -> str:
    """An absolute http or https URL without credentials. Raises ``ValueError`` that does not quote it."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an absolute URL, such as https://host/path")
    if parts.username or parts.password:
        raise ValueError("contains credentials; enter them as login and password")
    return text


@dataclass(frozen=True)
class HttpOptions:
    """How a vendor's server is reached: the TLS and proxy fields that Airflow's HTTP provider defines.

    ``verify``: whether to verify the server's certificate, or the path of a CA file or folder to verify it with.
    ``cert``: path of a client certificate, alone or with the path of its key. ``proxy``: URL; empty for none.
    """

    verify: bool | str = True
    cert: str | tuple[str, str] | None = None
    proxy: str = field(default="", repr=False)


@dataclass(frozen=True)
class Connection:
    """The fields of an Airflow connection. ``repr`` shows the id only: the other fields may hold secrets."""

    conn_id: str
    host: str = field(default="", repr=False)
    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    schema: str = field(default="", repr=False)
    port: int | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    http: HttpOptions = field(default_factory=HttpOptions, repr=False)

    def wrong(self, name: str, problem: str) -> ConfigurationError:
        """The error to raise for a field of this connection. ``problem`` must not contain the field's value."""
        return ConfigurationError(f"connection {self.conn_id!r}, field {name!r}: {problem}")

    def base_url(self) -> str:
        """``scheme://host[:port][/path]`` without a trailing slash.

        The host may be a whole URL, or a host name with ``schema`` (https by default) and ``port``.
        """
        if not self.host:
            raise self.wrong("host", "is empty; enter the base URL, such as https://vendor.example")
        text = self.host if "://" in self.host else f"{self.schema or 'https'}://{self.host}"
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise self.wrong("host", "must be an http or https URL, such as https://vendor.example")
        if parts.username or parts.password:
            raise self.wrong("host", "contains credentials; enter them as login and password")
        netloc = parts.netloc if parts.port or not self.port else f"{parts.netloc}:{self.port}"
        return f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}"

    def text(self, name: str, default: str | None = None) -> str:
        """``login``, ``password`` or an extra as text; required without a default."""
        value = getattr(self, name) if name in ("login", "password") else self.extra.get(name)
        if value in (None, ""):
            if default is None:
                raise self.wrong(name, "is missing")
            return default
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise self.wrong(name, "must be text")
        return str(value)

    def number(self, name: str, default: float, *, minimum: float = 0.0, maximum: float = 1e9) -> float:
        """An extra as a number within bounds; Airflow's forms store numbers as text."""
        raw = self.extra.get(name)
        if raw in (None, ""):
            return default
        try:
            value = float(str(raw))
        except (TypeError, ValueError):
            raise self.wrong(name, "must be a number") from None
        if not minimum <= value <= maximum:
            raise self.wrong(name, f"must be between {minimum:g} and {maximum:g}")
        return value

    def integer(self, name: str, *, minimum: int, maximum: int = 2**53, default: int | None = None) -> int:
        """An extra as a whole number within bounds; required without a default."""
        raw = self.extra.get(name)
        if raw in (None, ""):
            if default is None:
                raise self.wrong(name, "is missing")
            return default
        try:
            value = int(str(raw))
        except ValueError:
            raise self.wrong(name, "must be a whole number") from None
        if not minimum <= value <= maximum:
            raise self.wrong(name, f"must be between {minimum} and {maximum}")
        return value

    def flag(self, name: str) -> bool:
        """An extra as a boolean (``true``, ``"true"``, ``1`` or ``"1"``); false if absent."""
        raw = self.extra.get(name)
        if raw in (None, "", False, "false", "False", "0", 0):
            return False
        if raw in (True, "true", "True", "1", 1):
            return True
        raise self.wrong(name, "must be true or false")

    def fingerprint(self) -> str:
        """A hash that changes when any field changes, to suspend a pipeline until its connection is edited."""
        fields = [self.host, self.login, self.password, self.schema, self.port, dict(self.extra)]
        return hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode()).hexdigest()[:32]
