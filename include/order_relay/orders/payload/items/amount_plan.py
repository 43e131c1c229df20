"""How a destination takes the amounts of an order: the section ``amounts`` of its mapping file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from order_relay.errors import ConfigurationError
from order_relay.orders.suggestions import did_you_mean

_KEYS = ("split", "per", "discount", "freight", "tax")
_ITEM_KEYS = {"send", "part_number", "name"}


class Placement(NamedTuple):
    """Where an amount is sent: ``order``, ``spread``, ``price`` (discount only), or ``item`` with number and name."""

    send: str
    part_number: str
    name: str


@dataclass(frozen=True)
class AmountPlan:
    """How the amounts of orders are sent.

    ``split``: ``inexact`` splits a line if its unit price times quantity is not exactly its amount; ``minor`` also if
    the price has more decimals than the currency; ``never``: the destination takes the amount of the whole line.
    ``each_unit``: amounts of items other than the price count per unit, not per item. ``discount``, ``freight`` and
    ``tax`` include those of lines, and charges that are sent like them.
    """

    split: str
    each_unit: bool
    discount: Placement
    freight: Placement
    tax: Placement

    @classmethod
    def from_mapping(cls, section: Any, values: Mapping[str, Any], where: str) -> AmountPlan:
        """Read the section; ``values``: the settings. Raises ``ConfigurationError`` that names the key."""
        if not isinstance(section, Mapping) or not set(section) <= set(_KEYS):
            raise ConfigurationError(f"{where}: must be an object; allowed: {', '.join(_KEYS)}")
        plan = cls(
            read_choice(section, "split", ("inexact", "minor", "never"), values, where),
            read_choice(section, "per", ("per_line", "per_unit"), values, where) == "per_unit",
            _placement(section, "discount", ("order", "price", "spread", "item"), values, where),
            _placement(section, "freight", ("order", "spread", "item"), values, where),
            _placement(section, "tax", ("order", "spread", "item"), values, where),
        )
        if plan.split == "never" and (plan.each_unit or plan.discount.send == "price"):
            raise ConfigurationError(
                f"{where}.split: never cannot be combined with per_unit, or with a discount in prices"
            )
        return plan


def _placement(
    section: Mapping[str, Any], key: str, allowed: Sequence[str], values: Mapping[str, Any], where: str
) -> Placement:
    given = section.get(key, allowed[0])
    words: Mapping[str, Any] = {"send": given}
    if isinstance(given, Mapping) and "send" in given:
        words = given
    if not set(words) <= _ITEM_KEYS:
        raise ConfigurationError(f"{where}.{key}: allowed: {', '.join(sorted(_ITEM_KEYS))}")
    send = read_choice(words, "send", allowed, values, f"{where}.{key}")
    return Placement(send, str(words.get("part_number", key)), str(words.get("name", key.capitalize())))


def read_choice(
    section: Mapping[str, Any], key: str, allowed: Sequence[str], values: Mapping[str, Any], where: str
) -> str:
    """One of ``allowed``, the first if the key is missing. ``{setting: x}`` reads the setting from ``values``.

    Raises ``ConfigurationError`` that names the key.
    """
    given = section.get(key, allowed[0])
    if isinstance(given, Mapping) and set(given) == {"setting"}:
        name = str(given["setting"])
        if name not in values:
            raise ConfigurationError(f"{where}.{key}: unknown setting {name!r}{did_you_mean(name, values)}")
        given = values[name]
    if given not in allowed:
        raise ConfigurationError(f"{where}.{key}: must be one of {', '.join(allowed)}, or a setting with such a value")
    return str(given)
