"""Rules for the finished payload, independent of the mappings, settings and constants that filled it.

The section ``checks`` of a destination's mapping file names the members that hold amounts and ids:

* ``same``: members that must equal a column of the order or a setting, such as the key by which orders are looked up;
* ``no_card_data``: members that must not hold a card number or security code, at any depth;
* ``unique``: members whose values must differ between the items of an order;
* ``money``: the amounts that add up to the order's total (``MoneyCheck``).

A destination whose total cannot be described by ``money`` has a hook that checks it (``PayloadHooks.check_payload``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from order_relay.errors import ConfigurationError, ValidationIssue
from order_relay.orders.payload.checks.card_fields import find_card_fields
from order_relay.orders.payload.checks.money_check import MoneyCheck, Payload, payload_path, value_at
from order_relay.orders.payload.hooks import PayloadHooks
from order_relay.orders.payload.transform_settings import TransformSettings
from order_relay.orders.schema.validator import field_name

_KEYS = ("same", "no_card_data", "unique", "money")


class PayloadCheck:
    """The checks of one destination. Raises ``ConfigurationError`` if the section is not valid."""

    def __init__(
        self,
        section: Any,
        items: str,
        settings: TransformSettings,
        hooks: PayloadHooks,
        *,
        each_unit: bool,
        where: str,
    ) -> None:
        """``each_unit``: charges of items are per unit, not per item."""
        if not isinstance(section, Mapping) or not set(section) <= set(_KEYS):
            raise ConfigurationError(f"{where}: must be an object; allowed: {', '.join(_KEYS)}")
        if "money" not in section and hooks.check_payload is None:
            raise ConfigurationError(
                f"{where}: money is missing: the amounts of a payload must be compared with the order"
            )
        self._items = items
        self._hooks = hooks
        self._all_settings = settings
        self._same: dict[str, str] = dict(section.get("same", {}))
        self._settings = self._setting_values(settings.rule_values(), where)
        self._no_cards = tuple(section.get("no_card_data", ()))
        self._unique = tuple(map(payload_path, section.get("unique", ())))
        self._money = (
            MoneyCheck.from_mapping(section["money"], items, each_unit=each_unit, where=where)
            if "money" in section
            else None
        )

    def _setting_values(self, values: Mapping[str, Any], where: str) -> dict[str, Any]:
        names = [path.removeprefix("settings.") for path in self._same.values() if path.startswith("settings.")]
        for name in names:
            if name not in values:
                raise ConfigurationError(f"{where}.same: unknown setting {name!r}")
        return {name: values[name] for name in names}

    @property
    def fixed(self) -> Mapping[str, str]:
        """Members that must equal a column of the order or ``settings.x``."""
        return self._same

    @property
    def columns(self) -> set[str]:
        """The columns of the order that are compared."""
        return {origin for origin in self._same.values() if not origin.startswith("settings.")}

    def issues(self, payload: Payload, orders: Mapping[str, Sequence[Any]], row: int) -> list[ValidationIssue]:
        """All problems of a payload that the schema accepts. ``orders``: the columns that its rules read."""
        found = [*self._changed(payload, orders, row), *self._repeated(payload), *self._cards(payload)]
        total, currency = orders["total"][row], orders["currency"][row]
        if self._money is not None:
            found += self._money.issues(payload, total, currency)
        if self._hooks.check_payload is not None:
            found += self._hooks.check_payload(payload, total, currency, self._all_settings)
        return found

    def _changed(self, payload: Payload, orders: Mapping[str, Sequence[Any]], row: int) -> Iterator[ValidationIssue]:
        for member, origin in self._same.items():
            wanted = self._settings[origin[9:]] if origin.startswith("settings.") else orders[origin][row]
            if payload.get(member) != wanted:
                message = f"{member} differs from the {origin.replace('_', ' ')}: a mapping rule or constant changes it"
                yield ValidationIssue("identity_changed", f"/{member}", message)

    def _cards(self, payload: Payload) -> Iterator[ValidationIssue]:
        for member in self._no_cards:
            for location in find_card_fields(payload.get(member), f"/{member}"):
                message = f"{field_name(location)} is card data, which is never sent; use a masked value or remove it"
                yield ValidationIssue("card_data", location, message)

    def _repeated(self, payload: Payload) -> Iterator[ValidationIssue]:
        for path in self._unique:
            seen: set[Any] = set()
            for at, item in enumerate(payload.get(self._items) or ()):
                value = value_at(item, path)
                if value is not None and value in seen:
                    location = "/".join(("", self._items, str(at), *path))
                    yield ValidationIssue(
                        "repeated_item_id", location, f"{field_name(location)} is also the id of an earlier item"
                    )
                seen.add(value)
