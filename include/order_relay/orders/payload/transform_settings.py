"""Settings of the transformation. Imports no pandas, so that DAG files can check the configuration when parsed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from order_relay.errors import ConfigurationError
from order_relay.orders.messages import MappingOverrides
from order_relay.orders.money.amounts import CURRENCIES


@lru_cache(maxsize=1024)
def is_public_ipv4(value: str) -> bool:
    """Whether a text is a public IPv4 address: not internal, reserved or multicast."""
    try:
        address = IPv4Address(value)
    except AddressValueError:
        return False
    return address.is_global and not address.is_multicast


class ChargeSettings(BaseModel):
    """How one charge of an order is sent (see ``charges``).

    ``send``: spread over the items like ``freight`` or ``tax``, or an ``item`` of its own, for which ``part_number``
    and ``name`` default to the charge's name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    send: Literal["freight", "tax", "item"] = "freight"
    part_number: str = Field(default="", max_length=50)
    name: str = Field(default="", max_length=200)


class TransformSettings(BaseModel):
    """Values that the destination requires and the source lacks, and choices that the vendors do not document.

    ``time_zone``: the zone of a source's dates without one (the source's connection sets it, if it has the field).
    ``customer_ip``: the shopper's public IPv4 address (docs/vendors/shopatron.md: not internal, not the web server's).
    ``spread_unit``: whether the OMS reads ``shipping`` and ``itemTaxOverride`` per line or per unit (unknown).
    ``ship_to_name``: where the recipient's name goes: ``names`` (firstName and lastName in the address, seen in a
    client), ``address_line`` (the first address line) or ``custom_data``.
    ``status_field``, ``status_values``: other spellings for the translated platform; an empty mapping means unchanged.
    ``charges``: how charges besides freight and tax are sent, by name; one that is not named is spread like freight.
    ``custom_keys``: whether the OMS distinguishes keys of custom data by case and spaces (unknown). ``any_case``: keys
    that differ only in these are the same, and the second is sent under another key. ``exact``: they are different.
    ``discounts_listed``: whether amounts in the payload's lists of discounts and promotions may change the total that
    the OMS calculates (unknown): ``refuse`` such orders, or treat the amounts as ``informative``.
    ``overrides``: additions to the vendors' mapping files, constants (payload path to value) and code tables.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    customer_ip: str
    manufacturer_id: int = Field(ge=1, le=2**53)
    catalog_id: int = Field(ge=0, le=2**53)
    deployment: str = Field(default="order-relay", min_length=1, max_length=1000)
    time_zone: str = "UTC"
    locale: str = Field(default="en-US", pattern=r"^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?\z")
    currency: str = "USD"
    key_prefix: str = Field(default="", max_length=50)
    order_status: str = Field(default="READY", min_length=1)
    assigned_location: str | None = Field(default=None, min_length=1)
    use_inventory: bool | None = None
    status_field: str = Field(default="orderStatus", min_length=1, max_length=100)
    status_values: dict[str, str] = Field(default_factory=dict)
    payment_type: str = Field(default="NO", min_length=1, max_length=20)
    no_operation_type: str = Field(default="HI", min_length=1, max_length=20)
    send_email: bool = False
    spread_unit: Literal["per_line", "per_unit"] = "per_line"
    ship_to_name: Literal["names", "address_line", "custom_data"] = "names"
    shipping_type: str = Field(default="standard", min_length=1)
    shipping_class: str = Field(default="Standard", min_length=1)
    charges: dict[str, ChargeSettings] = Field(default_factory=dict)
    custom_keys: Literal["any_case", "exact"] = "any_case"
    discounts_listed: Literal["refuse", "informative"] = "refuse"
    overrides: MappingOverrides = Field(default_factory=MappingOverrides)

    _file: str = PrivateAttr(default="")

    @property
    def file(self) -> str:
        """The pipeline's file with these settings, for messages; empty if there is none."""
        return self._file

    def named(self, context: str) -> str:
        """``context``, prefixed by the name of the pipeline's file if it is known."""
        return f"{self._file}: {context}" if self._file else context

    @field_validator("customer_ip")
    @classmethod
    def _public(cls, value: str) -> str:
        try:
            IPv4Address(value)
        except AddressValueError:
            raise ValueError("must be an IPv4 address such as 203.0.113.7") from None
        if not is_public_ipv4(value):
            raise ValueError("must be a public IPv4 address, not an internal or reserved one")
        return value

    @field_validator("currency")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in CURRENCIES:
            raise ValueError("must be an ISO 4217 code such as USD")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.status_values and self.order_status not in self.status_values:
            raise ValueError("status_values has no entry for order_status")
        return self

    @property
    def sent_status(self) -> str:
        """The status as the destination spells it."""
        return self.status_values.get(self.order_status, self.order_status)

    @classmethod
    def load(cls, values: Mapping[str, Any], where: str = "transform", file: str = "") -> TransformSettings:
        """Build from plain values. Raises ``ConfigurationError`` with ``where`` and the problem of each wrong key.

        ``file``: the pipeline's file, which later messages name.
        """
        try:
            made = cls.model_validate(dict(values))
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'settings'}: {item['msg'].removeprefix('Value error, ')}"
                for item in error.errors(include_url=False, include_input=False)
            )
            raise ConfigurationError(f"{where}: {problems}") from None
        made._file = file
        return made
