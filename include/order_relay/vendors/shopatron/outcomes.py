"""How responses to ``importOrder`` are read. Facts and assumptions: docs/vendors/shopatron.md, "Facts"."""

from __future__ import annotations

import re
from collections.abc import Mapping

from order_relay.http.sending.outcomes import KEPT_BYTES, OutcomeTable, read_number_id, reply_reader
from order_relay.http.throttle import is_throttling

_THROTTLE_CODE = re.compile(r"OVER_(QPS|RATE|LIMIT)", re.IGNORECASE)
_OMS_CODE = re.compile(rb'"(?:code|errorCode|statusCode)"\s*:\s*"?(5\d{3})\b')


def is_throttle(status: int, headers: Mapping[str, str]) -> bool:
    """429, or a 403 of the gateway with ``X-Mashery-Error-Code`` over a rate or with ``Retry-After``."""
    over_rate = status == 403 and _THROTTLE_CODE.search(headers.get("X-Mashery-Error-Code", ""))
    return bool(over_rate) or is_throttling(status, headers)


def oms_code(body: bytes) -> str:
    """The OMS's error code (5xxx) in the body, or empty. It is shown to operators; no decision depends on it."""
    found = _OMS_CODE.search(body[:KEPT_BYTES])
    return found.group(1).decode() if found else ""


IMPORT_OUTCOMES = OutcomeTable(
    is_throttling=is_throttle,
    read_success=reply_reader("orderID", "externalOrderID", read_id=read_number_id),
    error_code=oms_code,
)
