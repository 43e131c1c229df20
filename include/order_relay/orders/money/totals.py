"""Checks that the amounts of an order add up. An order that does not is rejected, never corrected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from order_relay.errors import RecordRejectedError, ValidationIssue
from order_relay.orders.mapping.canonical import (
    CHARGE_PREFIX,
    LINE_MONEY,
    CanonicalOrders,
    CanonicalReader,
    charge_columns,
)
from order_relay.orders.mapping.units import extended_amount
from order_relay.orders.money.amounts import EXACT_CONTEXT, from_minor, to_minor
from order_relay.orders.notes import OrderNote
from order_relay.orders.schema.validator import field_name

if TYPE_CHECKING:
    import pandas as pd

MAX_DECIMALS = 6
"""Maximum decimals of a unit price as entered; a price with more results from a division."""

LINE_TAXES = "taxes of lines"

RejectOrder = Callable[[int, str, str, str], None]


def check_totals(canonical: CanonicalOrders, reader: CanonicalReader) -> pd.DataFrame:
    """Check lines and totals, add to the issues, and return the lines that are items.

    In the result ``quantity`` and the amounts (minor units) are ``int64``; ``net`` is ``extended`` with the line's own
    discount. ``unit_price`` is ``Decimal`` or ``None``.
    Lines of quantity 0 without an amount were cancelled: they are left out, and a note records it. The charges of the
    orders become minor units.
    """

    def reject(row: int, code: str, location: str, problem: str) -> None:
        canonical.issues[row].append(ValidationIssue(code, location, f"{field_name(location)} {problem}"))

    items = canonical.lines.loc[~canonical.lines["promotion"]].copy()
    items["extended"], items["quantity"], sent = _lines(items, canonical, reader, reject)
    items = items.astype(dict.fromkeys(("quantity", *LINE_MONEY), "int64")).loc[sent]
    items["net"] = items["extended"] + items["discount"]
    _line_parts(items, canonical, reader, reject)
    _repeated(items, reader, reject)
    _nothing_to_send(items, canonical, reader, reject)
    _promotions_with_quantity(canonical, reader)
    _charges(canonical, reader)
    _totals(items, canonical, reader, reject)
    return items


def _lines(
    items: pd.DataFrame, canonical: CanonicalOrders, reader: CanonicalReader, reject: RejectOrder
) -> tuple[list[int], list[int], list[bool]]:
    """Extended amounts and quantities of all items (0 if unknown: the order is rejected), and whether each is sent."""
    scales = canonical.orders["scale"].tolist()
    extended: list[int] = []
    quantities: list[int] = []
    sent: list[bool] = []
    names = ("order", "position", "item_number", "quantity", "unit_price", "extended")
    for row, position, number, quantity, unit, amount in zip(*(items[name].tolist() for name in names), strict=True):
        cancelled = quantity == 0 and not amount and not _has_issue_at(canonical, row, reader, "extended", position)
        sent.append(not cancelled)
        if cancelled:
            canonical.notes[row].append(_cancelled(reader.line_pointer("", position)))
        for column, value in (("item_number", number), ("quantity", quantity)):
            if value is None and not cancelled:
                _missing(row, reader.line_pointer(column, position), canonical, reject)
        scale = scales[row]
        if cancelled or quantity is None or scale is None or (unit is None and amount is None):
            if not cancelled:
                canonical.unpriced.add(row)
            extended.append(0)
            quantities.append(0)
            continue
        if amount is None:
            amount = extended_amount(unit, quantity, scale)  # noqa: PLW2901
        elif quantity == 0:
            reject(
                row,
                "quantity_not_positive",
                reader.line_pointer("quantity", position),
                f"is 0, but the line has an amount of {from_minor(amount, scale)}",
            )
        elif unit is not None and _amounts_differ(amount, unit, quantity, scale):
            times = EXACT_CONTEXT.multiply(unit, Decimal(quantity))
            reject(
                row,
                "price_mismatch",
                reader.line_pointer("extended", position),
                f"is {from_minor(amount, scale)}, but {quantity} times the unit price of {unit} is "
                f"{times.normalize(EXACT_CONTEXT):f}",
            )
        for column, value in (("extended", amount), ("unit_price", unit)):
            if value is not None and value < 0:
                reject(
                    row,
                    "negative_amount",
                    reader.line_pointer(column, position),
                    f"is {_shown(column, value, scale)}, but must not be negative",
                )
        extended.append(amount)
        quantities.append(quantity)
    return extended, quantities, sent


def _line_parts(items: pd.DataFrame, canonical: CanonicalOrders, reader: CanonicalReader, reject: RejectOrder) -> None:
    """Discounts and taxes of single lines."""
    off = (items["discount"] > 0) | ((items["net"] < 0) & (items["extended"] >= 0)) | (items["tax"] < 0)
    names = ("order", "position", "extended", "discount", "tax")
    for row, position, *minor in zip(*(items.loc[off, name].tolist() for name in names), strict=True):
        scale = canonical.orders["scale"][row]
        extended, discount, tax = (from_minor(amount, scale) for amount in minor)
        where = reader.line_pointer("discount", position)
        if discount > 0:
            reject(row, "discount_positive", where, f"is {discount}, but a discount must be negative or 0")
        elif extended + discount < 0:
            reject(row, "discount_too_large", where, f"is {discount}, but the line's amount is {extended}")
        if tax < 0:
            location = reader.line_pointer("tax", position)
            reject(row, "negative_amount", location, f"is {tax}, but must not be negative")


def _shown(column: str, value: Decimal | int, scale: int) -> Decimal:
    return from_minor(int(value), scale) if column == "extended" else Decimal(value)


def _cancelled(location: str) -> OrderNote:
    return OrderNote("cancelled_line", location, "has quantity 0 and no amount; sent in the comment, not as an item")


def _has_issue_at(canonical: CanonicalOrders, row: int, reader: CanonicalReader, column: str, position: int) -> bool:
    location = reader.line_pointer(column, position)
    return any(known.pointer == location for known in canonical.issues[row])


def _amounts_differ(amount: int, unit: Decimal, quantity: int, scale: int) -> bool:
    """Whether an amount differs from unit price times quantity by more than half a minor unit per piece."""
    times = EXACT_CONTEXT.multiply(unit, Decimal(quantity)).scaleb(scale, EXACT_CONTEXT)
    return 2 * abs(EXACT_CONTEXT.subtract(Decimal(amount), times)) > quantity


def _missing(row: int, location: str, canonical: CanonicalOrders, reject: RejectOrder) -> None:
    """Report a missing value, unless it is missing because it was rejected before."""
    if not any(known.pointer == location for known in canonical.issues[row]):
        reject(row, "missing_field", location, "is required but missing")


def _repeated(items: pd.DataFrame, reader: CanonicalReader, reject: RejectOrder) -> None:
    """Duplicate line ids: the OMS reports shipments by them."""
    repeated = items.loc[items.duplicated(["order", "line"]), ["order", "position"]]
    for row, position in zip(repeated["order"].tolist(), repeated["position"].tolist(), strict=True):
        reject(row, "repeated_line", reader.line_pointer("line", position), "is also the id of an earlier line")


def _nothing_to_send(
    items: pd.DataFrame, canonical: CanonicalOrders, reader: CanonicalReader, reject: RejectOrder
) -> None:
    lines = canonical.lines
    for row in sorted(set(lines["order"].tolist()) - set(items["order"].tolist())):
        location = reader.line_pointer("", 0).rsplit("/", 1)[0]
        if lines.loc[lines["order"] == row, "promotion"].all():
            reject(row, "only_promotions", location, "has promotion texts only, and no item to send")
        else:
            reject(row, "only_cancelled_lines", location, "has no item to send: every line has quantity 0")
        canonical.unpriced.add(row)


def _promotions_with_quantity(canonical: CanonicalOrders, reader: CanonicalReader) -> None:
    """A line without a price is sent in the comment. If it has a quantity, it may have been meant as an item."""
    lines = canonical.lines
    ignored_quantities = lines.loc[lines["promotion"] & lines["quantity"].notna(), ["order", "position", "quantity"]]
    for row, position, quantity in zip(
        *(ignored_quantities[name].tolist() for name in ignored_quantities.columns), strict=True
    ):
        if quantity:
            location = reader.line_pointer("", position)
            message = f"has quantity {quantity} but no price; sent in the comment, not as an item"
            canonical.notes[row].append(OrderNote("promotion_with_quantity", location, message))


def _charges(canonical: CanonicalOrders, reader: CanonicalReader) -> None:
    """Charges in minor units; 0 if missing."""
    import pandas as pd

    orders = canonical.orders
    scales = orders["scale"].tolist()
    for name in charge_columns(orders.columns):
        location = reader.order_pointer(name)
        amounts: list[int] = []
        for row, (value, scale) in enumerate(zip(orders[name].tolist(), scales, strict=True)):
            amounts.append(0)
            if any(known.pointer == location for known in canonical.issues[row]):
                canonical.unpriced.add(row)
            elif value is not None and scale is not None:
                try:
                    amounts[row] = to_minor(Decimal(value), scale)
                except RecordRejectedError as error:
                    (issue,) = error.issues
                    canonical.issues[row].append(
                        ValidationIssue(issue.code, location, f"{field_name(location)} {issue.message}")
                    )
                    canonical.unpriced.add(row)
        orders[name] = pd.Series(amounts, index=orders.index, dtype=object)


def _totals(items: pd.DataFrame, canonical: CanonicalOrders, reader: CanonicalReader, reject: RejectOrder) -> None:
    """Compare subtotal, discount, freight, tax and total of all orders whose amounts could be read."""
    charges = charge_columns(canonical.orders.columns)
    known = [row for row in range(len(canonical.orders)) if row not in canonical.unpriced]
    _compute_totals(items, canonical, reader, known)
    money = canonical.orders.loc[known, ["subtotal", "discount", "freight", "tax", "total", *charges]]
    incomplete = money.isna()
    for column in money.columns:
        for row in money.index[incomplete[column]].tolist():
            _missing(row, reader.order_pointer(column), canonical, reject)
            canonical.unpriced.add(row)
    money = money.loc[~incomplete.any(axis=1)].astype("int64")
    for name, column in (("lines", "net"), (LINE_TAXES, "tax")):
        money[name] = items.groupby("order")[column].sum().reindex(money.index, fill_value=0)
    money["together"] = money[["subtotal", "discount", "freight", "tax", LINE_TAXES, *charges]].sum(axis=1)
    money["taken_off"] = -money["discount"] - money[charges].clip(upper=0).sum(axis=1)
    off = (
        (money["subtotal"] != money["lines"])
        | (money["total"] != money["together"])
        | (money["discount"] > 0)
        | (money["taken_off"] > money["subtotal"])
        | (money["freight"] < 0)
        | (money["tax"] < 0)
    )
    for row in money.index[off].tolist():
        amounts = {str(name): int(value) for name, value in money.loc[row].items()}
        for code, column, problem in _mismatches(amounts, canonical.orders["scale"][row], charges):
            reject(row, code, reader.order_pointer(column), problem)


def _mismatches(minor: Mapping[str, int], scale: int, charges: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """The issues with the sums of one order: code, column, and a message with the numbers."""
    shown = {name: from_minor(amount, scale) for name, amount in minor.items()}
    parts = [
        "subtotal",
        "discount",
        "freight",
        "tax",
        *([LINE_TAXES] if minor[LINE_TAXES] else ()),
        *(name.removeprefix(CHARGE_PREFIX) for name in charges if minor[name]),
    ]
    if minor["subtotal"] != minor["lines"]:
        yield "subtotal_mismatch", "subtotal", _differs(shown, "subtotal", "the lines", "lines")
    if minor["total"] != minor["together"]:
        addends = f"{', '.join(parts[:-1])} and {parts[-1]}"
        yield "total_mismatch", "total", _differs(shown, "total", addends, "together")
    if minor["discount"] > 0:
        yield "discount_positive", "discount", f"is {shown['discount']}, but a discount must be negative or 0"
    if minor["taken_off"] > minor["subtotal"]:
        message = f"and negative charges take {shown['taken_off']} off a subtotal of {shown['subtotal']}"
        yield "discount_too_large", "discount", message
    for name in ("freight", "tax"):
        if minor[name] < 0:
            yield "negative_amount", name, f"is {shown[name]}, but must not be negative"


def _differs(shown: Mapping[str, Decimal], stated: str, addends: str, added: str) -> str:
    off = shown[stated] - shown[added]
    return f"is {shown[stated]}, but {addends} add up to {shown[added]} (difference {off})"


def _compute_totals(items: pd.DataFrame, canonical: CanonicalOrders, reader: CanonicalReader, known: list[int]) -> None:
    """Fill in the sums that the source does not state (no mapping rule). Sums that it states are only checked."""
    orders = canonical.orders
    if "subtotal" not in reader.targets:
        sums = items.groupby("order")["net"].sum()
        _fill(orders, "subtotal", {row: int(sums.get(row, 0)) for row in known})
    if "total" not in reader.targets:
        parts = orders.loc[known, ["subtotal", "discount", "freight", "tax", *charge_columns(orders.columns)]].dropna()
        taxes = items.groupby("order")["tax"].sum()
        _fill(orders, "total", {row: sum(parts.loc[row].tolist()) + int(taxes.get(row, 0)) for row in parts.index})


def _fill(frame: pd.DataFrame, name: str, values: dict[int, int]) -> None:
    import pandas as pd

    column = [values.get(row, old) for row, old in enumerate(frame[name].tolist())]
    frame[name] = pd.Series(column, index=frame.index, dtype=object)


def rounded_price(unit: Decimal | None, scale: int) -> Decimal | None:
    """A unit price with at least the decimals of its currency (142.5 becomes 142.50). A price with more than
    ``MAX_DECIMALS`` (19.991735537190085, the result of a division) is rounded to the currency's decimals."""
    if unit is None:
        return None
    exponent = unit.as_tuple().exponent
    fine = isinstance(exponent, int) and -MAX_DECIMALS <= exponent <= -scale
    return unit if fine else unit.quantize(Decimal(1).scaleb(-scale), context=EXACT_CONTEXT)
