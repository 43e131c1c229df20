"""Reason codes about an order's content: what the source sent and what would be sent to the OMS."""

from __future__ import annotations

from collections.abc import Mapping

from order_relay import COMMAND
from order_relay.orders.identity.identifiers import IDENTIFIER_RULE
from order_relay.pipeline.report.advice_types import Advice, Responsible

_RESUBMIT = "Correct the order in the source and submit it again, or discard it here."
_REPLAY = f"Then evaluate the orders again: {COMMAND} replay --code CODE --reason ..."


def _source(title: str, meaning: str, example: str = "") -> Advice:
    return Advice(title, meaning, Responsible.SOURCE, _RESUBMIT, example)


def _mapping(title: str, meaning: str) -> Advice:
    return Advice(title, meaning, Responsible.SETTINGS, f"Correct the mapping in the pipeline's file. {_REPLAY}")


_DAMAGED = _source("Damaged text", "A text contains half a Unicode character; it was damaged in transit.")
_TOO_DEEP = _source("Nested too deeply", "The order is nested more deeply than any real order.")
_COUNTRY = _source("Unknown country", "The country is neither an ISO code nor a known name.", "US, DE, NL")

_FORMAT: Mapping[str, Advice] = {
    "missing_field": _source("Required field missing", "A field that every order needs is missing or empty."),
    "missing_element": _source("Required entry missing", "A list lacks an entry that every order needs."),
    "wrong_type": _source(
        "Wrong type of value",
        "A value has another type than its field, such as text in a number field.",
        'quantity: 2, not "two"',
    ),
    "too_long": _source("Text too long", "A text is longer than its field allows."),
    "too_short": _source("Text too short", "A text is shorter than its field requires."),
    "bad_format": _source(
        "Wrong format",
        "A value does not have the format of its field.",
        "an e-mail address as name@example.com, a date as 2026-05-31",
    ),
    "bad_name": _source("Unexpected field name", "The order has a field whose name is not allowed."),
    "bad_value": _source("Unusable value", "A value cannot be used for its field."),
    "bad_country": _COUNTRY,
    "unknown_country": _COUNTRY,
    "bad_identity": _source(
        "Unusable identifier",
        f"An id, order number, item number or part number {IDENTIFIER_RULE.partition(' (')[0]}.",
        "LAMP-9",
    ),
    "bad_quantity": _source("Unusable quantity", "A quantity must be a whole number above zero.", "2"),
    "not_allowed": _source("Value not allowed", "A value is not one of the values that its field allows."),
    "not_in_table": Advice(
        "No row in a code table",
        "A code of the source has no row in its code table.",
        Responsible.SETTINGS,
        f"Add the missing row: order-relay tables set, or the page Tables, or the pipeline's file. {_REPLAY}",
        "shipping: {UPS GROUND: standard}",
    ),
    "too_small": _source("Number too small", "A number is below the minimum of its field."),
    "too_large": _source("Number too large", "A number is above the maximum of its field."),
    "amount_too_large": _source("Amount too large", "An amount is larger than any order can be."),
    "number_out_of_range": _source("Number out of range", "A number has more digits than can be stored exactly."),
    "not_a_multiple": _source("Number has the wrong step", "A number is not a multiple of its field's step."),
    "too_few": _source("Too few entries", "A list has fewer entries than required."),
    "too_many": _source("Too many entries", "A list has more entries than allowed."),
    "repeated": _source("Duplicate entries", "A list has duplicate entries."),
    "unknown_field": _source("Unknown field", "The order has a field that its format does not define."),
    "too_many_errors": _source("Too many errors", "The order has more errors than are listed."),
    "too_deep": _TOO_DEEP,
    "not_unicode": _DAMAGED,
    "lone_surrogate": _DAMAGED,
    "not_encodable": _source("Damaged text", "A text cannot be written as Unicode."),
    "unreadable_value": _source("Unreadable value", "A value cannot be represented in JSON."),
}

_MALFORMED: Mapping[str, Advice] = {
    "bad_byte": _source("Damaged text", "The order contains a byte that is not UTF-8; it was damaged in transit."),
    "control_character": _source("Control character", "A text contains an unescaped control character."),
    "duplicate_key": _source("Duplicate field", "The order gives one field more than once, so its value is ambiguous."),
    "nested_too_deeply": _TOO_DEEP,
    "not_a_json_number": _source("Not a number", "The order contains NaN or an infinite number.", "19.90"),
    "not_json": _source("Not JSON", "The order's text is not valid JSON."),
    "not_an_object": _source("Not an order", "The source returned a value that is not an order."),
    "order_too_large": _source("Order too large", "The order is larger than the connection's setting allows."),
}

_VALUES: Mapping[str, Advice] = {
    "bad_amount": _source("Unusable amount", "A value is not an amount of money.", "142.50"),
    "too_many_decimals": _source("Too many decimals", "An amount has more decimals than its currency.", "19.90"),
    "fractional_quantity": _source("Fractional quantity", "A quantity must be a whole number.", "2"),
    "quantity_too_large": _source("Quantity too large", "A quantity is larger than any order can contain."),
    "unknown_currency": _source("Unknown currency", "The currency is not an ISO 4217 code.", "USD, EUR"),
    "bad_weight": Advice(
        "Unusable weight",
        "A weight is not a plain number, so the feed leaves the order out.",
        Responsible.SETTINGS,
        "Correct the mapping, or the value in the source; the next poll then returns the order.",
        "1.2",
    ),
    "card_data_removed": Advice(
        "Card data removed",
        "Card data was removed from a field that the OMS needs.",
        Responsible.SOURCE,
        "Enter the order in the source again without card data in this field, or discard it.",
    ),
    "address_not_public": _source("Address not public", "The shopper's IP address is internal or reserved.", "8.8.8.8"),
    "identity_unusable": _source(
        "No usable id",
        "The order has no id that distinguishes it from others; it is stored under a hash of its content.",
    ),
    "order_number_unusable": _source(
        "Unusable order number",
        f"The order number cannot be used as it is: it {IDENTIFIER_RULE.partition(' (')[0]}.",
        "6385-031318-392",
    ),
    "no_order_number": _source("No order number", "A record has no order number."),
}

_LINES_AND_MONEY: Mapping[str, Advice] = {
    "no_items": _source("No lines", "The order has no line with an item."),
    "only_promotions": _source("Only promotion texts", "The order has promotion texts and no item."),
    "only_cancelled_lines": _source("Only cancelled lines", "Every line has quantity 0: there is nothing to send."),
    "quantity_not_positive": _source("Quantity not above zero", "A quantity is negative, or zero with an amount.", "2"),
    "repeated_line": _source("Duplicate line number", "Two lines have the same line number."),
    "price_mismatch": _source("Line amount does not match", "A line's amount is not unit price times quantity."),
    "subtotal_mismatch": _source("Subtotal does not match", "The subtotal is not the sum of the lines."),
    "total_mismatch": _source(
        "Total does not add up", "Subtotal, discount, freight, tax and charges do not add up to the total."
    ),
    "discount_positive": _source("Discount above zero", "A discount must be negative or zero.", "-25.00"),
    "discount_too_large": _source("Discount too large", "The discount is larger than the subtotal."),
    "negative_amount": _source("Negative amount", "An amount is negative that must not be."),
    "no_price": _source("No price", "A line has neither a unit price nor an amount."),
    "no_total": _source("No total", "The order has no total, and none can be calculated."),
    "payload_total_mismatch": _mapping(
        "Payload has another total",
        "The payload's total differs from the order's: a rule or constant adds or removes an amount.",
    ),
    "tax_not_fixed": _mapping(
        "Tax left to the OMS",
        "A rule or constant lets the OMS calculate a tax of its own, so the order would not keep its total.",
    ),
    "undocumented_amount": Advice(
        "Amounts of unknown effect",
        "Discounts or promotions in the payload contain amounts. Whether they change the total is not documented.",
        Responsible.SETTINGS,
        "Remove them, or allow them with the setting that the issue names if they are for information only.",
    ),
    "identity_changed": _mapping(
        "Key changed by the mapping",
        "A rule changes the order's key, account or currency, by which it is sent and looked up.",
    ),
    "repeated_item_id": _mapping("Duplicate item id", "The mapping gives two items of the order the same external id."),
    "card_data": _mapping("Card data in the payload", "A payment contains card data, which is never sent."),
}

ORDER_CODES: Mapping[str, Advice] = {**_FORMAT, **_MALFORMED, **_VALUES, **_LINES_AND_MONEY}
