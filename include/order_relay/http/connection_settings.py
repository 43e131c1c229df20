"""A vendor's connection as one pydantic model: its settings, how they are read, and Airflow's connection form.

A field of a model is a field of the connection: ``host`` (as ``base_url``), ``login``, ``password``, or an extra field
with the field's name or ``validation_alias``. ``title`` is its label in the form, ``description`` its help text, the
first of ``examples`` its placeholder; bounds, choices, default and ``json_schema_extra`` (further keywords of JSON
Schema) are shown as well. A model shows its own fields before inherited ones. Airflow loads these models in each of its
processes: imports are light, and validators are built on first use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from order_relay.connections import Connection, HttpOptions, check_url

STANDARD_FIELDS = ("host", "login", "password")
"""Fields that every Airflow connection has; a model's labels and placeholders for them adapt Airflow's form."""

_TYPES = {int: "integer", float: "number", bool: "boolean"}
_PROBLEMS = {
    "missing": "is missing",
    "string": "must be text",
    "int": "must be a whole number",
    "float": "must be a number",
    "finite": "must be a number",
    "bool": "must be true or false",
}
"""By the first word of pydantic's error type."""


class FieldError(ValueError):
    """Raised by validators that compare fields: ``name`` is the connection's field, ``problem`` quotes no value."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(problem)
        self.name = name


class ConnectionSettings(BaseModel):
    """Base of all settings: immutable, without secrets in messages.

    ``facts``: attributes that mapping rules may read as ``settings.NAME``.
    """

    facts: ClassVar[tuple[str, ...]] = ()

    model_config = ConfigDict(
        frozen=True,
        defer_build=True,
        hide_input_in_errors=True,
        coerce_numbers_to_str=True,
        arbitrary_types_allowed=True,
        validate_by_name=True,
        validate_by_alias=True,
    )

    @classmethod
    def from_connection(cls, connection: Connection) -> Self:
        """The settings of a connection. Raises ``ConfigurationError`` that names the field but never its value."""
        fields = {form_name(name, field): field for name, field in cls.model_fields.items()}
        given = {name: _given(connection, name, field) for name, field in fields.items()}
        try:
            return cls.model_validate({name: value for name, value in given.items() if value not in (None, "")})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, FieldError):
            raise connection.wrong(cause.name, str(cause))
        name = str(first["loc"][0])
        raise connection.wrong(name, str(cause) if cause else _problem(first["type"], fields[name]))

    @classmethod
    def form(cls) -> dict[str, Any]:
        """Airflow's connection form; ``extra`` holds a JSON Schema fragment for each extra field."""
        fields = {form_name(name, cls.model_fields[name]): cls.model_fields[name] for name in cls._form_order()}
        standard = {name: fields.pop(name) for name in STANDARD_FIELDS if name in fields}
        examples = {name: field.examples[0] for name, field in {**standard, **fields}.items() if field.examples}
        return {
            "hidden_fields": ["schema", "port"] if "host" in standard else ["host", "schema", "port"],
            "relabeling": {name: field.title for name, field in standard.items()},
            "placeholders": examples,
            "extra": {name: _fragment(field) for name, field in fields.items()},
        }

    @classmethod
    def _form_order(cls) -> list[str]:
        """Names of the form's fields: those of a class before those of its base."""
        names = [name for base in cls.__mro__ for name in getattr(base, "__annotations__", {})]
        return [name for name in dict.fromkeys(names) if name in cls.model_fields and cls.model_fields[name].title]


def form_name(name: str, field: FieldInfo) -> str:
    """The connection's field that holds a model's field."""
    return str(field.validation_alias or name)


def _given(connection: Connection, name: str, field: FieldInfo) -> Any:
    if name == "host":
        return connection.base_url()
    value = getattr(connection, name) if name in (*STANDARD_FIELDS, "http") else connection.extra.get(name)
    kind, choices = _kind(field)
    if choices:
        return {str(choice): choice for choice in choices}.get(str(value), value)  # forms hold numbers as text
    return str(value) if isinstance(value, bool) and kind in (int, float) else value


def _kind(field: FieldInfo) -> tuple[Any, tuple[Any, ...]]:
    """A field's type, ``None`` aside, and its choices if it has any."""
    kinds = [kind for kind in get_args(field.annotation) if kind is not type(None)]
    if get_origin(field.annotation) is Literal:
        return type(kinds[0]), tuple(kinds)
    return (kinds[0] if len(kinds) == 1 else field.annotation), ()


def _problem(kind: str, field: FieldInfo) -> str:
    """What is wrong with a field's value, for a type of error of pydantic."""
    if kind == "literal_error":
        return f"must be one of {', '.join(map(str, _kind(field)[1]))}"
    if kind in ("greater_than_equal", "less_than_equal"):
        minimum, maximum = _bounds(field)
        return f"must be at least {minimum}" if maximum is None else f"must be between {minimum} and {maximum}"
    return _PROBLEMS.get(kind.partition("_")[0], "is invalid")


def _bounds(field: FieldInfo) -> tuple[Any, Any]:
    lower = [found.ge for found in field.metadata if isinstance(found, Ge)]
    upper = [found.le for found in field.metadata if isinstance(found, Le)]
    if len(lower) > 1 or len(upper) > 1:
        raise TypeError(f"{field.title}: bounds are declared twice, and pydantic checks only one of them")
    return next(iter(lower), None), next(iter(upper), None)


def _fragment(field: FieldInfo) -> dict[str, Any]:
    """The JSON Schema of an extra field. A default that the form cannot show is left out."""
    kind, choices = _kind(field)
    minimum, maximum = _bounds(field)
    default = None if field.is_required() else field.default
    shown = isinstance(default, bool | int | float) or (isinstance(default, str) and default)
    return {
        "type": _TYPES.get(kind, "string"),
        "title": field.title,
        **({"description": field.description} if field.description else {}),
        **(field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}),
        **({"enum": list(choices)} if choices else {}),
        **({} if minimum is None else {"minimum": minimum}),
        **({} if maximum is None else {"maximum": maximum}),
        **({"required": True} if field.is_required() else {"default": default} if shown else {}),
    }


def matching(pattern: str, problem: str) -> AfterValidator:
    """A validator for texts that must match ``pattern`` as a whole, unless they are empty."""

    def check(text: str) -> str:
        if text and not re.fullmatch(pattern, text):
            raise ValueError(problem)
        return text

    return AfterValidator(check)


def _read_mapping(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError("must be a JSON object") from None
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError("must be an object with text values only")
    return dict(value)


def split_names(value: Any) -> list[str]:
    """Names separated by commas, without spaces and empty ones. Raises ``ValueError`` for anything but text."""
    text = str(value) if type(value) is int else value
    if not isinstance(text, str):
        raise ValueError(_PROBLEMS["string"])  # noqa: TRY004 - pydantic's convention
    return [part for part in map(str.strip, text.split(",")) if part]


NAME = r"[A-Za-z0-9_.-]{1,100}"
TextMapping = Annotated[Mapping[str, str], BeforeValidator(_read_mapping)]
"""An object with text values; forms hold it as JSON."""
NameSet = Annotated[frozenset[str], BeforeValidator(split_names)]
"""Names separated by commas."""
Name = Annotated[str, matching(NAME, "must consist of letters, digits, dots, dashes and underscores")]
Url = Annotated[str, AfterValidator(check_url)]
Secret = Annotated[str, Field(repr=False)]
ExtraSecret = Annotated[Secret, Field(json_schema_extra={"format": "password"})]
"""A secret among the extra fields; the form hides what is typed."""
BasicLogin = Annotated[
    Secret, matching("[^:]*", "must not contain a colon: Basic authentication does not allow it"), Field(title="Login")
]

Timeout = Annotated[
    float, Field(title="Time-out (s)", description="Longest wait without receiving data", ge=0.1, le=3600)
]
Download = Annotated[
    float,
    Field(
        title="Time limit for a response (s)",
        description="A response that is not complete by then is abandoned",
        ge=0.1,
        le=86_400,
    ),
]
SizeLimit = Annotated[
    int,
    Field(
        title="Size limit (bytes)",
        description="A larger response (after decompression) is refused",
        ge=1 << 12,
        le=1 << 32,
    ),
]
MaxWait = Annotated[
    float,
    Field(
        title="Longest pause (s)",
        description="If the vendor asks for a longer pause, the task ends and Airflow retries it later",
        ge=0,
        le=3600,
    ),
]


class NetworkSettings(ConnectionSettings):
    """How a vendor's server is reached: URL without a trailing slash, proxy and TLS.

    ``trust_env`` uses the environment's proxy settings. ``http`` is read by Airflow's HTTP provider
    (``airflow.http_options``).
    """

    base_url: str = Field(validation_alias="host", title="Base URL")
    trust_env: bool = Field(
        False,
        title="Use the environment's proxy",
        description="Honour HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
    )
    http: HttpOptions = Field(default_factory=HttpOptions)

    @classmethod
    def form(cls) -> dict[str, Any]:
        """See ``ConnectionSettings.form``."""
        found = super().form()
        return {**found, "extra": found["extra"] | _NETWORK}


_NETWORK = {
    "proxy": {
        "type": "string",
        "title": "Proxy",
        "description": "URL of a proxy for all requests, such as http://proxy:3128",
    },
    "verify": {
        "type": "string",
        "title": "Verify certificates",
        "description": "Path of a CA file or folder in PEM format; false: certificates are not verified. Default: true",
    },
    "cert": {
        "type": "string",
        "title": "Client certificate",
        "description": 'Path of a PEM file, or a list with the path of its key, such as ["client.pem", "client.key"]',
    },
}
"""Form of ``HttpOptions``."""


class HttpSettings(NetworkSettings):
    """Time and size limits of requests. Times in seconds, sizes in bytes.

    ``timeout_s`` is the longest wait without receiving data, ``download_s`` the limit for a whole response.
    ``size_limit_bytes`` bounds a response after decompression.
    """

    timeout_s: Timeout = 60
    download_s: Download = 300
    size_limit_bytes: SizeLimit = 32 << 20
