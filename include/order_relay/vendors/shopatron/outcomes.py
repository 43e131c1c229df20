"""How responses to ``importOrder`` are read; the outcome table itself is ``http.sending.delivery.OutcomeTable``.

Facts and assumptions: docs/vendors/shopatron.md, "Facts".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from order_relay.http.sending.delivery import KEPT_BYTES, ImportReply, OutcomeTable

KEPT_REMARK = 500
"""Maximum characters of an error beside an order id that are kept separately from the body."""

_THROTTLE_CODE = re.compile(r"OVER_(QPS|RATE|LIMIT)", re.IGNORECASE)
_OMS_CODE = re.compile(rb'"(?:code|errorCode|statusCode)"\s*:\s*"?(5\d{3})\b')
_PROBLEM_MEMBER = re.compile(r"error|warn|fault|exception|fail|reject|dropped|problem|issue|invalid", re.IGNORECASE)
_IS_TEXT = re.compile(r"messages?|reasons?|details?|description|code", re.IGNORECASE)
_FALSE = re.compile(r"\s*(?:false|0|no)\s*", re.IGNORECASE)
_BAD_STATUS = re.compile(r"error|warn|fail|reject|refus|denied|invalid|partial|drop|exception", re.IGNORECASE)
_NOT_FOUND = re.compile(r"(?:\bnot|n't|\bno|\bnon)[\s-]*(?:yet\s+)?(?:exist|already)\w*", re.IGNORECASE)
_NAMES_EXISTING = re.compile(r"duplicat|\balready\b|\bexist(?:s|ing|ed)\b|\bunique", re.IGNORECASE)


def is_throttle(status: int, headers: Mapping[str, str]) -> bool:
    """429, or a 403 of the gateway with ``X-Mashery-Error-Code`` over a rate or with ``Retry-After``."""
    if status == 429:
        return True
    if status != 403:
        return False
    return bool(_THROTTLE_CODE.search(headers.get("X-Mashery-Error-Code", ""))) or "Retry-After" in headers


def read_success(body: bytes) -> ImportReply:
    """The ids in the body of a success: ``orderID``, a positive integer or its digits as text. Otherwise empty."""
    try:
        document: Any = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return ImportReply()
    if not isinstance(document, dict):
        return ImportReply()
    key = document.get("externalOrderID")
    return ImportReply(order_id(document.get("orderID")), key if isinstance(key, str) else "", remark_of(document))


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


def order_id(value: object) -> str:
    """An OMS order id as digits, or empty if ``value`` is not one (``true`` and ``0`` are not)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if value > 0 else ""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,30}", value) and value.strip("0"):
        return value
    return ""


def oms_code(body: bytes) -> str:
    """The OMS's error code (5xxx) in the body, or empty. It is shown to operators; no decision depends on it."""
    found = _OMS_CODE.search(body[:KEPT_BYTES])
    return found.group(1).decode() if found else ""


def names_existing(body: bytes) -> bool:
    """Whether a refusal mentions an existing order, by its text or by an order id.

    How the vendor refuses a second import is not documented. The assumed words are broad on purpose: a refusal wrongly
    read as "exists" costs one look-up, the opposite mistake costs an order.
    """
    if read_success(body).oms_id:
        return True
    text = body[:KEPT_BYTES].decode("utf-8", "replace")
    return bool(_NAMES_EXISTING.search(_NOT_FOUND.sub(" ", text)))


IMPORT_OUTCOMES = OutcomeTable(
    is_throttling=is_throttle, read_success=read_success, names_existing=names_existing, error_code=oms_code
)
classify = IMPORT_OUTCOMES.classify
