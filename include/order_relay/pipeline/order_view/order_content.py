"""What an order contains, and what was sent: from the archive, masked unless revealed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from order_relay.batches import BatchStore
from order_relay.errors import OrderRelayError
from order_relay.ledger import WorkItem
from order_relay.ledger.reporting.order_records import OrderFacts, SendAttempt
from order_relay.orders.json_text import decode, indent
from order_relay.orders.mapping.canonical import LINE_MONEY, ORDER_MONEY
from order_relay.orders.money.amounts import from_minor
from order_relay.orders.privacy.masking import MASK, mask_json
from order_relay.orders.review.diff import LINE_FIELDS, ORDER_FIELDS, format_value
from order_relay.pipeline.archive import ArchivedOrder, OrderArchive
from order_relay.pipeline.retention.order_data import removed_before

REMOVED = "(removed by retention)"

MAX_LINES = 100
"""Maximum lines of an order that are listed."""

MAX_PAYLOADS = 3
"""Maximum payloads that are read; attempts mostly send the same one."""

MAX_TEXT = 50_000
"""Maximum characters of one payload or answer."""

MAX_VALUE = 500
"""Maximum characters of one value."""

_INTERNAL = ("scale", "source_id", "lineage")


@dataclass(frozen=True, slots=True)
class ContentField:
    """One column of the order; ``masked``: its value is not in ``value``."""

    name: str
    value: str
    masked: bool = False


@dataclass(frozen=True)
class OrderContent:
    """An order from the archive. ``problem``: why it cannot be read; everything else is then empty.

    ``lines``: one tuple of texts per line, named by ``line_columns``; at most ``MAX_LINES`` of ``total_lines``.
    ``unreadable``: values that the mapping could not read.
    """

    fields: tuple[ContentField, ...] = ()
    line_columns: tuple[str, ...] = ()
    lines: tuple[tuple[str, ...], ...] = ()
    total_lines: int = 0
    unreadable: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SentPayload:
    """A payload as it was built or sent. ``attempts``: numbers of the attempts that sent it; empty: not sent yet."""

    attempts: tuple[int, ...]
    text: str
    problem: str = ""


def order_content(archive: OrderArchive, order: OrderFacts, *, revealed: bool = False) -> OrderContent:
    """The order as it was read from its source. Never raises because of the archive."""
    work = WorkItem(
        order.id,
        order.revision,
        order.state,
        order.source_id,
        order.batch_id,
        order.part,
        order.row,
        pipeline=order.pipeline,
    )
    return _content(archive.read([work])[order.id], revealed=revealed)


def _content(found: ArchivedOrder, *, revealed: bool) -> OrderContent:
    if found.problem:
        return OrderContent(problem=found.problem)
    scale = found.order.get("scale")
    names = ("item_number", *LINE_FIELDS, *(("description", "options") if revealed else ()))
    rows = tuple(tuple(_text(name, line.get(name), scale, LINE_MONEY) for name in names) for line in found.lines)
    used = [at for at in range(len(names)) if any(row[at] for row in rows)]
    return OrderContent(
        fields=tuple(_fields(found.order, scale, revealed=revealed)),
        line_columns=tuple(names[at].replace("_", " ") for at in used),
        lines=tuple(tuple(row[at] for at in used) for row in rows[:MAX_LINES]),
        total_lines=len(rows),
        unreadable=len(found.issues),
    )


def _fields(order: Mapping[str, Any], scale: int | None, *, revealed: bool) -> Iterator[ContentField]:
    for name, value in order.items():
        if name in _INTERNAL or value is None or value in ("", [], {}):
            continue
        label = name.replace("_", " ")
        if revealed or name in ORDER_FIELDS:
            yield ContentField(label, _text(name, value, scale, ORDER_MONEY))
        else:
            yield ContentField(label, MASK, masked=True)


def _text(name: str, value: Any, scale: int | None, money: Iterable[str]) -> str:
    if name in money:
        return "" if not isinstance(value, int) or scale is None else format_value(from_minor(value, scale))
    return shorten(format_value(value), MAX_VALUE)


def sent_payloads(
    store: BatchStore, order: OrderFacts, attempts: Iterable[SendAttempt], *, revealed: bool = False
) -> list[SentPayload]:
    """The newest payloads of an order, the newest first, each once; masked unless ``revealed``."""
    sent: dict[tuple[str, int], list[int]] = {}
    if order.payload_name:
        sent[order.payload_name, order.payload_row] = []
    for attempt in sorted(attempts, key=lambda one: one.number, reverse=True):
        if attempt.payload_name:
            sent.setdefault((attempt.payload_name, attempt.payload_row), []).append(attempt.number)
    found = []
    for (name, row), numbers in list(sent.items())[:MAX_PAYLOADS]:
        text, problem = read_payload(store, name, row)
        shown = _pretty(text) if revealed else mask_json(text)
        found.append(SentPayload(tuple(sorted(numbers)), "" if problem else shorten(shown, MAX_TEXT), problem))
    return found


def read_payload(store: BatchStore, name: str, row: int) -> tuple[str, str]:
    """A payload's text as sent, or an empty text and the problem: ``REMOVED``, or why it cannot be read."""
    try:
        if not store.exists(name) and removed_before(store, name.partition("/")[0], "runs") is not None:
            return "", REMOVED
        text = store.read_rows(name, [row])[row].decode("utf-8", "replace")
    except OrderRelayError as error:
        return "", f"cannot be read: {error}"
    return (text, "") if text else ("", REMOVED)


def _pretty(text: str) -> str:
    try:
        return indent(decode(text.encode()))
    except ValueError:
        return text


def shorten(text: str, limit: int) -> str:
    """``text``, or its beginning and its length if it is longer than ``limit`` characters."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"
