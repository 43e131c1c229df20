"""Settings of the transformation to importOrder: the keys of a pipeline file's section ``transform``."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address
from typing import ClassVar, Literal, Self

from pydantic import Field, computed_field, field_validator, model_validator

from order_relay.orders.payload.transform_settings import TransformSettings

PLACEHOLDER_IP = "192.88.99.1"
"""The value in the shipped file: a public address that is routed nowhere (6to4 relay anycast, retired by RFC 7526)."""

STATUSES = ("SHIPPED", "READY", "CANCELLED")


@lru_cache(maxsize=1024)
def is_public_ipv4(value: str) -> bool:
    """Whether a text is a public IPv4 address: not internal, reserved or multicast."""
    try:
        address = IPv4Address(value)
    except AddressValueError:
        return False
    return address.is_global and not address.is_multicast


class ShopatronTransform(TransformSettings):
    """Values that the OMS requires and the sources lack, and choices that its documentation leaves open.

    ``customer_ip``: docs/vendors/shopatron.md: not internal, not the web server's. ``spread_unit``: whether the OMS
    reads ``shipping`` and ``itemTaxOverride`` per line or per unit (unknown). ``ship_to_name``: ``names`` (firstName
    and lastName in the address, seen in a client), ``address_line`` (the first address line) or ``custom_data``.
    ``status_field``, ``status_values``: other spellings for the translated platform; an empty mapping means unchanged.
    ``custom_keys``: whether the OMS distinguishes keys of custom data by case and spaces (unknown). ``any_case``: keys
    that differ only in these are the same, and the second is sent under another key. ``exact``: they are different.
    ``discounts_listed``: whether amounts in the payload's lists of discounts and promotions may change the total that
    the OMS calculates (unknown).
    """

    connection_only: ClassVar = ("manufacturer_id", "status_field", "status_values")
    placeholders: ClassVar = {"manufacturer_id": 1, "catalog_id": 0}

    customer_ip: str = Field(
        description="The shopper's public IPv4 address, which the OMS requires and the sources do not have. Use your "
        "office's. Not an internal address and not a web server's."
    )
    manufacturer_id: int = Field(ge=1, le=2**53)
    catalog_id: int = Field(ge=0, le=2**53, description="Catalogue at the OMS. Default: from the connection.")
    locale: str = Field(
        default="en-US",
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?\z",
        description="Language and country, such as `en-US`.",
    )
    order_status: str = Field(
        default="READY",
        min_length=1,
        description="`READY`, `SHIPPED` (also set `assigned_location` and `use_inventory`) or `CANCELLED`.",
    )
    assigned_location: str | None = Field(
        default=None, min_length=1, description="Location that fulfils orders sent as `SHIPPED`."
    )
    use_inventory: bool | None = Field(
        default=None, description="Whether orders sent as `SHIPPED` reduce the inventory."
    )
    status_field: str = Field(default="orderStatus", min_length=1, max_length=100)
    status_values: dict[str, str] = Field(default_factory=dict)
    payment_type: str = Field(default="NO", min_length=1, max_length=20, description="`NO`: the OMS charges nothing.")
    no_operation_type: str = Field(
        default="HI", min_length=1, max_length=20, description="Type of the payment when nothing is charged."
    )
    send_email: bool = Field(default=False, description="`true`: the OMS sends e-mail to the customers.")
    send_email_for_history: bool = Field(
        default=False,
        description="`true`: also to those of orders that a history import read. Has no effect unless `send_email` is "
        "`true`.",
    )
    spread_unit: Literal["per_line", "per_unit"] = Field(
        default="per_line",
        description="Whether the OMS reads item shipping and tax per line or per unit. Not documented; find out with "
        "one test order.",
    )
    ship_to_name: Literal["names", "address_line", "custom_data"] = Field(
        default="names",
        description="Where the recipient's name is sent: name members of the address, first address line, or custom "
        "data.",
    )
    shipping_type: str = Field(
        default="standard",
        min_length=1,
        description="Shipping type for shipping methods without a row in the code table.",
    )
    shipping_class: str = Field(
        default="Standard",
        min_length=1,
        description="Shipping class for shipping methods without a row in the code table.",
    )
    custom_keys: Literal["any_case", "exact"] = Field(
        default="any_case",
        description="Whether keys of custom data that differ only in case or spaces count as the same key. Not "
        "documented by the OMS.",
    )
    discounts_listed: Literal["refuse", "informative"] = Field(
        default="refuse",
        description="`refuse`: orders whose payload lists discounts or promotions with amounts are quarantined. "
        "`informative`: they are sent; use it when the OMS ignores these amounts in its total.",
    )

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

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.status_values and self.order_status not in self.status_values:
            raise ValueError("status_values has no entry for order_status")
        if not self.status_values and self.order_status not in STATUSES:
            raise ValueError(f"order_status: must be one of {', '.join(STATUSES)}")
        return self

    @computed_field  # type: ignore[prop-decorator]
    @property
    def sent_status(self) -> str:
        """The status as the OMS spells it."""
        return self.status_values.get(self.order_status, self.order_status)

    def remarks(self) -> list[str]:
        """See ``TransformSettings.remarks``."""
        if self.customer_ip != PLACEHOLDER_IP:
            return []
        return ["customer_ip is still the placeholder; set it to your public address"]


SETTINGS = ShopatronTransform
