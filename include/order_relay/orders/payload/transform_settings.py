"""Settings of the transformation. Imports no pandas, so that DAG files can check the configuration when parsed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator

from order_relay.errors import ConfigurationError
from order_relay.orders.messages import MappingOverrides
from order_relay.orders.money.amounts import CURRENCIES


class ChargeSettings(BaseModel):
    """How one charge of an order is sent (see ``charges``).

    ``send``: added to the order's ``freight`` or ``tax``, or an ``item`` of its own, for which ``part_number`` and
    ``name`` default to the charge's name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    send: Literal["freight", "tax", "item"] = "freight"
    part_number: str = Field(default="", max_length=50)
    name: str = Field(default="", max_length=200)


class TransformSettings(BaseModel):
    """The keys of a pipeline file's section ``transform``, common to all destinations.

    A destination with settings of its own extends this model in ``vendors/NAME/transform.py``. Mapping rules read every
    key as ``settings.x``, and so they read the facts that the connections of source and destination know.
    ``time_zone``: the zone of a source's dates without one. ``charges``: how charges besides freight and tax are sent,
    by name; one that is not named is added to the freight. ``overrides``: additions to the vendors' mapping files,
    constants (payload path to value) and code tables.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    connection_only: ClassVar[Collection[str]] = ()
    """Keys that the destination's connection sets and that must not be set in a file."""
    placeholders: ClassVar[Mapping[str, Any]] = {}
    """Values of required keys that the connection sets, to check the rest of a file without the connection."""

    deployment: str = Field(default="order-relay", min_length=1, max_length=1000)
    time_zone: str = "UTC"
    currency: str = "USD"
    key_prefix: str = Field(default="", max_length=50)
    charges: dict[str, ChargeSettings] = Field(default_factory=dict)
    overrides: MappingOverrides = Field(default_factory=MappingOverrides)

    _file: str = PrivateAttr(default="")
    _facts: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def file(self) -> str:
        """The pipeline's file with these settings, for messages; empty if there is none."""
        return self._file

    def named(self, context: str) -> str:
        """``context``, prefixed by the name of the pipeline's file if it is known."""
        return f"{self._file}: {context}" if self._file else context

    @field_validator("currency")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in CURRENCIES:
            raise ValueError("must be an ISO 4217 code such as USD")
        return value

    def rule_values(self) -> dict[str, Any]:
        """The values that rules can read as ``settings.x``: facts of the accounts and settings."""
        return {**self._facts, **self.model_dump(exclude={"overrides", "charges"})}

    def remarks(self) -> list[str]:
        """Warnings about settings that are valid but not meant for production, each starting with the key."""
        return []

    @classmethod
    def load(
        cls, values: Mapping[str, Any], where: str = "transform", file: str = "", facts: Mapping[str, Any] | None = None
    ) -> Self:
        """Build from plain values. Raises ``ConfigurationError`` with ``where`` and the problem of each wrong key.

        ``file``: the pipeline's file, which later messages name. ``facts``: what the connections know about their
        accounts; a fact with the name of a key is the key's default.
        """
        facts = facts or {}
        try:
            made = cls.model_validate({name: facts[name] for name in cls.model_fields if name in facts} | dict(values))
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'settings'}: {item['msg'].removeprefix('Value error, ')}"
                for item in error.errors(include_url=False, include_input=False)
            )
            raise ConfigurationError(f"{where}: {problems}") from None
        made._file, made._facts = file, dict(facts)
        return made
