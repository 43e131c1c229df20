"""Fields of a vendor's Airflow connection, declared once: how a field is read, and how Airflow's form shows it.

``HttpSettings`` and the constants below are the fields that every vendor's client needs. A vendor adds its own fields
and, if its server needs other bounds, replaces a standard one with ``dataclasses.replace``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from order_relay.connections import Connection, HttpOptions


@dataclass(frozen=True)
class _Field:
    name: str
    title: str
    description: str = ""

    def schema(self) -> dict[str, Any]:
        """The JSON Schema fragment of the connection form."""
        return {"title": self.title, **({"description": self.description} if self.description else {})}


@dataclass(frozen=True, kw_only=True)
class TextField(_Field):
    """A text; the vendor reads it itself. ``more``: further keywords of the JSON Schema fragment."""

    more: Mapping[str, Any] = field(default_factory=dict)

    def schema(self) -> dict[str, Any]:
        """See ``_Field.schema``."""
        return {"type": "string", **super().schema(), **self.more}


@dataclass(frozen=True, kw_only=True)
class NumberField(_Field):
    """A number from ``minimum`` to ``maximum``."""

    default: float
    minimum: float = 0
    maximum: float = 1e9

    def read(self, connection: Connection) -> float:
        """Raises ``ConfigurationError`` that names the field."""
        return connection.number(self.name, self.default, minimum=self.minimum, maximum=self.maximum)

    def schema(self) -> dict[str, Any]:
        """See ``_Field.schema``."""
        bounds = {"minimum": self.minimum, "maximum": self.maximum, "default": self.default}
        return {"type": "number", **super().schema(), **bounds}


@dataclass(frozen=True, kw_only=True)
class IntegerField(_Field):
    """A whole number from ``minimum`` to ``maximum``; required if it has no default.

    A default below ``minimum`` means "not set" and is not shown in the form.
    """

    default: int | None = None
    minimum: int
    maximum: int = 2**53

    def read(self, connection: Connection) -> int:
        """Raises ``ConfigurationError`` that names the field."""
        return connection.integer(self.name, minimum=self.minimum, maximum=self.maximum, default=self.default)

    def schema(self) -> dict[str, Any]:
        """See ``_Field.schema``."""
        if self.default is None:
            end: dict[str, Any] = {"required": True}
        else:
            end = {"default": self.default} if self.default >= self.minimum else {}
        bounds = {"minimum": self.minimum, **({"maximum": self.maximum} if self.maximum < 2**53 else {})}
        return {"type": "integer", **super().schema(), **bounds, **end}


@dataclass(frozen=True, kw_only=True)
class ChoiceField(_Field):
    """One of ``choices``; the first is the default."""

    choices: Sequence[str]

    def read(self, connection: Connection) -> str:
        """Raises ``ConfigurationError`` that names the field and the choices."""
        return connection.choice(self.name, self.choices, self.choices[0])

    def schema(self) -> dict[str, Any]:
        """See ``_Field.schema``."""
        return {"type": "string", **super().schema(), "enum": list(self.choices), "default": self.choices[0]}


@dataclass(frozen=True, kw_only=True)
class FlagField(_Field):
    """Yes or no; no is the default."""

    def read(self, connection: Connection) -> bool:
        """Raises ``ConfigurationError`` that names the field."""
        return connection.flag(self.name)

    def schema(self) -> dict[str, Any]:
        """See ``_Field.schema``."""
        return {"type": "boolean", **super().schema(), "default": False}


FormField = TextField | NumberField | IntegerField | ChoiceField | FlagField


def form_extra(*fields: FormField) -> dict[str, dict[str, Any]]:
    """The ``extra`` member of a connection form: a JSON Schema fragment for each field, in this order."""
    return {found.name: found.schema() for found in fields}


TIMEOUT = NumberField(
    "timeout_s", "Time-out (s)", "Longest wait without receiving data", default=60, minimum=0.1, maximum=3600
)
DOWNLOAD = NumberField(
    "download_s",
    "Time limit for a response (s)",
    "A response that is not complete by then is abandoned",
    default=300,
    minimum=0.1,
    maximum=86_400,
)
MAX_WAIT = NumberField(
    "max_wait_s",
    "Longest pause (s)",
    "If the vendor asks for a longer pause, the task ends and Airflow retries it later",
    default=120,
    maximum=3600,
)
SIZE_LIMIT = IntegerField(
    "size_limit_bytes",
    "Size limit (bytes)",
    "A larger response (after decompression) is refused",
    default=32 << 20,
    minimum=1 << 12,
    maximum=1 << 32,
)
TRUST_ENV = FlagField("trust_env", "Use the environment's proxy", "Honour HTTP_PROXY, HTTPS_PROXY and NO_PROXY")
NETWORK = (
    TRUST_ENV,
    TextField("proxy", "Proxy", "URL of a proxy for all requests, such as http://proxy:3128"),
    TextField(
        "verify",
        "Verify certificates",
        "Path of a CA file or folder in PEM format; false: certificates are not verified. Default: true",
    ),
    TextField(
        "cert",
        "Client certificate",
        'Path of a PEM file, or a list with the path of its key, such as ["client.pem", "client.key"]',
    ),
)
"""Proxy and TLS. Read by Airflow's HTTP provider (``airflow.http_options``), except ``trust_env``."""


@dataclass(frozen=True, kw_only=True)
class HttpSettings:
    """How a vendor's server is called: URL without a trailing slash, times in seconds, sizes in bytes.

    ``timeout_s`` is the longest wait without receiving data, ``download_s`` the limit for a whole response.
    ``size_limit_bytes`` bounds a response after decompression. ``trust_env`` uses the environment's proxy settings.
    ``http``: proxy and TLS options.
    """

    base_url: str
    timeout_s: float = 60.0
    download_s: float = 300.0
    size_limit_bytes: int = 32 << 20
    trust_env: bool = False
    http: HttpOptions = field(default_factory=HttpOptions)


def read_fields(
    connection: Connection, *fields: NumberField | IntegerField | ChoiceField | FlagField
) -> dict[str, Any]:
    """The values of these fields by name. Raises ``ConfigurationError`` that names the field."""
    return {found.name: found.read(connection) for found in fields}


def read_http_settings(
    connection: Connection, *, download: NumberField = DOWNLOAD, size_limit: IntegerField = SIZE_LIMIT
) -> dict[str, Any]:
    """The fields of ``HttpSettings``, as keyword arguments. Raises ``ConfigurationError`` that names the field."""
    return {
        "base_url": connection.base_url(),
        **read_fields(connection, TIMEOUT, download, size_limit, TRUST_ENV),
        "http": connection.http,
    }
