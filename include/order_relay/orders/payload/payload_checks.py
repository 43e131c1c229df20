"""The last check: rules for the finished payload, independent of the mappings, settings and constants that filled it.

The section ``checks`` of a destination's mapping file names the members that hold amounts, ids and addresses:

* ``same``: members that must equal a column of the order or a setting, such as the key by which orders are looked up;
* ``public_address``: members that must hold a public IPv4 address, if present;
* ``no_card_data``: members that must not hold a card number or security code, at any depth;
* ``unique``: members whose values must differ between the items of an order;
* ``money``: all amounts from which the destination calculates the order's total (``MoneyCheck``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation, localcontext
from operator import mul
from typing import Any

from order_relay.errors import ConfigurationError, ValidationIssue
from order_relay.orders.money.amounts import from_minor
from order_relay.orders.payload.transform_settings import TransformSettings, is_public_ipv4
from order_relay.orders.schema.validator import field_name

PayloadPath = tuple[str, ...]
Payload = Mapping[str, Any]

_EXACT_CONTEXT = Context(prec=80)
"""Sums of any amounts that a payload can hold are exact."""

CARD_FIELD_PATTERN = re.compile(r"card_?number|security_?code|cvv|cvc", re.IGNORECASE)
"""Names of members that hold card data."""

_MASKED = re.compile(r"0{9,15}[0-9]{1,4}", re.ASCII)
"""A masked card number: zeros and at most four digits, as in the vendor's example of a no-operation payment."""

_MEMBERS = {"same", "public_address", "no_card_data", "unique", "money"}
_MONEY = {
    "item_price",
    "item_quantity",
    "item_charges",
    "order_charges",
    "either",
    "rates",
    "tax_fixed",
    "undocumented",
}


def _path(name: str) -> PayloadPath:
    return tuple(name.split("."))


def _value_at(node: Any, path: PayloadPath) -> Any:
    for name in path:
        if type(node) is not dict:
            return None
        node = node.get(name)
    return node


def _number(value: Any) -> Decimal:
    """An exact number of the payload; 0 if missing or not a number (the schema rejects the latter)."""
    if type(value) is Decimal:
        return value if value.is_finite() else Decimal(0)
    if value is None or isinstance(value, bool):
        return Decimal(0)
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)
    return found if found.is_finite() else Decimal(0)


@dataclass(frozen=True)
class TotalInterpretation:
    """One way to calculate the total of a payload, with its parts by name."""

    total: Decimal
    parts: Mapping[str, Decimal]


@dataclass(frozen=True)
class MoneyCheck:
    """The amounts that the destination adds up.

    ``item_charges`` are per line or per unit (setting ``spread_unit``). ``either``: a member of the order and the
    member of the items that it may replace; it is not documented which one counts, so both interpretations must give
    the order's total. ``rates``: a rate of the order and the items' member that it may apply to. ``tax_fixed``: the
    member that stops the destination from calculating tax. ``undocumented``: lists that may reduce the total.
    """

    items: str
    item_price: PayloadPath
    item_quantity: PayloadPath
    item_charges: tuple[PayloadPath, ...]
    order_charges: tuple[PayloadPath, ...]
    either: Mapping[str, PayloadPath]
    rates: Mapping[str, PayloadPath]
    tax_fixed: str
    undocumented: tuple[str, ...]
    each_unit: bool

    @classmethod
    def from_mapping(cls, section: Any, items: str, settings: TransformSettings, where: str) -> MoneyCheck:
        """Read the section. Raises ``ConfigurationError`` that names a missing or unknown key."""
        if not isinstance(section, Mapping) or not {"item_price", "item_quantity"} <= set(section) <= _MONEY:
            raise ConfigurationError(
                f"{where}.money: needs item_price and item_quantity; allowed: {', '.join(sorted(_MONEY))}"
            )
        listed = settings.discounts_listed == "refuse"
        return cls(
            items,
            _path(section["item_price"]),
            _path(section["item_quantity"]),
            tuple(map(_path, section.get("item_charges", ()))),
            tuple(map(_path, section.get("order_charges", ()))),
            {name: _path(path) for name, path in section.get("either", {}).items()},
            {name: _path(path) for name, path in section.get("rates", {}).items()},
            str(section.get("tax_fixed", "")),
            tuple(section.get("undocumented", ())) if listed else (),
            settings.spread_unit == "per_unit",
        )

    def issues(self, payload: Payload, total: Decimal, currency: str) -> Iterator[tuple[str, str]]:
        """The problems, as code and message with the numbers that explain it."""
        if self.tax_fixed and payload.get(self.tax_fixed) is not True:
            yield (
                "tax_not_fixed",
                (
                    f"{self.tax_fixed} is not true, so the destination would calculate tax itself and change the "
                    "total. Remove the constant or mapping rule that sets it"
                ),
            )
        for interpretation in self.interpretations(payload):
            if interpretation.total != total:
                parts = ", ".join(f"{name} {amount:f}" for name, amount in interpretation.parts.items() if amount)
                off = interpretation.total - total
                yield (
                    "payload_total_mismatch",
                    (
                        f"the payload adds up to {_format_amount(interpretation.total, total)} {currency}, but the "
                        f"order's total is {total:f} (difference {_format_amount(off, total)}). Parts of the payload: "
                        f"{parts or 'none'}. Check the mapping rules and constants that fill them"
                    ),
                )
                return
        for name in self.undocumented:
            if any(_numbers(payload.get(name))):
                yield (
                    "undocumented_amount",
                    (
                        f"{name} holds amounts, and it is not documented whether the destination subtracts them. "
                        "Remove them, or set transform.discounts_listed to informative if they are for information only"
                    ),
                )

    def interpretations(self, payload: Payload) -> list[TotalInterpretation]:
        """The totals that the destination may calculate; one if nothing is ambiguous."""
        with localcontext(_EXACT_CONTEXT):
            items = payload.get(self.items) or ()
            quantities = [_number(_value_at(item, self.item_quantity)) for item in items]
            prices = [_number(_value_at(item, self.item_price)) for item in items]
            parts = {"items": sum(map(mul, quantities, prices), Decimal(0))}
            times = quantities if self.each_unit else None
            parts |= {path[-1]: _column(items, path, times) for path in self.item_charges}
            parts |= {".".join(path): _number(_value_at(payload, path)) for path in self.order_charges}
            for name, path in self.rates.items():
                if rate := _number(payload.get(name)):
                    parts[name] = rate * _column(items, path, times)
            of_items = {f"{name} of items": _column(items, path, times) for name, path in self.either.items()}
            found = [_interpretation({**parts, **of_items})]
            if any(of_items.values()) and any(payload.get(name) is not None for name in self.either):
                kept = {f"{name} of items": of_items[f"{name} of items"] for name in self.either if name not in payload}
                found.append(_interpretation({**parts, **kept}))
            return found


def _column(items: Sequence[Any], path: PayloadPath, times: Sequence[Decimal] | None) -> Decimal:
    """The sum of one member of the items, each multiplied by its entry of ``times``."""
    values = [_value_at(item, path) for item in items]
    if not any(values):
        return Decimal(0)
    amounts = map(_number, values)
    return sum(amounts if times is None else map(mul, times, amounts), Decimal(0))


def _interpretation(parts: dict[str, Decimal]) -> TotalInterpretation:
    return TotalInterpretation(sum(parts.values(), Decimal(0)), parts)


def _format_amount(amount: Decimal, like: Decimal) -> str:
    """An amount with at least the decimals of another one: 2 is 2.00 if compared with 256.50."""
    fewest = max(-int(like.as_tuple().exponent), -int(amount.normalize(_EXACT_CONTEXT).as_tuple().exponent), 0)
    return f"{amount:.{fewest}f}"


def _numbers(node: Any, depth: int = 0) -> Iterator[Decimal]:
    """All numbers, to a bounded depth. A text counts if it has a decimal point."""
    if isinstance(node, dict):
        for value in node.values():
            yield from _numbers(value, depth + 1) if depth < 20 else ()
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _numbers(value, depth + 1) if depth < 20 else ()
    elif not isinstance(node, str) or "." in node:  # a text of digits alone is a code, not an amount
        yield _number(node)


def is_masked(value: Any) -> bool:
    """Whether a card number is masked: zeros and at most four digits."""
    return isinstance(value, str) and _MASKED.fullmatch(value) is not None


def find_card_fields(node: Any, location: str, depth: int = 0) -> Iterator[str]:
    """Pointers to members that hold card data, to a bounded depth."""
    if isinstance(node, dict):
        for name, value in node.items():
            if CARD_FIELD_PATTERN.search(str(name)) and value is not None and not is_masked(value):
                yield f"{location}/{name}"
            elif isinstance(value, dict | list) and depth < 20:
                yield from find_card_fields(value, f"{location}/{name}", depth + 1)
    elif isinstance(node, list):
        for at, value in enumerate(node):
            yield from find_card_fields(value, f"{location}/{at}", depth + 1)


class PayloadCheck:
    """The checks of one destination. Raises ``ConfigurationError`` if the section is not valid."""

    def __init__(
        self,
        section: Any,
        items: str,
        settings: TransformSettings,
        *,
        values: Mapping[str, Any],
        needs: Mapping[str, Sequence[str]],
        where: str,
    ) -> None:
        """``values``: the settings that ``settings.x`` refers to. ``needs``: required members by order status."""
        if not isinstance(section, Mapping) or not set(section) <= _MEMBERS or "money" not in section:
            raise ConfigurationError(f"{where}: must be an object with money; allowed: {', '.join(sorted(_MEMBERS))}")
        self._items = items
        self._same: dict[str, str] = dict(section.get("same", {}))
        self._settings = {name: values[name] for name in self._setting_names(values, where)}
        self.public = tuple(section.get("public_address", ()))
        self.no_cards = tuple(section.get("no_card_data", ()))
        self._unique = tuple(map(_path, section.get("unique", ())))
        self._status = settings.status_field
        self._needs = {settings.status_values.get(status, status): members for status, members in needs.items()}
        self._money = MoneyCheck.from_mapping(section["money"], items, settings, where)

    def _setting_names(self, values: Mapping[str, Any], where: str) -> list[str]:
        names = [path.removeprefix("settings.") for path in self._same.values() if path.startswith("settings.")]
        for name in names:
            if name not in values:
                raise ConfigurationError(f"{where}.same: unknown setting {name!r}")
        return names

    @property
    def fixed(self) -> Mapping[str, str]:
        """Members that must equal a column of the order or ``settings.x``."""
        return self._same

    def issues(self, payload: Payload, orders: Mapping[str, Sequence[Any]], row: int) -> list[ValidationIssue]:
        """All problems of a payload that the schema accepts."""
        found = [
            *self._changed(payload, orders, row),
            *self._addresses(payload),
            *self._repeated(payload),
            *self._cards(payload),
            *self._lacking(payload),
        ]
        total, currency = from_minor(orders["total"][row], orders["scale"][row]), orders["currency"][row]
        return found + [
            ValidationIssue(code, "", message) for code, message in self._money.issues(payload, total, currency)
        ]

    def _lacking(self, payload: Payload) -> Iterator[ValidationIssue]:
        status = payload.get(self._status)
        for member in self._needs.get(status, ()) if isinstance(status, str) else ():
            if payload.get(member) is None:
                message = f"{member} is missing, but required for the {self._status} {status}"
                yield ValidationIssue("missing_field", f"/{member}", message)

    def _changed(self, payload: Payload, orders: Mapping[str, Sequence[Any]], row: int) -> Iterator[ValidationIssue]:
        for member, origin in self._same.items():
            wanted = self._settings[origin[9:]] if origin.startswith("settings.") else orders[origin][row]
            if payload.get(member) != wanted:
                message = f"{member} differs from the {origin.replace('_', ' ')}: a mapping rule or constant changes it"
                yield ValidationIssue("identity_changed", f"/{member}", message)

    def _addresses(self, payload: Payload) -> Iterator[ValidationIssue]:
        for member in self.public:
            value = payload.get(member)
            if value is not None and not (isinstance(value, str) and is_public_ipv4(value)):
                message = f"{member} must be a public IPv4 address, not an internal, reserved or multicast one"
                yield ValidationIssue("address_not_public", f"/{member}", message)

    def _cards(self, payload: Payload) -> Iterator[ValidationIssue]:
        for member in self.no_cards:
            for location in find_card_fields(payload.get(member), f"/{member}"):
                message = f"{field_name(location)} is card data, which is never sent; use a masked value or remove it"
                yield ValidationIssue("card_data", location, message)

    def _repeated(self, payload: Payload) -> Iterator[ValidationIssue]:
        for path in self._unique:
            seen: set[Any] = set()
            for at, item in enumerate(payload.get(self._items) or ()):
                value = _value_at(item, path)
                if value is not None and value in seen:
                    location = "/".join(("", self._items, str(at), *path))
                    yield ValidationIssue(
                        "repeated_item_id", location, f"{field_name(location)} is also the id of an earlier item"
                    )
                seen.add(value)
