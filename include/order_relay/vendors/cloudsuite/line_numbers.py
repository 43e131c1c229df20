"""The ERP's line numbers, which DESADV messages are matched by: written into an order without touching anything else.

The documented way is a PUT that replaces the whole order, and its sample would set the order back to ``confirmed``
(page "Order JSON orderflow - states"). So the order is read, all of it is sent back with only the numbers changed, and
what the shop then has is compared with what it had. A shop that loses something this way is not asked again: the
setting ``line_numbers`` has other ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from order_relay.errors import ConfigurationError, OutcomeUnknownError
from order_relay.orders.messages import Acknowledgement, SourceOrder
from order_relay.vendors.cloudsuite.order_details import ADDRESSES
from order_relay.vendors.cloudsuite.transport import CloudSuiteTransport, OrderNotFoundError, WriteRefusedError
from order_relay.vendors.cloudsuite.write_back import (
    ACCEPTED,
    NOT_FOUND,
    SHOP_CANCELLED,
    TAKEN_OVER_STATES,
    cancelled,
    patch_order,
    quote_value,
    read_order,
)

LINES, LINE_ID, NUMBER = "order_lines", "id", "erp_line_number"
VOLATILE_MEMBERS = frozenset({"modified_date"})
"""Members that a write changes by itself."""


def number_lines(
    transport: CloudSuiteTransport, order_id: str, numbers: Mapping[str, int], way: str
) -> Acknowledgement:
    """Give the lines (by their CloudSuite ids) their ERP numbers, by ``way``: ``put`` or ``patch``.

    An order whose lines have these numbers already is left alone. Raises ``ConfigurationError`` where a PUT changed
    anything
    else, or set the order back; it names the members.
    """
    order = read_order(transport, order_id)
    if order is None:
        return NOT_FOUND
    if cancelled(order):
        return SHOP_CANCELLED
    if unfit := _numbering_problem(order, numbers):
        return _refusal(unfit)
    document = order.document
    if _has_numbers(document[LINES], numbers):
        return ACCEPTED
    numbered = [_numbered(line, numbers) for line in document[LINES]]
    if way == "put":
        return _replace(transport, order_id, document, {**document, LINES: numbered}, numbers)
    return patch_order(transport, order_id, {LINES: numbered})


def _numbering_problem(order: SourceOrder, numbers: Mapping[str, int]) -> str:
    """Why an order can not be sent back, or nothing."""
    state, lines = order.document.get("state"), order.document.get(LINES)
    if state not in TAKEN_OVER_STATES:
        return f"its state is {quote_value(state)}; lines are numbered after it was taken over"
    if order.problem:
        return f"it can not be sent back as it is ({order.problem})"
    if not isinstance(lines, list) or set(numbers) - {_line_id(line) for line in lines}:
        return "it has not (or no longer) the lines that were taken over"
    return ""


def _replace(
    transport: CloudSuiteTransport,
    order_id: str,
    before: dict[str, Any],
    after: dict[str, Any],
    numbers: Mapping[str, int],
) -> Acknowledgement:
    try:
        transport.write("PUT", f"order/{order_id}", {name: _as_written(name, value) for name, value in after.items()})
    except OrderNotFoundError:
        return NOT_FOUND
    except WriteRefusedError as error:
        return _refusal(str(error))
    now = read_order(transport, order_id)
    if now is None:
        raise OutcomeUnknownError(f"CloudSuite has no order {order_id} after its lines were numbered")
    if changed := sorted(set(_differences(_unnumbered(before), _unnumbered(now.document), ""))):
        raise ConfigurationError(
            f"CloudSuite changed more than line numbers as order {order_id} was sent back: {', '.join(changed[:10])}; "
            "look at the order there, and set line_numbers of the connection to patch or off"
        )
    if not _has_numbers(now.document[LINES], numbers):
        return _refusal("it was sent back, but the numbers are not there")
    return ACCEPTED


def _refusal(message: str) -> Acknowledgement:
    return Acknowledgement(False, f"line numbers: {message}")


def _as_written(name: str, value: Any) -> Any:
    """Writes name addresses by their ids (the page's sample), also where reads expand them."""
    return value["id"] if name in ADDRESSES and isinstance(value, dict) and "id" in value else value


def _line_id(line: Any) -> str:
    return str(line.get(LINE_ID)) if isinstance(line, dict) else ""


def _numbered(line: dict[str, Any], numbers: Mapping[str, int]) -> dict[str, Any]:
    number = numbers.get(_line_id(line))
    return line if number is None else {**line, NUMBER: number}


def _has_numbers(lines: Any, numbers: Mapping[str, int]) -> bool:
    found = {_line_id(line): str(line.get(NUMBER)) for line in lines if isinstance(line, dict)}
    return all(found.get(line) == str(number) for line, number in numbers.items())


def _unnumbered(document: dict[str, Any]) -> dict[str, Any]:
    """What a write of line numbers must leave as it is."""
    kept = {name: _as_written(name, value) for name, value in document.items() if name not in VOLATILE_MEMBERS}
    lines = document.get(LINES)
    if isinstance(lines, list):
        kept[LINES] = [
            {k: v for k, v in line.items() if k != NUMBER} if isinstance(line, dict) else line for line in lines
        ]
    return kept


def _differences(before: Any, now: Any, place: str) -> Iterator[str]:
    """Where two documents differ; names only, never values."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in before.keys() | now.keys():
            yield from _differences(before.get(name), now.get(name), f"{place}.{name}" if place else str(name)[:60])
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, (one, other) in enumerate(zip(before, now, strict=True)):
            yield from _differences(one, other, f"{place}[{index}]")
    elif before != now:
        yield place
