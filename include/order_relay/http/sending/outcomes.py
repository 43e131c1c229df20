"""What an answer to an imported order means: the outcome table, and readers of JSON answers.

Default words and members are those of common APIs; a vendor replaces what it does otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from order_relay.http.throttle import is_throttling, retry_after_s
from order_relay.orders.messages import SendOutcome, SendResult

KEPT_BYTES = 16_384
"""Bytes of a response body that are archived."""

KEPT_REMARK = 500
"""Maximum characters of an error beside an order id that are kept separately from the body."""

MAX_ID_LENGTH = 200

_PROBLEM_MEMBER = re.compile(r"error|warn|fault|exception|fail|reject|dropped|problem|issue|invalid", re.IGNORECASE)
_IS_TEXT = re.compile(r"messages?|reasons?|details?|description|code", re.IGNORECASE)
_FALSE = re.compile(r"\s*(?:false|0|no)\s*", re.IGNORECASE)
_BAD_STATUS = re.compile(r"error|warn|fail|reject|refus|denied|invalid|partial|drop|exception", re.IGNORECASE)
_NOT_FOUND = re.compile(r"(?:\bnot|n't|\bno|\bnon)[\s-]*(?:yet\s+)?(?:exist|already)\w*", re.IGNORECASE)
_NAMES_EXISTING = re.compile(r"duplicat|\balready\b|\bexist(?:s|ing|ed)\b|\bunique", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ImportReply:
    """A success: the OMS order id, the external id that it repeats (or empty), and an error beside them."""

    oms_id: str = ""
    destination_key: str = ""
    remark: str = ""


def read_any_id(value: object) -> str:
    """An order id: a positive integer, or a text without spaces. Empty if ``value`` is none (``true``, ``0``)."""
    if isinstance(value, str) and len(value) <= MAX_ID_LENGTH and value.isprintable() and " " not in value:
        return value if value.strip("0-") else ""
    return read_number_id(value) if isinstance(value, int) else ""


def read_number_id(value: object) -> str:
    """An order id that is a positive integer, or its digits as text. Otherwise empty."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if value > 0 else ""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,30}", value) and value.strip("0"):
        return value
    return ""


def reply_reader(
    order_id: str, key: str = "", *, read_id: Callable[[object], str] = read_any_id
) -> Callable[[bytes], ImportReply]:
    """Reads the JSON object in the body of a success.

    ``order_id`` and ``key`` are its members with the order's id and the external id. A body without a usable id gives
    an empty reply.
    """

    def read(body: bytes) -> ImportReply:
        try:
            document: Any = msgspec.json.decode(body)
        except (ValueError, RecursionError):
            return ImportReply()
        if not isinstance(document, dict):
            return ImportReply()
        repeated = document.get(key)
        return ImportReply(
            read_id(document.get(order_id)), repeated if isinstance(repeated, str) else "", remark_of(document)
        )

    return read


def remark_of(document: Mapping[str, Any]) -> str:
    """The errors and warnings in the body of a success, as compact JSON of those members; empty if there are none.

    Assumed: a member whose name suggests an error and that is not empty, ``success: false``, or a ``status`` that
    suggests a failure, each together with text members.
    """
    reported = {
        name: value for name, value in document.items() if _PROBLEM_MEMBER.search(name) and _is_meaningful(value)
    }
    failed = {
        name: document[name]
        for name, bad in (("success", _FALSE.fullmatch), ("status", _BAD_STATUS.search))
        if bad(str(document.get(name, "")))
    }
    if not reported and not failed:
        return ""
    texts = {name: value for name, value in document.items() if _IS_TEXT.fullmatch(name) and _is_meaningful(value)}
    text: str = msgspec.json.encode({**failed, **reported, **texts}).decode("utf-8", "replace")
    return text[:KEPT_REMARK]


def _is_meaningful(value: object) -> bool:
    """Whether a value is more than ``null``, ``false``, 0, "", "none", or an empty list or object."""
    return bool(value) and str(value).strip().lower() not in {"", "0", "none", "null", "false", "no", "ok"}


def names_existing(body: bytes) -> bool:
    """Whether the text of a refusal mentions an existing order.

    How vendors refuse a second import is rarely documented. The assumed words are broad on purpose: a refusal wrongly
    read as "exists" costs one look-up, the opposite mistake costs an order.
    """
    text = body[:KEPT_BYTES].decode("utf-8", "replace")
    return bool(_NAMES_EXISTING.search(_NOT_FOUND.sub(" ", text)))


@dataclass(frozen=True, kw_only=True)
class OutcomeTable:
    """What a complete response to a POST means for the order.

    The table is total: every status with any body has an outcome, and a status that is not listed is in doubt. The
    vendor defines how a success is read (``reply_reader``) and, if it differs from the defaults, which responses
    throttle, which headers say for how long, how an error code is read, and which refusals name an existing order.
    ``remaining_header``: the header with the number of requests that may still be sent now; at 0, the next one waits as
    long as ``pause_headers`` say.
    """

    imported: Collection[int] = (200, 201)
    credentials: Collection[int] = (401, 403)
    refused: Collection[int] = (400, 422)
    misplaced: Collection[int] = (404, 405)
    read_success: Callable[[bytes], ImportReply]
    is_throttling: Callable[[int, Mapping[str, str]], bool] = is_throttling
    pause_headers: Sequence[str] = ("Retry-After",)
    remaining_header: str = ""
    names_existing: Callable[[bytes], bool] = names_existing
    error_code: Callable[[bytes], str] = lambda _: ""

    def classify(
        self, status: int, headers: Mapping[str, str], body: bytes, *, destination_key: str = ""
    ) -> SendResult:
        """The outcome of one response, regardless of earlier attempts, which the ledger takes into account.

        ``headers`` must be case-insensitive; ``body`` is the part that was read.
        """
        kept = body[:KEPT_BYTES].decode("utf-8", "replace")
        if status in self.imported:
            reply = self.read_success(body)
            if not (doubt := _success_doubt(status, reply, destination_key)):
                code, message = (
                    (self.error_code(body), "imported, but the response also names an error")
                    if reply.remark
                    else ("", "")
                )
                return SendResult(SendOutcome.IMPORTED, status, reply.oms_id, code, message, kept, remark=reply.remark)
            return SendResult(SendOutcome.IN_DOUBT, status, "", self.error_code(body), doubt, kept)
        outcome, message = self._decide(status, headers, body)
        wait_s = retry_after_s(headers, names=self.pause_headers) if outcome is SendOutcome.THROTTLED else None
        return SendResult(outcome, status, "", self.error_code(body), message, kept, wait_s)

    def pause_s(self, headers: Mapping[str, str]) -> float:
        """Seconds before the next request after a response that did not throttle: none, unless it was the last one."""
        is_last = bool(self.remaining_header) and headers.get(self.remaining_header, "").strip() == "0"
        return (retry_after_s(headers, names=self.pause_headers) or 0.0) if is_last else 0.0

    def _decide(self, status: int, headers: Mapping[str, str], body: bytes) -> tuple[SendOutcome, str]:
        if self.is_throttling(status, headers):
            return SendOutcome.THROTTLED, f"HTTP {status}: asked to slow down"
        if status in self.credentials:
            return SendOutcome.CONFIGURATION_ERROR, f"HTTP {status}: the credentials were refused"
        if status in self.refused:
            return self._decide_refusal(status, body)
        if status in self.misplaced:
            return (
                SendOutcome.CONFIGURATION_ERROR,
                f"HTTP {status}: orders are not accepted at this URL; check the base URL",
            )
        if 300 <= status <= 399:
            # In doubt rather than a configuration error: 302 and 303 often mean that the POST was carried out.
            return SendOutcome.IN_DOUBT, f"HTTP {status}: a redirect, which is not followed; check the base URL"
        return SendOutcome.IN_DOUBT, f"HTTP {status}: unknown whether the order was stored"

    def _decide_refusal(self, status: int, body: bytes) -> tuple[SendOutcome, str]:
        if self.read_success(body).oms_id or self.names_existing(body):
            return SendOutcome.IN_DOUBT, f"HTTP {status} that names an existing order"
        return SendOutcome.REJECTED, f"HTTP {status}: the order was refused"


def _success_doubt(status: int, reply: ImportReply, destination_key: str) -> str:
    if not reply.oms_id:
        return f"HTTP {status} without an order id"
    if destination_key and reply.destination_key and reply.destination_key != destination_key:
        return f"HTTP {status} for another order"
    return ""
