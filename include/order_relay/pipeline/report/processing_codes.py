"""Reason codes of reading, version decisions, sending, and status files; and families of codes built from an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping

from order_relay import COMMAND
from order_relay.pipeline.report.advice_types import Advice, Responsible

COMPARE_VERSIONS = f"Compare the versions with {COMMAND} held NUMBER, then answer the review or use {COMMAND} decide."


def _held(title: str, meaning: str) -> Advice:
    return Advice(title, meaning, Responsible.OPERATOR, COMPARE_VERSIONS)


def _export(title: str, meaning: str, example: str = "") -> Advice:
    return Advice(title, meaning, Responsible.EXPORTER, "Correct the file or record and deliver it again.", example)


def _file_setting(title: str, meaning: str, setting: str, example: str = "") -> Advice:
    fix = f"Correct {setting} in the account's file and deliver the file again."
    return Advice(title, meaning, Responsible.SETTINGS, fix, example)


def _automatic(title: str, meaning: str, what_happens: str) -> Advice:
    return Advice(title, meaning, Responsible.NOBODY, what_happens)


_READING: Mapping[str, Advice] = {
    "detail_missing": _automatic(
        "Order missing at the source",
        "The source listed the order, but answered HTTP 404 when it was requested.",
        "It is requested again; an operator is asked if it stays missing.",
    ),
    "detail_unreadable": _automatic(
        "Order could not be read",
        "The source listed the order, but gave no readable answer when it was requested.",
        "It is requested again at growing intervals.",
    ),
    "order_gone": Advice(
        "Order no longer at the source",
        "For hours the source has answered that the order does not exist.",
        Responsible.OPERATOR,
        f"Look for it in the shop, then use {COMMAND} replay or {COMMAND} discard.",
    ),
    "archive_removed": _automatic(
        "Raw order removed",
        "Retention removed the raw order, so it cannot be evaluated.",
        "It is evaluated once the source offers it again.",
    ),
    "correction_not_applicable": Advice(
        "Correction cannot be applied",
        "A stored correction of the order no longer fits, such as after a change of the mapping.",
        Responsible.OPERATOR,
        f"Withdraw it and correct the order again: {COMMAND} correct NUMBER --fields",
    ),
    "repaired_under_its_id": _automatic(
        "Repaired at the source",
        "The order could not be read at first. An order with its number was imported later under its own id.",
        "No action needed.",
    ),
}

_VERSIONS: Mapping[str, Advice] = {
    "changed_after_import": _held(
        "Changed after import", "The source offers different content for an order that the OMS already has."
    ),
    "changed_after_discard": _held(
        "Changed after discard", "The source offers different content for an order that was discarded."
    ),
    "newer_than_imported": _held(
        "Newer version of an imported order", "A newer version arrived after an earlier one was imported."
    ),
    "too_few_common_items": _held(
        "Versions share too few items",
        "The versions have few items in common, so this may be a new order entered on an old form.",
    ),
    "contradicting_versions": _held(
        "Versions contradict each other",
        "Versions that share an id differ in customer, customer PO or base order number, so they may be different "
        "orders.",
    ),
    "suffix_without_base": _held(
        "Further version without the first",
        "The order number marks a further version, but no other version has ever been received.",
    ),
    "suffixed": _held(
        "Further version", "The order number marks a further version, and the pipeline requires a review of each."
    ),
    "sibling_held": _held("Another version is held", "Another version of the same order waits for a decision."),
    "number_with_two_ids": _held("One number, two ids", "The source offers one order number under two ids."),
    "id_with_two_uuids": _held("One id, two uuids", "The source offers one id under two uuids."),
    "id_with_two_contents": _held(
        "One id, two contents", "The source offered one id with two different contents in one answer."
    ),
    "destination_key_taken": _held("External id already used", "Another order already has this external id."),
    "newer_quarantined": Advice(
        "Newer version quarantined",
        "A newer version of this order is quarantined.",
        Responsible.SOURCE,
        "Correct or discard the newer version.",
    ),
    "newer_held": _held("Newer version held", "A newer version of this order waits for a decision."),
    "version_in_doubt": _automatic(
        "Other version unconfirmed",
        "Another version of this order may be at the OMS.",
        "The other version is looked up at the OMS; then this one proceeds.",
    ),
}

_DESTINATION: Mapping[str, Advice] = {
    "foreign_order_with_our_number": Advice(
        "Another order has our number",
        "The OMS has an order with our external order number whose content differs from ours; another channel may use "
        "the same numbers.",
        Responsible.OPERATOR,
        "Compare the two orders in the OMS, then answer the review. If ours is held: separate sends it in addition "
        "(give the other order another number first, or the OMS may refuse ours); discard never sends it, which is "
        "also right if the order in the OMS is ours after all.",
    ),
    "unidentified_order_with_our_number": Advice(
        "Order of an unknown account",
        "The OMS has an order with our external order number that names no account.",
        Responsible.OPERATOR,
        "Check the order in the OMS, then answer the review. If ours is held: discard it if the order in the OMS is "
        "ours; otherwise separate sends ours in addition. If the OMS never names the account, set "
        "unnamed_orders: ours on its connection.",
    ),
    "resends_exhausted": Advice(
        "Sent again without a confirmed import",
        "The order was sent `load.max_attempts` times under the same key without a confirmed import. It may be stored.",
        Responsible.OPERATOR,
        f"Search the destination for the order's external id, then answer the review or use `{COMMAND} settle`. "
        f"`{COMMAND} order NUMBER --payload` shows the destination's answers.",
    ),
    "gate:cancelled": _automatic(
        "Cancelled at its source",
        "The shop cancelled this order before it was sent. It is not sent.",
        "The next run reads it again. It proceeds only if the shop confirms it again.",
    ),
    "gate:state=cancel": _automatic(
        "Cancelled at its source",
        "The shop cancelled this order before it was sent. It is not sent.",
        "It proceeds only if the shop confirms it again.",
    ),
    "lease_expired": _automatic(
        "Worker lost",
        "The worker stopped while it sent this order, so the OMS's answer is unknown.",
        "The order is looked up at the OMS.",
    ),
}

_STATUS_FILES: Mapping[str, Advice] = {
    "wrong_width": _export("Wrong number of cells", "A row has more or fewer cells than the header."),
    "column_twice": _export("Duplicate column", "The header has one column name more than once."),
    "no_such_column": _file_setting(
        "Column missing", "The header lacks a column that the settings name.", "files.columns"
    ),
    "wrong_encoding": _file_setting(
        "Wrong encoding", "The file does not have the encoding of the settings.", "files.encoding"
    ),
    "broken_quotes": _export("Broken quotes", "A quoted cell has no closing quote."),
    "rows_differ": _export("Rows differ", "Rows of one order have different values in a column of the order."),
    "number_missing": _export(
        "No order number", "A row has no readable order number; neighbouring orders are held back."
    ),
    "cut_off": _export("File cut off", "The last row is incomplete."),
    "no_status": _export("No status", "A row has no status."),
    "unknown_kind": _export("Unknown kind of row", "A row is of an unknown kind."),
    "damaged_by_spreadsheet": _export(
        "Damaged by a spreadsheet",
        "A spreadsheet program rounded or reformatted a number.",
        "612206000000, not 6.12206E+11",
    ),
    "time_unreadable": _export("Unreadable time", "A time cannot be read.", "2026-05-31T14:00:00+07:00"),
    "time_ambiguous": _file_setting(
        "Ambiguous time", "Day and month of a time could be swapped.", "files.time_format", "%d/%m/%Y %H:%M"
    ),
    "time_without_zone": _file_setting(
        "Time without a zone", "A time has no time zone.", "files.time_zone", "Asia/Bangkok"
    ),
    "year_out_of_range": _export("Year out of range", "A year is neither plausible nor a Buddhist year.", "2026"),
}

PROCESSING_CODES: Mapping[str, Advice] = {**_READING, **_VERSIONS, **_DESTINATION, **_STATUS_FILES}

FAMILIES: tuple[tuple[re.Pattern[str], Advice], ...] = (
    (
        re.compile(r"http_(400|422)(_\w+)?"),
        Advice(
            "Refused by the OMS",
            "The OMS refused the order and stored nothing.",
            Responsible.SETTINGS,
            f"Read the OMS's answer with {COMMAND} order NUMBER --payload. Correct the mapping, a code table or the "
            "order, then replay or discard it.",
        ),
    ),
    (
        re.compile(r"http_\d{3}(_\w+)?"),
        Advice(
            "Not stored by the OMS",
            "Every attempt ended with this answer, and the OMS did not have the order.",
            Responsible.OMS,
            f"Read the OMS's answer with {COMMAND} order NUMBER --payload. Once the cause is fixed, replay the order.",
        ),
    ),
    (
        re.compile(r"[A-Z]\w*(Error|Exception|Mismatch)"),
        _automatic(
            "No complete answer",
            "The connection to the OMS broke before a complete answer arrived.",
            "The order is looked up at the OMS before anything else happens.",
        ),
    ),
    (
        re.compile(r"gate:.*"),
        _automatic(
            "Waiting for the source",
            "The source does not release the order yet, for example while a payment is open.",
            "It is requested again at growing intervals.",
        ),
    ),
)
"""Codes built from an answer, such as ``http_400_5015``. The first match counts."""
