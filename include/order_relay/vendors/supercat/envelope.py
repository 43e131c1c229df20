"""The answer of SuperCat's order API: an object with exactly ``status``, ``error`` and ``data`` (page-supercat.txt).

All errors are ``BadAnswer`` and show nothing of an order, only its place in the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from order_relay.errors import BadAnswer
from order_relay.orders.exchange import OfferedOrder
from order_relay.vendors.supercat.framing import Framer
from order_relay.web.bodies import checked_start, excerpt, read_whole
from order_relay.web.strict_json import kind, read_object, read_order

MEMBERS = ("status", "error", "data")


def read_envelope(chunks: Iterable[bytes], *, max_order: int, hide: tuple[str, ...] = ()) -> Iterator[OfferedOrder]:
    """The orders of a streamed answer, one at a time. Only when the iterator has ended are they worth anything.

    ``max_order`` bounds one order (characters). ``hide`` are texts that no message may show. Raises ``BadAnswer``.
    """
    framer = Framer(max_order)
    for chunk in checked_start(chunks):
        yield from framer.feed(chunk)
    yield from framer.feed(b"", last=True)
    data = check_members(read_object(framer.skeleton, "the answer"), hide)
    if not isinstance(data, list):
        raise BadAnswer(f"the answer is not what is documented: 'data' is {kind(data)}, not an array")
    if len(data) != framer.elements:
        raise BadAnswer("the answer is not what is documented: an element of 'data' is not an object")


def read_single(chunks: Iterable[bytes], *, max_order: int, hide: tuple[str, ...] = ()) -> OfferedOrder:
    """One order, bare or in the envelope (the page does not say which). Raises ``BadAnswer``."""
    order = read_order(read_whole(chunks, max_order), "the order")
    document = order.document
    if set(document) != set(MEMBERS):
        return order
    data = check_members(document, hide)
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, dict):
        raise BadAnswer(f"the answer is not what is documented: 'data' is {kind(data)}, not one order")
    return OfferedOrder(data, order.problem)


def check_members(frame: Any, hide: tuple[str, ...] = ()) -> Any:
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
    if len(frame) != len(MEMBERS):
        raise BadAnswer("the answer is not what is documented: it has members besides status, error and data")
    if frame["error"] not in (None, ""):
        raise BadAnswer("the answer contradicts itself: status 'success', and yet an error")
    return frame["data"]
