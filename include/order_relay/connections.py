"""Typed access to a connection, from a plain mapping.

Where the mapping comes from (Airflow, the environment, a test) is not this module's business. Vendors build their own
settings from a ``Connection``; every complaint names the connection and the field, and never shows a value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from order_relay.errors import ConfigurationError


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
    """One connection as Airflow knows it. ``repr`` shows the id only: the rest is secret or may be."""

    conn_id: str
    host: str = field(default="", repr=False)
    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    schema: str = field(default="", repr=False)
    port: int | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    http: HttpOptions = field(default_factory=HttpOptions, repr=False)

    def wrong(self, name: str, problem: str) -> ConfigurationError:
        """The error to raise for a field of this connection."""
        return ConfigurationError(f"connection {self.conn_id!r}, field {name!r}: {problem}")

    def base_url(self) -> str:
        """``scheme://host[:port][/path]`` without a trailing slash.

        Raises ``ConfigurationError`` where the host is missing, carries credentials, or is neither http nor https.
        """
        if not self.host:
            raise self.wrong("host", "is empty; give the base URL, such as https://vendor.example")
        text = self.host if "://" in self.host else f"{self.schema or 'https'}://{self.host}"
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise self.wrong("host", "is not an http or https URL")
        if parts.username or parts.password:
            raise self.wrong("host", "carries credentials; put them into login and password")
        netloc = parts.netloc if parts.port or not self.port else f"{parts.netloc}:{self.port}"
        return f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}"

    def text(self, name: str, default: str | None = None) -> str:
        """A field or an extra as text; without a default it is mandatory."""
        value = getattr(self, name) if name in ("login", "password") else self.extra.get(name)
        if value in (None, ""):
            if default is None:
                raise self.wrong(name, "is missing")
            return default
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise self.wrong(name, "is not text")
        return str(value)

    def address(self, name: str) -> str:
        """An extra that is a whole http or https URL without credentials."""
        text = self.text(name)
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise self.wrong(name, "is not an http or https URL")
        if parts.username or parts.password:
            raise self.wrong(name, "carries credentials; put them into login and password")
        return text

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """An extra that is one of a few words."""
        text = self.text(name, default)
        if text not in allowed:
            raise self.wrong(name, f"is none of {', '.join(allowed)}")
        return text

    def number(self, name: str, default: float, *, minimum: float = 0.0, maximum: float = 1e9) -> float:
        """An extra as a number within bounds (given as number or as text, as Airflow's forms do)."""
        raw = self.extra.get(name)
        if raw in (None, ""):
            return default
        try:
            value = float(str(raw))
        except (TypeError, ValueError):
            raise self.wrong(name, "is not a number") from None
        if not minimum <= value <= maximum:
            raise self.wrong(name, f"is outside {minimum:g} to {maximum:g}")
        return value

    def integer(self, name: str, *, minimum: int, maximum: int = 2**53, default: int | None = None) -> int:
        """An extra as a whole number within bounds; without a default it is mandatory."""
        raw = self.extra.get(name)
        if raw in (None, ""):
            if default is None:
                raise self.wrong(name, "is missing")
            return default
        try:
            value = int(str(raw))
        except ValueError:
            raise self.wrong(name, "is not a whole number") from None
        if not minimum <= value <= maximum:
            raise self.wrong(name, f"is outside {minimum} to {maximum}")
        return value

    def flag(self, name: str) -> bool:
        """An extra as yes or no (given as boolean, text or number, as Airflow's forms do); absent means no."""
        raw = self.extra.get(name)
        if raw in (None, "", False, "false", "False", "0", 0):
            return False
        if raw in (True, "true", "True", "1", 1):
            return True
        raise self.wrong(name, "is neither true nor false")

    def mapping(self, name: str) -> dict[str, str]:
        """An extra as a flat object of texts (given as an object or as JSON text)."""
        raw = self.extra.get(name) or {}
        if isinstance(raw, str):
            try:
                raw = json.loads(raw)
            except ValueError:
                raise self.wrong(name, "is not a JSON object") from None
        if not isinstance(raw, Mapping) or not all(isinstance(v, str) for v in raw.values()):
            raise self.wrong(name, "is not an object of texts")
        return dict(raw)

    def fingerprint(self) -> str:
        """Changes when any field changes; tells nothing about them. For 'rest until the connection has changed'."""
        fields = [self.host, self.login, self.password, self.schema, self.port, dict(self.extra)]
        return hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode()).hexdigest()[:32]
