"""The answer of SuperCat's order API: an object with ``status``, ``error`` and ``data`` (page-supercat.txt).

Further members are accepted with a warning. What is wrong inside one order concerns that order only.

All errors are ``BadAnswer`` and show nothing of an order, only its place in the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from order_relay.errors import BadAnswer
from order_relay.orders.emptiness import is_empty
from order_relay.orders.exchange import OfferedOrder, Warn, ignore
from order_relay.orders.json_text import encode
from order_relay.vendors.supercat.framing import Framer
from order_relay.web.bodies import checked_start, excerpt, read_whole
from order_relay.web.salvage import readable_order, salvage
from order_relay.web.strict_json import kind, read_object
from order_relay.web.tolerance import warn_of_members

MEMBERS = ("status", "error", "data")


def read_envelope(
    chunks: Iterable[bytes], *, max_order: int, hide: tuple[str, ...] = (), warn: Warn = ignore
) -> Iterator[OfferedOrder]:
    """The orders of a streamed answer, one at a time. Only when the iterator has ended are they worth anything.

    ``max_order`` bounds one order (characters). ``hide`` are texts that no message may show. Raises ``BadAnswer``.
    """
    framer = Framer(max_order)
    for chunk in checked_start(chunks):
        yield from framer.feed(chunk)
    yield from framer.feed(b"", last=True)
    data = check_members(read_object(framer.skeleton, "the answer"), hide, warn)
    if not isinstance(data, list):
        raise BadAnswer(f"the answer is not what is documented: 'data' is {kind(data)}, not an array")
    yield from _odd_elements(data, framer.elements)


def _odd_elements(data: list[Any], orders: int) -> Iterator[OfferedOrder]:
    """The elements that are not objects, each as an order that cannot be read. Raises ``BadAnswer`` if all are."""
    odd = [(at, element) for at, element in enumerate(data, 1) if element != {} or not isinstance(element, dict)]
    if len(data) - len(odd) != orders or (odd and not orders):
        raise BadAnswer("the answer is not what is documented: the elements of 'data' are not objects")
    for at, element in odd:
        yield salvage(encode(element).decode(), f"element {at} of the answer")


def read_single(
    chunks: Iterable[bytes], *, max_order: int, hide: tuple[str, ...] = (), warn: Warn = ignore
) -> OfferedOrder:
    """One order, bare or in the envelope (the page does not say which). Raises ``BadAnswer``."""
    text = read_whole(chunks, max_order)
    framer = Framer(max_order)
    found = list(framer.feed(text, last=True))
    if len(found) == 1 and (frame := _frame(framer.skeleton)) is not None:
        data = check_members(frame, hide, warn)
        if data == [{}]:
            return found[0]
    order = readable_order(text, "the order")
    if not set(MEMBERS) <= set(order.document):
        return order
    data = check_members(order.document, hide, warn)
    if not isinstance(data, dict):
        raise BadAnswer(f"the answer is not what is documented: 'data' is {kind(data)}, not one order")
    return replace(order, document=data)


def _frame(skeleton: bytes) -> dict[str, Any] | None:
    """What stands around an order, where that is an envelope."""
    try:
        frame = read_object(skeleton, "the answer")
    except BadAnswer:
        return None
    return frame if set(MEMBERS) <= set(frame) else None


def check_members(frame: Any, hide: tuple[str, ...] = (), warn: Warn = ignore) -> Any:
    """``data`` of an envelope that is well-formed and reports success. Raises ``BadAnswer``."""
    if not isinstance(frame, dict):
        raise BadAnswer(f"the answer is {kind(frame)}, not a JSON object")
    status = frame.get("status")
    if "status" in frame and not isinstance(status, str):
        raise BadAnswer(f"the answer is not what is documented: 'status' is {kind(status)}, not text")
    if isinstance(status, str) and status != "success":
        words = excerpt(frame.get("error"), hide)
        raise BadAnswer(f"the source reports a failure{': ' + words if words else ', without a message'}")
    missing = [name for name in MEMBERS if name not in frame]
    if missing:
        raise BadAnswer(f"the answer is not what is documented: {', '.join(missing)} missing")
    if not is_empty(frame["error"]):
        raise BadAnswer("the answer contradicts itself: status 'success', and yet an error")
    warn_of_members(frame, MEMBERS, "the answer", warn)
    return frame["data"]
