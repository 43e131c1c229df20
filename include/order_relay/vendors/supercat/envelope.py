"""The answer of SuperCat's order API: an object with ``status``, ``error`` and ``data`` (page-supercat.txt).

Further members are accepted with a warning. What is wrong inside one order concerns that order only.

All errors are ``MalformedResponseError`` and show nothing of an order, only its place in the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from order_relay.errors import MalformedResponseError
from order_relay.http.bodies import checked_start, excerpt, read_whole
from order_relay.http.json_recovery import recover_body, recover_order
from order_relay.http.strict_json import json_type, read_object
from order_relay.http.unknown_fields import warn_unknown_fields
from order_relay.orders.empty_values import is_empty
from order_relay.orders.json_text import encode
from order_relay.orders.messages import SourceOrder, Warn, ignore_warning
from order_relay.vendors.supercat.framer import ArrayFramer

MEMBERS = ("status", "error", "data")


def read_envelope(
    chunks: Iterable[bytes], *, max_order: int, hide: tuple[str, ...] = (), warn: Warn = ignore_warning
) -> Iterator[SourceOrder]:
    """The orders of a streamed answer, one at a time. Only when the iterator has ended are they worth anything.

    ``max_order`` bounds one order (characters). ``hide`` are texts that no message may show. Raises
    ``MalformedResponseError``.
    """
    framer = ArrayFramer(max_order)
    for chunk in checked_start(chunks):
        yield from framer.feed(chunk)
    yield from framer.feed(b"", last=True)
    data = check_members(read_object(framer.skeleton, "the answer"), hide, warn)
    if not isinstance(data, list):
        raise MalformedResponseError(f"the answer is not what is documented: 'data' is {json_type(data)}, not an array")
    yield from _unexpected_elements(data, framer.elements)


def _unexpected_elements(data: list[Any], orders: int) -> Iterator[SourceOrder]:
    """The elements that are not objects, each as an order that cannot be read. Raises ``MalformedResponseError`` if
    all are.
    """
    odd = [(at, element) for at, element in enumerate(data, 1) if element != {} or not isinstance(element, dict)]
    if len(data) - len(odd) != orders or (odd and not orders):
        raise MalformedResponseError("the answer is not what is documented: the elements of 'data' are not objects")
    for at, element in odd:
        yield recover_order(encode(element).decode(), f"element {at} of the answer")


def read_single(
    chunks: Iterable[bytes], *, max_order: int, hide: tuple[str, ...] = (), warn: Warn = ignore_warning
) -> SourceOrder:
    """One order, bare or in the envelope (the page does not say which). Raises ``MalformedResponseError``."""
    text = read_whole(chunks, max_order)
    framer = ArrayFramer(max_order)
    found = list(framer.feed(text, last=True))
    if len(found) == 1 and (frame := _frame(framer.skeleton)) is not None:
        data = check_members(frame, hide, warn)
        if data == [{}]:
            return found[0]
    order = recover_body(text, "the order")
    if not set(MEMBERS) <= set(order.document):
        return order
    data = check_members(order.document, hide, warn)
    if not isinstance(data, dict):
        raise MalformedResponseError(
            f"the answer is not what is documented: 'data' is {json_type(data)}, not one order"
        )
    return replace(order, document=data)


def _frame(skeleton: bytes) -> dict[str, Any] | None:
    """What stands around an order, where that is an envelope."""
    try:
        frame = read_object(skeleton, "the answer")
    except MalformedResponseError:
        return None
    return frame if set(MEMBERS) <= set(frame) else None


def check_members(frame: Any, hide: tuple[str, ...] = (), warn: Warn = ignore_warning) -> Any:
    """``data`` of an envelope that is well-formed and reports success. Raises ``MalformedResponseError``."""
    if not isinstance(frame, dict):
        raise MalformedResponseError(f"the answer is {json_type(frame)}, not a JSON object")
    status = frame.get("status")
    if "status" in frame and not isinstance(status, str):
        raise MalformedResponseError(f"the answer is not what is documented: 'status' is {json_type(status)}, not text")
    if isinstance(status, str) and status != "success":
        words = excerpt(frame.get("error"), hide)
        raise MalformedResponseError(f"the source reports a failure{': ' + words if words else ', without a message'}")
    missing = [name for name in MEMBERS if name not in frame]
    if missing:
        raise MalformedResponseError(f"the answer is not what is documented: {', '.join(missing)} missing")
    if not is_empty(frame["error"]):
        raise MalformedResponseError("the answer contradicts itself: status 'success', and yet an error")
    warn_unknown_fields(frame, MEMBERS, "the answer", warn)
    return frame["data"]
