"""What an answer to ``importOrder`` means for the order: the outcome table, in one place and pure.

The table is total: every status from 100 to 599, with any body, gives an outcome, and what is not listed is in doubt.
Facts of the vendor stand behind few rows only (the meaning of 401 and 403: page "Authentication"; the gateway's
throttling: generic Mashery pages; the status code list). The shape of a success and of an error body is assumed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from order_relay.http.retry_after import retry_after_s
from order_relay.orders.messages import SendOutcome, SendResult

KEPT_BYTES = 16_384
"""So much of an answer's body goes into the archive."""

KEPT_REMARK = 500
"""At most so many characters of an error that stands beside an order id are kept apart from the body."""

BESIDE_AN_ERROR = "imported, but the answer also names an error"

IMPORTED_STATUSES = frozenset({200, 201})
REFUSED_STATUSES = frozenset({400, 422})
SETUP_STATUSES = frozenset({404, 405})
CREDENTIAL_STATUSES = frozenset({401, 403})

_THROTTLE_CODE = re.compile(r"OVER_(QPS|RATE|LIMIT)", re.IGNORECASE)
_OMS_CODE = re.compile(rb'"(?:code|errorCode|statusCode)"\s*:\s*"?(5\d{3})\b')
_PROBLEM_MEMBER = re.compile(r"error|warn|fault|exception|fail|reject|dropped|problem|issue|invalid", re.IGNORECASE)
_IS_TEXT = re.compile(r"messages?|reasons?|details?|description|code", re.IGNORECASE)
_FALSE = re.compile(r"\s*(?:false|0|no)\s*", re.IGNORECASE)
_BAD_STATUS = re.compile(r"error|warn|fail|reject|refus|denied|invalid|partial|drop|exception", re.IGNORECASE)
_NOT_FOUND = re.compile(r"(?:\bnot|n't|\bno|\bnon)[\s-]*(?:yet\s+)?(?:exist|already)\w*", re.IGNORECASE)
_NAMES_EXISTING = re.compile(r"duplicat|\balready\b|\bexist(?:s|ing|ed)\b|\bunique", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ImportReply:
    """What could be read from a success's body: the OMS's order id, the external id that it repeats (or empty), and
    what it says of an error beside them."""

    oms_id: str = ""
    destination_key: str = ""
    remark: str = ""


def classify(status: int, headers: Mapping[str, str], body: bytes, *, destination_key: str = "") -> SendResult:
    """The meaning of one complete answer, regardless of earlier attempts, which the ledger takes into account.

    ``headers`` must be case-insensitive; ``body`` is what was read of it.
    """
    if status in IMPORTED_STATUSES:
        reading = read_success(body)
        outcome, message = _decide_success(status, reading, destination_key)
    else:
        reading = ImportReply()
        outcome, message = _decide(status, headers, body)
    kept = body[:KEPT_BYTES].decode("utf-8", "replace")
    if outcome is SendOutcome.IMPORTED:
        code, message = (oms_code(body), BESIDE_AN_ERROR) if reading.remark else ("", "")
        return SendResult(outcome, status, reading.oms_id, code, message, kept, remark=reading.remark)
    wait_s = retry_after_s(headers) if outcome is SendOutcome.THROTTLED else None
    return SendResult(outcome, status, "", oms_code(body), message, kept, wait_s)


def _decide(status: int, headers: Mapping[str, str], body: bytes) -> tuple[SendOutcome, str]:
    if is_throttle(status, headers):
        return SendOutcome.THROTTLED, f"HTTP {status}: asked to slow down"
    if status in CREDENTIAL_STATUSES:
        return SendOutcome.CONFIGURATION_ERROR, f"HTTP {status}: the API key or the token was refused"
    if status in REFUSED_STATUSES:
        return _decide_refusal(status, body)
    if status in SETUP_STATUSES:
        return SendOutcome.CONFIGURATION_ERROR, f"HTTP {status}: importOrder is not at this base URL"
    if 300 <= status <= 399:
        # Redirects are not followed, and the load stops at one. What answered it may have carried the order out first
        # (302 and 303 after a POST often mean just that), so this one order is looked up.
        return SendOutcome.IN_DOUBT, f"HTTP {status}: a redirect, check the base URL; redirects are not followed"
    return SendOutcome.IN_DOUBT, f"HTTP {status}: does not tell whether the order was stored"


def _decide_success(status: int, reading: ImportReply, destination_key: str) -> tuple[SendOutcome, str]:
    if not reading.oms_id:
        return SendOutcome.IN_DOUBT, f"HTTP {status} without an order id"
    if destination_key and reading.destination_key and reading.destination_key != destination_key:
        return SendOutcome.IN_DOUBT, f"HTTP {status} that speaks of another order"
    return SendOutcome.IMPORTED, ""


def _decide_refusal(status: int, body: bytes) -> tuple[SendOutcome, str]:
    if names_existing(body):
        return SendOutcome.IN_DOUBT, f"HTTP {status} that names an existing order"
    return SendOutcome.REJECTED, f"HTTP {status}: the OMS refused the order"


def is_throttle(status: int, headers: Mapping[str, str]) -> bool:
    """429; or a 403 of the gateway that says so (``X-Mashery-Error-Code`` over a rate, or any ``Retry-After``)."""
    if status == 429:
        return True
    if status != 403:
        return False
    return bool(_THROTTLE_CODE.search(headers.get("X-Mashery-Error-Code", ""))) or "Retry-After" in headers


def read_success(body: bytes) -> ImportReply:
    """The ids of a success's body: ``orderID``, a positive integer or its digits as a string. Anything else: empty."""
    try:
        document: Any = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return ImportReply()
    if not isinstance(document, dict):
        return ImportReply()
    key = document.get("externalOrderID")
    return ImportReply(order_id(document.get("orderID")), key if isinstance(key, str) else "", remark_of(document))


def remark_of(document: Mapping[str, Any]) -> str:
    """What a success says of an error, a warning or a failure, as compact JSON of just those members; empty where it
    says none.

    Which members the OMS uses for this is not documented. Assumed: a name that speaks of an error or warning with a
    value that says something, ``success: false``, and a ``status`` that speaks of a failure, each with the text beside
    it.
    """
    said = {name: value for name, value in document.items() if _PROBLEM_MEMBER.search(name) and _says_something(value)}
    failed = {
        name: document[name]
        for name, bad in (("success", _FALSE.fullmatch), ("status", _BAD_STATUS.search))
        if bad(str(document.get(name, "")))
    }
    if not said and not failed:
        return ""
    beside = {name: value for name, value in document.items() if _IS_TEXT.fullmatch(name) and _says_something(value)}
    text: str = msgspec.json.encode({**failed, **said, **beside}).decode("utf-8", "replace")
    return text[:KEPT_REMARK]


def _says_something(value: object) -> bool:
    """Whether a member holds anything: ``null``, ``false``, 0, "", "none" and empty lists or objects do not."""
    return bool(value) and str(value).strip().lower() not in {"", "0", "none", "null", "false", "no", "ok"}


def order_id(value: object) -> str:
    """An OMS order id as digits, or empty where ``value`` is none (``true`` and ``0`` are none)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if value > 0 else ""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,30}", value) and value.strip("0"):
        return value
    return ""


def oms_code(body: bytes) -> str:
    """The OMS's own code (5xxx) where the body shows one: for a person; nothing is decided by it."""
    found = _OMS_CODE.search(body[:KEPT_BYTES])
    return found.group(1).decode() if found else ""


def names_existing(body: bytes) -> bool:
    """Whether a refusal speaks of an order that exists: by its words, or by carrying an order id.

    How the vendor refuses a second import is not documented; the words are assumed, and broad on purpose, since a
    refusal taken for "exists" costs a look-up, and the opposite mistake costs an order.
    """
    if read_success(body).oms_id:
        return True
    text = body[:KEPT_BYTES].decode("utf-8", "replace")
    return bool(_NAMES_EXISTING.search(_NOT_FOUND.sub(" ", text)))
