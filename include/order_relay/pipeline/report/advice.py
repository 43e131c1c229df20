"""What a state or a reason code means, who can fix it, and where: one table for commands, reports, alerts and pages.

Texts are for operators without knowledge of the code. None holds an order's data. Codes that are built from an answer
(``http_400_5015``) are explained by their family, see ``advice_for``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

COMMAND = "order-relay"


class Responsible(StrEnum):
    """Who can fix what a code stands for."""

    SOURCE = "whoever took the order, in the source"
    SETTINGS = "whoever maintains the pipeline's settings"
    EXPORTER = "whoever delivers the file or record"
    OPERATOR = "an operator"
    OMS = "whoever administers the OMS account"
    NOBODY = "nobody; it resolves itself"


@dataclass(frozen=True, slots=True)
class Advice:
    """``title`` is a few words, ``meaning`` one or two sentences, ``fix`` the next step and its place.

    ``example`` shows the right form where a value had the wrong one.
    """

    title: str
    meaning: str
    who: Responsible
    fix: str
    example: str = ""


_RESUBMIT = "Correct the order in the source and submit it again, or discard it here."
_REPLAY = f"Then evaluate the orders again: {COMMAND} replay --code CODE --reason ..."
_TABLE = f"Add the missing row to the pipeline's file (tables). {_REPLAY}"
_MAPPING = f"Correct the mapping in the pipeline's file. {_REPLAY}"
_DECIDE = f"Compare the versions with {COMMAND} held NUMBER, then answer the review or use {COMMAND} decide."


def _source(title: str, meaning: str, example: str = "", fix: str = _RESUBMIT) -> Advice:
    return Advice(title, meaning, Responsible.SOURCE, fix, example)


def _settings(title: str, meaning: str, fix: str = _MAPPING, example: str = "") -> Advice:
    return Advice(title, meaning, Responsible.SETTINGS, fix, example)


def _export(title: str, meaning: str, example: str = "") -> Advice:
    return Advice(title, meaning, Responsible.EXPORTER, "Correct the file or record and deliver it again.", example)


def _held(title: str, meaning: str) -> Advice:
    return Advice(title, meaning, Responsible.OPERATOR, _DECIDE)


CODES: Mapping[str, Advice] = {
    # the form of what the source sent
    "missing_field": _source("Required field missing", "A field that every order needs is missing or empty."),
    "missing_element": _source("Required entry missing", "A list lacks an entry that every order needs."),
    "wrong_type": _source(
        "Wrong kind of value",
        "A value is of another kind than the field takes, such as text where a number belongs.",
        'quantity: 2, not "two"',
    ),
    "too_long": _source("Text too long", "A text is longer than the field may be."),
    "too_short": _source("Text too short", "A text is shorter than the field must be."),
    "bad_format": _source(
        "Wrong format",
        "A value does not have the form of its field.",
        "an e-mail address as name@example.com, a date as 2026-05-31",
    ),
    "bad_name": _source("Unexpected field name", "The order has a field whose name is not allowed."),
    "bad_value": _source("Unusable value", "A value cannot be used for its field."),
    "bad_country": _source("Unknown country", "The country is neither an ISO code nor a known name.", "US, DE, NL"),
    "bad_identity": _source(
        "Unusable identity",
        "An id, order number, item number or part number is blank, or has "
        "spaces around it, or invisible characters in it.",
        "LAMP-9",
    ),
    "bad_quantity": _source("Unusable quantity", "A quantity must be a whole number above zero.", "2"),
    "not_allowed": _source("Value not allowed", "A value is not one of those that the field may have."),
    "not_in_table": Advice(
        "No row in a code table",
        "A code of the source has no row in its code table.",
        Responsible.SETTINGS,
        _TABLE,
        "shipping: {UPS GROUND: standard}",
    ),
    "too_small": _source("Number too small", "A number is below the lower bound of its field."),
    "too_large": _source("Number too large", "A number is above the upper bound of its field."),
    "amount_too_large": _source("Amount too large", "An amount is larger than any order can be."),
    "number_out_of_range": _source("Number out of range", "A number has more digits than can be kept exactly."),
    "not_a_multiple": _source("Number has the wrong step", "A number is not a multiple of the step of its field."),
    "too_few": _source("Too few entries", "A list has fewer entries than it must have."),
    "too_many": _source("Too many entries", "A list has more entries than it may have."),
    "repeated": _source("Duplicate entries", "A list has equal entries."),
    "unknown_field": _source("Unknown field", "The order has a field that its format does not know."),
    "too_many_errors": _source("Too many errors", "The order has more errors than are listed."),
    "too_deep": _source("Nested too deeply", "The order is nested more deeply than any real order."),
    "not_unicode": _source("Damaged text", "A text holds half a character; it was damaged on its way."),
    "lone_surrogate": _source("Damaged text", "A text holds half a character; it was damaged on its way."),
    "not_encodable": _source("Damaged text", "A text cannot be written as Unicode."),
    "unreadable_value": _source("Unreadable value", "A value cannot be read as JSON."),
    # text that could not be read
    "bad_byte": _source("Damaged text", "The order holds a byte that is not UTF-8; it was damaged on its way."),
    "control_character": _source("Control character", "A text holds an invisible control character."),
    "duplicate_key": _source("Duplicate field", "The order names one field more than once, so its value is ambiguous."),
    "nested_too_deeply": _source("Nested too deeply", "The order is nested more deeply than any real order."),
    "not_a_json_number": _source("Not a number", "The order holds NaN or an infinite number.", "19.90"),
    "not_json": _source("Not JSON", "The order's text cannot be read as JSON."),
    "not_an_object": _source("Not an order", "The source offered a value that is not an order."),
    "order_too_large": _source("Order too large", "The order is larger than the connection's setting allows."),
    "detail_missing": Advice(
        "Order missing at the source",
        "The source listed the order and answered that it does not exist.",
        Responsible.NOBODY,
        "It is asked for again; an operator is asked if it stays missing.",
    ),
    "order_gone": Advice(
        "Order no longer at the source",
        "The source has answered for hours that the order does not exist.",
        Responsible.OPERATOR,
        f"Look for it in the shop, then replay or {COMMAND} discard it.",
    ),
    # single values
    "bad_amount": _source("Unusable amount", "A value is not an amount of money.", "142.50"),
    "too_many_decimals": _source("Too many decimals", "An amount has more decimals than its currency.", "19.90"),
    "fractional_quantity": _source("Fractional quantity", "A quantity must be a whole number.", "2"),
    "quantity_too_large": _source("Quantity too large", "A quantity is larger than any order can hold."),
    "unknown_country": _source("Unknown country", "The country is neither an ISO code nor a known name.", "US, DE, NL"),
    "unknown_currency": _source("Unknown currency", "The currency is not an ISO 4217 code.", "USD, EUR"),
    "bad_weight": _settings(
        "Unusable weight",
        "The feed leaves the order out, since a weight is not a plain number.",
        "Correct the mapping or the value in the source; the next poll then serves it.",
        "1.2",
    ),
    "card_data_removed": Advice(
        "Card data removed",
        "Card data was removed from a field that the OMS needs.",
        Responsible.SOURCE,
        "Enter the order without card data in this field, or discard it.",
    ),
    # rows of status files and records
    "wrong_width": _export("Wrong number of cells", "A row has more or fewer cells than the header."),
    "column_twice": _export("Duplicate column", "The header names a column more than once."),
    "no_such_column": _settings(
        "Column missing",
        "A column that the settings name is not in the header.",
        "Correct files.columns in the account's file and drop the file again.",
    ),
    "wrong_encoding": _settings(
        "Wrong encoding",
        "The file is not in the encoding that the settings name.",
        "Correct files.encoding in the account's file and drop the file again.",
    ),
    "broken_quotes": _export("Broken quotes", "A quoted cell has no end."),
    "cut_off": _export("File cut off", "The last row ends in the middle."),
    "no_status": _export("No status", "A row names no status."),
    "unknown_kind": _export("Unknown kind of row", "A row is of a kind that is not known."),
    "damaged_by_spreadsheet": _export(
        "Damaged by a spreadsheet",
        "A spreadsheet program rounded or reformatted a number.",
        "612206000000, not 6.12206E+11",
    ),
    "time_unreadable": _export("Unreadable time", "A time cannot be read.", "2026-05-31T14:00:00+07:00"),
    "time_ambiguous": _settings(
        "Ambiguous time",
        "Day and month could be either way round.",
        "Set files.time_format and drop the file again.",
        "%d/%m/%Y %H:%M",
    ),
    "time_without_zone": _settings(
        "Time without a zone",
        "A time names no zone, so its moment is unknown.",
        "Set files.time_zone and drop the file again.",
        "Asia/Bangkok",
    ),
    "year_out_of_range": _export("Year out of range", "A year is neither a plausible one nor a Buddhist year.", "2026"),
    # identity
    "identity_unusable": _source("No usable id", "The order has no id that tells it apart from others."),
    "order_number_unusable": _source(
        "Unusable order number", "The order number cannot be kept exactly as it is.", "6385-031318-392"
    ),
    "no_order_number": _source("No order number", "A record names no order."),
    # lines and money
    "no_items": _source("No lines", "The order has no line with an item."),
    "only_promotions": _source("Only promotion texts", "The order has promotion texts and no item."),
    "only_cancelled_lines": _source("Only cancelled lines", "Every line has quantity 0: there is nothing to send."),
    "payload_total_mismatch": _settings(
        "Payload has another total",
        "What would be sent is worth more or less than the order. A rule or constant adds an amount.",
    ),
    "tax_not_fixed": _settings(
        "Tax left to the OMS",
        "A rule or constant lets the OMS work out a tax of its own; the order would not keep its total.",
    ),
    "undocumented_amount": _settings(
        "Amounts of unknown effect",
        "Discounts or promotions sent hold amounts. Whether they change the total is not documented.",
        "Remove them, or set transform.discounts_listed to informative if they are for information only.",
    ),
    "identity_changed": _settings(
        "Key changed by the mapping",
        "A rule changes the order's key, manufacturer or currency, by which it is sent and looked up.",
    ),
    "address_not_public": _source("Address not public", "The shopper's IP address is internal or reserved.", "8.8.8.8"),
    "repeated_item_id": _settings("Duplicate item id", "The mapping gives two items of the order one external id."),
    "card_data": _settings("Card data in the payload", "A payment holds card data, which is never sent."),
    "quantity_not_positive": _source("Quantity not above zero", "A quantity is negative, or zero with an amount.", "2"),
    "repeated_line": _source("Duplicate line number", "Two lines have the same line number."),
    "price_mismatch": _source("Line amount does not match", "The line's amount is not unit price times quantity."),
    "subtotal_mismatch": _source("Subtotal does not match", "The subtotal is not the sum of the lines."),
    "total_mismatch": _source(
        "Total does not add up", "The total is not subtotal, discount, freight, tax and charges together."
    ),
    "discount_positive": _source("Discount above zero", "A discount must be negative or zero.", "-25.00"),
    "discount_too_large": _source("Discount too large", "The discount is larger than the subtotal."),
    "negative_amount": _source("Negative amount", "An amount that cannot be negative is negative."),
    "no_price": _source("No price", "A line has neither a unit price nor an amount."),
    "no_total": _source("No total", "The order states no total and none can be worked out."),
    # reading
    "archive_removed": Advice(
        "Raw order removed",
        "Retention removed the stored order, so it cannot be evaluated.",
        Responsible.NOBODY,
        "It is evaluated once the source offers it again.",
    ),
    "detail_unreadable": Advice(
        "Order could not be read",
        "The source listed the order and gave no readable answer when asked for it.",
        Responsible.NOBODY,
        "It is asked for again at growing intervals.",
    ),
    "repaired_under_its_id": Advice(
        "Repaired at the source",
        "The source could not be understood at first; the order with this number was imported later under its own id.",
        Responsible.NOBODY,
        "Nothing remains to be done.",
    ),
    # versions, held
    "changed_after_import": _held(
        "Changed after import", "The source offers other content for an order that the OMS already has."
    ),
    "changed_after_discard": _held(
        "Changed after discard", "The source offers other content for an order that was discarded."
    ),
    "newer_than_imported": _held(
        "Newer version of an imported order", "A newer version arrived although an earlier one was imported."
    ),
    "too_few_common_items": _held(
        "Versions share too few items", "The versions share so few items that this may be a new order on an old form."
    ),
    "contradicting_versions": _held(
        "Versions contradict each other",
        "Versions that share an id differ in customer, "
        "customer PO or base order number, so they may be different orders.",
    ),
    "suffix_without_base": _held(
        "Further version without the first",
        "The order number says that this is a further version, but no other version was ever seen.",
    ),
    "suffixed": _held("Further version", "The pipeline wants every further version reviewed."),
    "sibling_held": _held("Another version is held", "Another version of the same order waits for a decision."),
    "number_with_two_ids": _held("One number, two ids", "The source offers one order number under two ids."),
    "id_with_two_uuids": _held("One id, two uuids", "The source offers one id under two uuids."),
    "id_with_two_contents": _held("One id, two contents", "The source offers one id with two contents in one answer."),
    "destination_key_taken": _held("External id already used", "Another order already has this external id."),
    "newer_quarantined": Advice(
        "Newer version quarantined",
        "A newer version of this order was refused by the checks.",
        Responsible.SOURCE,
        "Correct or discard the newer version.",
    ),
    "newer_held": Advice(
        "Newer version held", "A newer version of this order waits for a decision.", Responsible.OPERATOR, _DECIDE
    ),
    "version_in_doubt": Advice(
        "Other version unconfirmed",
        "Another version of this order may be at the OMS.",
        Responsible.NOBODY,
        "It is looked up at the OMS; then this one proceeds.",
    ),
    # the OMS's search
    "foreign_order_with_our_number": Advice(
        "Another order has our number",
        "The OMS has an order under our number that differs from ours.",
        Responsible.OPERATOR,
        "Compare both in the OMS, then answer the review.",
    ),
    "unidentified_order_with_our_number": Advice(
        "Order of an unknown manufacturer",
        "The OMS has an order under our number and does not say whose it is.",
        Responsible.OPERATOR,
        "Look in the OMS, then answer the review. Where the OMS never names manufacturers, set "
        "unnamed_orders: ours on its connection.",
    ),
    # the source
    "gate:cancelled": Advice(
        "Cancelled at its source",
        "The shop cancelled this order before it was sent. It is not sent.",
        Responsible.NOBODY,
        "The next run reads it again. It proceeds only if the shop confirms it again.",
    ),
    "gate:state=cancel": Advice(
        "Cancelled at its source",
        "The shop cancelled this order before it was sent. It is not sent.",
        Responsible.NOBODY,
        "It proceeds only if the shop confirms it again.",
    ),
    # sending
    "lease_expired": Advice(
        "Worker lost",
        "The worker died while it sent this order; nobody saw the answer.",
        Responsible.NOBODY,
        "It is looked up at the OMS.",
    ),
}
"""Every reason code of the package."""

_FAMILIES: tuple[tuple[re.Pattern[str], Advice], ...] = (
    (
        re.compile(r"http_(400|422)(_\w+)?"),
        Advice(
            "Refused by the OMS",
            "The OMS refused the order and stored nothing.",
            Responsible.SETTINGS,
            f"Read the OMS's words with {COMMAND} order NUMBER --payload, correct the mapping, a table or the order, "
            "then replay or discard it.",
        ),
    ),
    (
        re.compile(r"http_\d{3}(_\w+)?"),
        Advice(
            "Not stored by the OMS",
            "Every attempt ended with this answer, and the OMS did not have the order.",
            Responsible.OMS,
            f"Read the OMS's words with {COMMAND} order NUMBER --payload; once the cause is fixed, replay the order.",
        ),
    ),
    (
        re.compile(r"[A-Z]\w*(Error|Exception|Mismatch)"),
        Advice(
            "No complete answer",
            "The connection to the OMS broke before a complete answer arrived.",
            Responsible.NOBODY,
            "The order is looked up at the OMS before anything else happens.",
        ),
    ),
    (
        re.compile(r"gate:.*"),
        Advice(
            "Waiting for the source",
            "The source does not let the order proceed yet, for example while a payment is open.",
            Responsible.NOBODY,
            "It is asked for again at growing intervals.",
        ),
    ),
)


def advice_for(code: str) -> Advice | None:
    """What a code means; ``None`` for a code that no table and no family knows."""
    if code in CODES:
        return CODES[code]
    return next((advice for pattern, advice in _FAMILIES if pattern.fullmatch(code)), None)
