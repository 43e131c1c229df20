"""Charges of an order besides freight and tax, such as a surcharge.

A rule of a source's mapping with the target ``charges.NAME`` reads one charge; there may be any number. The setting
``charges`` defines for each name how it is sent. A negative charge is a deduction and is sent like the discount.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from order_relay.errors import ConfigurationError
from order_relay.orders.mapping.canonical import CHARGE_PREFIX, charge_columns
from order_relay.orders.payload.transform_settings import ChargeSettings
from order_relay.orders.suggestions import did_you_mean


@dataclass(frozen=True, slots=True)
class ExtraItem:
    """An amount of the order that is sent as an item of its own; ``amount`` in minor units, negative for a discount.

    ``kind``: ``charge``, ``discount``, ``freight`` or ``tax``.
    """

    kind: str
    part_number: str
    name: str
    amount: int


class Charges:
    """How the charges of a pipeline are sent. Raises ``ConfigurationError`` for a setting of an unmapped charge."""

    def __init__(self, columns: Iterable[Any], settings: Mapping[str, ChargeSettings], where: str) -> None:
        mapped = charge_columns(columns)
        self._ways = {name: settings.get(name.removeprefix(CHARGE_PREFIX), ChargeSettings()) for name in mapped}
        for name in settings:
            if CHARGE_PREFIX + name not in self._ways:
                near = did_you_mean(name, [column.removeprefix(CHARGE_PREFIX) for column in mapped])
                raise ConfigurationError(
                    f"{where}.charges.{name}: no rule of the source's mapping has the target "
                    f"{CHARGE_PREFIX + name!r}{near}"
                )

    def added(self, way: str, orders: Mapping[str, Sequence[Any]], row: int) -> int:
        """Charges of one order that are added to its ``freight``, ``tax`` or ``discount``, in minor units."""
        amounts = [(self._ways[name].send, int(orders[name][row])) for name in self._ways]
        if way == "discount":
            return -sum(amount for _, amount in amounts if amount < 0)
        return sum(amount for send, amount in amounts if send == way and amount > 0)

    def items(self, orders: Mapping[str, Sequence[Any]], row: int) -> list[ExtraItem]:
        """The charges of one order that are sent as items."""
        found = []
        for column, way in self._ways.items():
            name = column.removeprefix(CHARGE_PREFIX)
            if way.send == "item" and (amount := orders[column][row]) > 0:
                found.append(ExtraItem("charge", way.part_number or name, way.name or name, amount))
        return found
