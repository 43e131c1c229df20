"""Orders in JSON lines: one order per line. A line that cannot be read concerns its own order only."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import replace

from order_relay.errors import MalformedResponseError
from order_relay.http.json.json_recovery import recover_order
from order_relay.http.json.strict_json import read_order
from order_relay.orders.messages import SourceOrder

from .cells import restore_identifiers

_EXCERPT = 10_000
"""Characters that are kept of an order above the limit."""


def read_json_lines(data: bytes, name: str, limit: int) -> Iterator[SourceOrder]:
    """The orders of a file. ``limit``: bytes of one order; ``name``: for messages."""
    start, number = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0, 0
    while start < len(data):
        number += 1
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        line = data[start:end].strip()
        start = end + 1
        if line:
            yield _order(line, f"{name}, line {number}", limit)


def _order(line: bytes, where: str, limit: int) -> SourceOrder:
    if len(line) > limit:
        return recover_order(line[:_EXCERPT].decode("utf-8", "surrogateescape"), where, too_large=limit)
    try:
        order = read_order(line, where)
    except MalformedResponseError:
        return recover_order(line.decode("utf-8", "surrogateescape"), where)
    document, issues = restore_identifiers(order.document)
    if not issues:
        return replace(order, document=document, where=where)
    text = line.decode("utf-8", "replace")
    return SourceOrder(document, issues[0].code, issues=tuple(issues), text=text, where=where)
