"""Compares the amounts of a payload with the order's total."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation, localcontext
from operator import mul
from typing import Any

from order_relay.errors import ConfigurationError, ValidationIssue

PayloadPath = tuple[str, ...]
Payload = Mapping[str, Any]

EXACT_SUMS = Context(prec=80)
"""Sums of any amounts that a payload can hold are exact."""

_KEYS = ("item_price", "item_quantity", "item_amount", "item_charges", "order_charges", "total")


def payload_path(name: str) -> PayloadPath:
    """The names of a dotted path."""
    return tuple(name.split("."))


def value_at(node: Any, path: PayloadPath) -> Any:
    """The value at a path; ``None`` if something along it is not an object."""
    for name in path:
        if type(node) is not dict:
            return None
        node = node.get(name)
    return node


def number(value: Any) -> Decimal:
    """An exact number of the payload; 0 if missing or not a number (the schema rejects the latter)."""
    if type(value) is Decimal:
        return value if value.is_finite() else Decimal(0)
    if type(value) is int:
        return Decimal(value)
    if value is None or isinstance(value, bool):
        return Decimal(0)
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)
    return found if found.is_finite() else Decimal(0)


def values_at(items: Sequence[Any], path: PayloadPath) -> Sequence[Any]:
    """``value_at`` of each item; one pass per name costs half as much as one call per item."""
    for name in path:
        items = [item.get(name) if type(item) is dict else None for item in items]
    return items


def column_sum(items: Sequence[Any], path: PayloadPath, times: Sequence[Decimal] | None = None) -> Decimal:
    """The sum of one member of the items, each multiplied by its entry of ``times``."""
    values = values_at(items, path)
    if not any(values):
        return Decimal(0)
    amounts = map(number, values)
    return sum(amounts if times is None else map(mul, times, amounts), Decimal(0))


def total_mismatch(parts: Mapping[str, Decimal], total: Decimal, currency: str) -> Iterator[ValidationIssue]:
    """An issue with the numbers, unless the parts of a payload add up to the order's total."""
    with localcontext(EXACT_SUMS):
        added = sum(parts.values(), Decimal(0))
        off = added - total
    if off:
        given = ", ".join(f"{name} {amount:f}" for name, amount in parts.items() if amount)
        message = (
            f"the payload adds up to {_format_amount(added, total)} {currency}, but the order's total is {total:f} "
            f"(difference {_format_amount(off, total)}). Parts of the payload: {given or 'none'}. Check the mapping "
            "rules and constants that fill them"
        )
        yield ValidationIssue("payload_total_mismatch", "", message)


def _format_amount(amount: Decimal, like: Decimal) -> str:
    """An amount with at least the decimals of another one: 2 is 2.00 if compared with 256.50."""
    fewest = max(-int(like.as_tuple().exponent), -int(amount.normalize(EXACT_SUMS).as_tuple().exponent), 0)
    return f"{amount:.{fewest}f}"


@dataclass(frozen=True)
class MoneyCheck:
    """The members whose sum is the order's total, from the section ``checks.money`` of a mapping file.

    ``item_price`` times ``item_quantity``, or ``item_amount`` (the amount of the whole item); ``item_charges`` and
    ``order_charges`` are added. ``total``: a member that must hold the order's total.
    """

    items: str
    item_price: PayloadPath
    item_quantity: PayloadPath
    item_amount: PayloadPath
    item_charges: tuple[PayloadPath, ...]
    order_charges: tuple[PayloadPath, ...]
    total: PayloadPath
    each_unit: bool

    @classmethod
    def from_mapping(cls, section: Any, items: str, *, each_unit: bool, where: str) -> MoneyCheck:
        """Read the section. ``each_unit``: item charges are per unit, not per item. Raises ``ConfigurationError``."""
        priced = isinstance(section, Mapping) and ("item_amount" in section) != ("item_price" in section)
        if (
            not priced
            or not set(section) <= set(_KEYS)
            or (each_unit or "item_price" in section) > ("item_quantity" in section)
        ):
            raise ConfigurationError(
                f"{where}.money: needs item_price and item_quantity, or item_amount; allowed: {', '.join(_KEYS)}"
            )
        single = {name: payload_path(str(section[name])) if name in section else () for name in (*_KEYS[:3], "total")}
        lists = {name: tuple(map(payload_path, section.get(name, ()))) for name in _KEYS[3:5]}
        return cls(items, **single, **lists, each_unit=each_unit)  # type: ignore[arg-type]

    def issues(self, payload: Payload, total: Decimal, currency: str) -> Iterator[ValidationIssue]:
        """The problems with the amounts of a payload."""
        with localcontext(EXACT_SUMS):
            parts = self.parts(payload)
        yield from total_mismatch(parts, total, currency)
        if self.total and number(value_at(payload, self.total)) != total:
            name = ".".join(self.total)
            message = f"{name} differs from the order's total of {total:f} {currency}. Check the rule that fills it"
            yield ValidationIssue("payload_total_mismatch", "/" + "/".join(self.total), message)

    def parts(self, payload: Payload) -> dict[str, Decimal]:
        """The amounts that are added, by name."""
        items = payload.get(self.items) or ()
        quantities = list(map(number, values_at(items, self.item_quantity))) if self.item_quantity else None
        if self.item_amount:
            parts = {"items": column_sum(items, self.item_amount)}
        else:
            parts = {"items": column_sum(items, self.item_price, quantities)}
        times = quantities if self.each_unit else None
        parts |= {path[-1]: column_sum(items, path, times) for path in self.item_charges}
        return parts | {".".join(path): number(value_at(payload, path)) for path in self.order_charges}
