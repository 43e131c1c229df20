"""The items of payloads as columns. Their amounts and those left at the order add up to the order's total exactly."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from order_relay.orders.mapping.canonical import LINE_MONEY, CanonicalOrders
from order_relay.orders.mapping.line_ids import ItemIds
from order_relay.orders.money.allocation import AllocatedItem, allocate, split_line
from order_relay.orders.money.amounts import EXACT_CONTEXT, from_minor, per_unit
from order_relay.orders.money.totals import rounded_price
from order_relay.orders.payload.items.amount_plan import AmountPlan
from order_relay.orders.payload.items.charges import Charges, ExtraItem

if TYPE_CHECKING:
    import pandas as pd

Columns = dict[str, list[Any]]

ITEM_DERIVED = (
    "external_item_id",
    "item_kind",
    "item_name",
    "item_quantity",
    "actual_price",
    "retail_price",
    "item_amount",
    "item_freight",
    "item_tax",
    "item_discount",
)
"""Columns of items besides those of their lines. Amounts are decimals of the currency.

``item_kind`` is ``line``, or for an item without a line what it adds: ``charge``, ``discount``, ``freight``, ``tax``.
``actual_price`` times ``item_quantity`` is ``item_amount``. ``item_discount`` is at most 0. ``retail_price``: the unit
price as the source states it, before discounts."""


@dataclass(slots=True)
class BuiltItems:
    """The items of a slice of orders.

    ``columns``: one value per item. ``spans``: the range of items of each order by its row. ``sums``: discount, freight
    and tax of whole orders by row, in minor units.
    """

    columns: Columns
    spans: dict[int, range]
    sums: dict[int, tuple[int, int, int]]


@dataclass(slots=True)
class _Items:
    """Items while they are made.

    ``lines``: the line of each, or -1. ``whole``: unit price and amount of those whose price is not in minor units, by
    position. ``extra``: items without a line, with the row of their order, by position.
    """

    pieces: list[AllocatedItem] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    scales: list[int] = field(default_factory=list)
    whole: dict[int, tuple[Decimal, int]] = field(default_factory=dict)
    extra: dict[int, tuple[int, ExtraItem]] = field(default_factory=dict)


@dataclass(frozen=True)
class ItemBuilder:
    """Makes the items of orders that add up. ``needed``: the columns that the rules of items read."""

    plan: AmountPlan
    charges: Charges
    needed: Collection[str]

    def build(
        self, items: pd.DataFrame, canonical: CanonicalOrders, minor: Mapping[str, Sequence[Any]], good: Sequence[int]
    ) -> BuiltItems:
        """The items of the orders ``good``. ``minor``: the columns of the orders with amounts in minor units.

        An item without a line has the position -1.
        """
        lines: Columns = {str(name): items[name].tolist() for name in items.columns}
        _add_shown(lines, minor["scale"])
        bounds = _bounds(lines["order"])
        numbers = _numbers(canonical)
        made = _Items()
        spans: dict[int, range] = {}
        sums: dict[int, tuple[int, int, int]] = {}
        for row in good:
            start, span, scale, ids = len(made.pieces), bounds[row], minor["scale"][row], ItemIds(numbers[row])
            discount = -minor["discount"][row] + self.charges.added("discount", minor, row)
            freight = minor["freight"][row] + self.charges.added("freight", minor, row)
            tax = minor["tax"][row] + self.charges.added("tax", minor, row)
            self._add_lines(made, lines, span, (discount, freight, tax), scale=scale, ids=ids)
            own = slice(span.start, span.stop)
            sums[row] = sum(lines["discount"][own]) - discount, freight, tax + sum(lines["tax"][own])
            for item in (*self.charges.items(minor, row), *self._extra_items(*sums[row])):
                made.extra[len(made.pieces)] = row, item
                made.pieces.append(AllocatedItem(1, item.amount, 0, 0))
                made.lines.append(-1)
                made.numbers.append(ids.id_for_charge(item.part_number))
            spans[row] = range(start, len(made.pieces))
            made.scales += [scale] * (len(made.pieces) - start)
        return BuiltItems(self._columns(made, lines, minor["scale"]), spans, sums)

    def _add_lines(
        self, made: _Items, lines: Columns, span: range, amounts: tuple[int, int, int], *, scale: int, ids: ItemIds
    ) -> None:
        """Add the items of an order's lines. ``amounts``: discount, freight and tax of the order without its lines'."""
        plan, nets = self.plan, lines["net"][span.start : span.stop]
        placed = zip((plan.discount.send, plan.freight.send, plan.tax.send), amounts, strict=True)
        shares = [allocate(amount if send in ("spread", "price") else 0, nets) for send, amount in placed]
        for line, net, off, freight, tax_share in zip(span, nets, *shares, strict=True):
            amount = net - off if plan.discount.send == "price" else lines["extended"][line]
            tax = tax_share + lines["tax"][line] if plan.tax.send == "spread" else 0
            discount = off - lines["discount"][line] if plan.discount.send == "spread" else 0
            item = AllocatedItem(lines["quantity"][line], amount, freight, tax, discount)
            price = None if plan.split == "minor" else self._whole_price(lines["retail_price"][line], item, scale)
            if price is None:
                pieces = split_line(amount, item.quantity, freight, tax, discount, each_unit=plan.each_unit)
            else:
                made.whole[len(made.pieces)] = price, amount
                times = item.quantity if plan.each_unit else 1
                pieces = [AllocatedItem(item.quantity, amount, freight // times, tax // times, discount // times)]
            made.pieces += pieces
            made.lines += [line] * len(pieces)
            made.numbers += ids.ids_for_line(lines["line"][line], len(pieces))

    def _whole_price(self, price: Decimal, item: AllocatedItem, scale: int) -> Decimal | None:
        """The unit price of a line that stays one item with it. ``item``: the line, with its amount as price."""
        exact = EXACT_CONTEXT.multiply(price, Decimal(item.quantity)) == from_minor(item.price, scale)
        if self.plan.each_unit:
            exact = exact and not any(part % item.quantity for part in (item.freight, item.tax, item.discount))
        return price if exact or self.plan.split == "never" else None

    def _extra_items(self, discount: int, freight: int, tax: int) -> Iterator[ExtraItem]:
        """Amounts of the order that are sent as items of their own."""
        plan = self.plan
        placed = (("discount", plan.discount, discount), ("freight", plan.freight, freight), ("tax", plan.tax, tax))
        for kind, where, amount in placed:
            if where.send == "item" and amount:
                yield ExtraItem(kind, where.part_number, where.name, amount)

    def _columns(self, made: _Items, lines: Columns, scales: Sequence[int]) -> Columns:
        """The columns of the items. Of those that repeat a line's value or a rare amount, only the needed ones."""
        pieces = made.pieces
        out: Columns = {
            "external_item_id": made.numbers,
            "item_quantity": [piece.quantity for piece in pieces],
            "actual_price": _decimals((piece.price for piece in pieces), made.scales),
            "item_freight": _decimals((piece.freight for piece in pieces), made.scales),
            "item_tax": _decimals((piece.tax for piece in pieces), made.scales),
        }
        if "item_discount" in self.needed:
            out["item_discount"] = _decimals((-piece.discount for piece in pieces), made.scales)
        if "item_amount" in self.needed:
            out["item_amount"] = _decimals((piece.quantity * piece.price for piece in pieces), made.scales)
        for name in lines.keys() & {*self.needed, "order", "position"}:
            column = lines[name]
            if name in LINE_MONEY:
                column = _decimals(column, (scales[row] for row in lines["order"]))
            out[name] = [None if line < 0 else column[line] for line in made.lines]
        for at, (price, amount) in made.whole.items():
            _place(out, at, {"actual_price": price, "item_amount": from_minor(amount, made.scales[at])})
        for at, (row, item) in made.extra.items():
            _place(out, at, {"order": row, "position": -1, "item_kind": item.kind, "item_number": item.part_number})
            _place(out, at, {"item_name": item.name, "description": item.name})
            _place(out, at, {"retail_price": from_minor(item.amount, made.scales[at])})
        return out


def _decimals(minor: Iterable[int], scales: Iterable[int]) -> list[Any]:
    return [from_minor(amount, scale) for amount, scale in zip(minor, scales, strict=True)]


def _place(out: Columns, at: int, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name in out:
            out[name][at] = value


def _add_shown(lines: Columns, scales: Sequence[int | None]) -> None:
    """Add the columns of lines that items repeat: kind, name, and the unit price as the source states it."""
    lines["item_kind"] = ["line"] * len(lines["order"])
    names = zip(lines["description"], lines["item_number"], strict=True)
    lines["item_name"] = [description or number for description, number in names]
    shown = lines["retail_price"] = []
    prices = zip(lines["unit_price"], lines["extended"], lines["quantity"], lines["order"], strict=True)
    for unit, extended, quantity, row in prices:
        scale = scales[row]
        if scale is None or not quantity:  # such an order is refused
            shown.append(None)
        else:
            shown.append(rounded_price(unit, scale) or per_unit(extended, quantity, scale))


def _numbers(canonical: CanonicalOrders) -> list[list[str]]:
    """The ids of all lines of each order, including promotions and cancelled lines."""
    numbers: list[list[str]] = [[] for _ in range(len(canonical.orders))]
    for row, number in zip(canonical.lines["order"].tolist(), canonical.lines["line"].tolist(), strict=True):
        numbers[row].append(number)
    return numbers


def _bounds(order: Sequence[int]) -> dict[int, range]:
    """The range of each order's lines, which are contiguous."""
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    for index, row in enumerate(order):
        starts.setdefault(row, index)
        ends[row] = index + 1
    return {row: range(start, ends[row]) for row, start in starts.items()}
