"""The envelope of SuperCat's order API: ``status``, ``error`` and ``data`` (docs/vendors/supercat.md, "Facts",
envelope; "How answers are read").

Additional members are ignored with a warning. A defect inside one order concerns that order only. All errors are
``MalformedResponseError``; their messages contain positions in the response but nothing of an order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from order_relay.errors import MalformedResponseError
from order_relay.http.json.array_framer import ArrayFramer, unexpected_elements
from order_relay.http.json.json_recovery import recover_body
from order_relay.http.json.strict_json import json_type, read_object
from order_relay.http.json.unknown_fields import warn_unknown_fields
from order_relay.http.reading.bodies import checked_start, excerpt, read_whole
from order_relay.orders.empty_values import is_empty
from order_relay.orders.messages import SourceOrder, Warn, ignore_warning

MEMBERS = ("status", "error", "data")


def read_envelope(
    chunks: Iterable[bytes], *, max_order: int, hide: tuple[str, ...] = (), warn: Warn = ignore_warning
) -> Iterator[SourceOrder]:
    """The orders of a streamed response, one at a time; valid only once the iterator is exhausted.

    ``max_order`` bounds one order (characters). ``hide``: texts that no message may contain. Raises
    ``MalformedResponseError``.
    """
    framer = ArrayFramer(max_order)
    for chunk in checked_start(chunks):
        yield from framer.feed(chunk)
    yield from framer.feed(b"", last=True)
    data = check_members(read_object(framer.skeleton, "the response"), hide, warn)
    if not isinstance(data, list):
        raise MalformedResponseError(f"the response is not as documented: 'data' is {json_type(data)}, not an array")
    yield from unexpected_elements(data, framer.elements)


def read_single(
    chunks: Iterable[bytes], *, max_order: int, hide: tuple[str, ...] = (), warn: Warn = ignore_warning
) -> SourceOrder:
    """One order, bare or in the envelope (not documented). Raises ``MalformedResponseError``."""
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
        raise MalformedResponseError(f"the response is not as documented: 'data' is {json_type(data)}, not one order")
    return replace(order, document=data)


def _frame(skeleton: bytes) -> dict[str, Any] | None:
    """The envelope around an order, if there is one."""
    try:
        frame = read_object(skeleton, "the response")
    except MalformedResponseError:
        return None
    return frame if set(MEMBERS) <= set(frame) else None


def check_members(frame: Any, hide: tuple[str, ...] = (), warn: Warn = ignore_warning) -> Any:
    """``data`` of an envelope that reports success. Raises ``MalformedResponseError``."""
    if not isinstance(frame, dict):
        raise MalformedResponseError(f"the response is {json_type(frame)}, not a JSON object")
    status = frame.get("status")
    if "status" in frame and not isinstance(status, str):
        raise MalformedResponseError(f"the response is not as documented: 'status' is {json_type(status)}, not text")
    if isinstance(status, str) and status != "success":
        message = excerpt(frame.get("error"), hide)
        raise MalformedResponseError(
            f"SuperCat reports a failure{': ' + message if message else ', without a message'}"
        )
    missing = [name for name in MEMBERS if name not in frame]
    if missing:
        raise MalformedResponseError(f"the response is not as documented: {', '.join(missing)} missing")
    if not is_empty(frame["error"]):
        raise MalformedResponseError("the response is contradictory: status 'success' with an error")
    warn_unknown_fields(frame, MEMBERS, "the response", warn)
    return frame["data"]
