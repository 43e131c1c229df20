"""Writes ERP line numbers, by which DESADV messages are matched, without changing anything else in an order.

The documented method is a PUT of the whole order, whose example would reset the order to ``confirmed``
(docs/vendors/cloudsuite.md, "Write-back"). Therefore the order is read, sent back with only the numbers changed, read
again and compared. If anything else changed, the operator has to choose another ``line_numbers`` method.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from order_relay.errors import ConfigurationError, OutcomeUnknownError
from order_relay.http.reading.acknowledging import ACCEPTED, NOT_FOUND, SHOP_CANCELLED, quote_value
from order_relay.http.reading.reply import parse_order_if_any
from order_relay.http.reading.transport import NotFoundError, RequestRefusedError
from order_relay.orders.messages import Acknowledgement, SourceOrder
from order_relay.vendors.cloudsuite.order_details import ADDRESSES
from order_relay.vendors.cloudsuite.write_back import TAKEN_OVER_STATES, Shop, is_cancelled

LINES, LINE_ID, NUMBER = "order_lines", "id", "erp_line_number"
VOLATILE_MEMBERS = frozenset({"modified_date"})
"""Members that change with every write."""


def number_lines(shop: Shop, order_id: str, numbers: Mapping[str, int], method: str) -> Acknowledgement:
    """Write ERP numbers by CloudSuite line id. ``method``: ``put`` or ``patch``.

    Nothing is written if the lines already have these numbers. Raises ``ConfigurationError`` that names the members if
    a PUT changed anything else.
    """
    order = shop.read(order_id)
    if order is None:
        return NOT_FOUND
    if is_cancelled(order):
        return SHOP_CANCELLED
    if problem := _numbering_problem(order, numbers):
        return _refusal(problem)
    document = order.document
    if _has_numbers(document[LINES], numbers):
        return ACCEPTED
    numbered = [_numbered(line, numbers) for line in document[LINES]]
    if method == "put":
        return _replace(shop, order_id, document, {**document, LINES: numbered}, numbers)
    return shop.patch(order_id, {LINES: numbered})


def _numbering_problem(order: SourceOrder, numbers: Mapping[str, int]) -> str:
    """Why an order cannot be sent back, or empty."""
    state, lines = order.document.get("state"), order.document.get(LINES)
    if state not in TAKEN_OVER_STATES:
        return f"its state is {quote_value(state)}; lines are numbered only after take-over"
    if order.problem:
        return f"it cannot be sent back unchanged ({order.problem})"
    if not isinstance(lines, list) or set(numbers) - {_line_id(line) for line in lines}:
        return "it does not have (or no longer has) the lines that were taken over"
    return ""


def _replace(
    shop: Shop,
    order_id: str,
    before: dict[str, Any],
    after: dict[str, Any],
    numbers: Mapping[str, int],
) -> Acknowledgement:
    try:
        written = {name: _as_written(name, value) for name, value in after.items()}
        shop.transport.write("PUT", shop.detail.url(order_id), written, parse_order_if_any, after_read=True)
    except NotFoundError:
        return NOT_FOUND
    except RequestRefusedError as error:
        return _refusal(str(error))
    found = shop.read(order_id)
    if found is None:
        raise OutcomeUnknownError(f"CloudSuite answered HTTP 404 for order {order_id} after its lines were numbered")
    if changed := sorted(set(_differences(_unnumbered(before), _unnumbered(found.document), ""))):
        raise ConfigurationError(
            f"CloudSuite changed more than the line numbers of order {order_id}: {', '.join(changed[:10])}. "
            "Check the order in the shop, and set line_numbers of the connection to patch or off"
        )
    if not _has_numbers(found.document[LINES], numbers):
        return _refusal("the order was sent back, but does not show the numbers")
    return ACCEPTED


def _refusal(message: str) -> Acknowledgement:
    return Acknowledgement(False, f"line numbers: {message}")


def _as_written(name: str, value: Any) -> Any:
    """Writes refer to addresses by id (documented example), even if reads return objects."""
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
    """The part of an order that writing line numbers must not change."""
    kept = {name: _as_written(name, value) for name, value in document.items() if name not in VOLATILE_MEMBERS}
    lines = document.get(LINES)
    if isinstance(lines, list):
        kept[LINES] = [
            {k: v for k, v in line.items() if k != NUMBER} if isinstance(line, dict) else line for line in lines
        ]
    return kept


def _differences(before: Any, after: Any, path: str) -> Iterator[str]:
    """Paths at which two documents differ; names only, never values."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in before.keys() | after.keys():
            yield from _differences(before.get(name), after.get(name), f"{path}.{name}" if path else str(name)[:60])
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _differences(one, other, f"{path}[{index}]")
    elif before != after:
        yield path
