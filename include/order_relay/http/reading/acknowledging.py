"""Acknowledgement of orders: one request for each, or one for all.

Each order has an answer of its own, or none. Nothing is reported as accepted before its response was read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from order_relay.errors import (
    ConfigurationError,
    MalformedResponseError,
    OutcomeUnknownError,
    ThrottledError,
    TransientError,
)
from order_relay.http.reading.bodies import excerpt
from order_relay.http.reading.client import UnreachableError
from order_relay.http.reading.details import OrderDetail
from order_relay.http.reading.reply import Reply, ignore_body, parse_order_if_any
from order_relay.http.reading.transport import NotFoundError, RequestRefusedError, Transport, map_in_order
from order_relay.iteration import batched
from order_relay.orders.messages import Acknowledgement, SourceOrder

ACCEPTED = Acknowledgement(True)
NOT_FOUND = Acknowledgement(False, "the shop answered HTTP 404: the order does not exist (any more)")
SHOP_CANCELLED = Acknowledgement(False, "the shop has cancelled the order; nothing was written", cancelled=True)


class AcknowledgementMethod(Protocol):
    """How orders are acknowledged at a source."""

    def send(self, transport: Transport, names: Sequence[str], parallel: int) -> dict[str, Acknowledgement]:
        """Acknowledge orders. Names without a usable response are missing from the result.

        Raises ``OutcomeUnknownError`` if no order got a usable response, and the errors of ``Source.acknowledge``.
        """


@dataclass(frozen=True, kw_only=True)
class OrderStates:
    """Which orders are changed, by the state that is read before: those in one of ``open``.

    Those in a state of ``done`` are accepted without a change, those in ``cancelled`` are reported as cancelled. An
    order is read by ``detail`` and its state is in ``member``.
    """

    detail: OrderDetail
    member: str
    open: Collection[str]
    done: Collection[str]
    cancelled: Collection[str] = ()

    def verdict(self, transport: Transport, name: str) -> Acknowledgement | None:
        """The answer if the order is not to be changed, or ``None``."""
        order = read_order(transport, self.detail, name)
        if order is None:
            return NOT_FOUND
        state = order.document.get(self.member)
        if state in self.done:
            return ACCEPTED
        if state in self.cancelled:
            return SHOP_CANCELLED
        if state not in self.open:
            return Acknowledgement(False, f"its state is {quote_value(state)}; it was not changed")
        return None


@dataclass(frozen=True, kw_only=True)
class AcknowledgeEach:
    """A request for each order, which may be repeated: ``members`` are written to ``detail`` of the order.

    Accepted if the response shows these members with these values; a response without them proves nothing, and the
    order is read. ``proven_by_status``: the vendor sends no body, and the status says everything.
    """

    method: str
    detail: OrderDetail
    members: Mapping[str, Any]
    states: OrderStates | None = None
    proven_by_status: bool = False

    def send(self, transport: Transport, names: Sequence[str], parallel: int) -> dict[str, Acknowledgement]:
        """See ``AcknowledgementMethod.send``."""

        def answer(name: str) -> Acknowledgement | None:
            try:
                return self.send_one(transport, name)
            except (ThrottledError, UnreachableError):
                raise
            except (OutcomeUnknownError, TransientError):  # one order must not stop the others
                return None

        answers = zip(names, map_in_order(answer, names, parallel), strict=True)
        found = {name: given for name, given in answers if given is not None}
        if names and not found:
            raise OutcomeUnknownError(f"{transport.name} sent no usable response for any of {len(names)} orders")
        return found

    def send_one(self, transport: Transport, name: str) -> Acknowledgement:
        """Acknowledge one order. Raises ``OutcomeUnknownError`` and the errors of ``Source.acknowledge``."""
        verdict = self.states.verdict(transport, name) if self.states else None
        if verdict is not None:
            return verdict
        if not self.proven_by_status:
            return write_members(transport, self.detail, name, self.members, states=self.states, method=self.method)
        try:
            transport.write(
                self.method, self.detail.url(name), self.members, ignore_body, after_read=self.states is not None
            )
        except NotFoundError:
            return NOT_FOUND
        except RequestRefusedError as error:
            return Acknowledgement(False, str(error))
        return ACCEPTED


@dataclass(frozen=True, kw_only=True)
class AcknowledgeTogether:
    """One request for all orders, or for each ``size`` of them. ``document`` makes its body from the names.

    ``answers`` reads the answer of each order from the JSON object in the response (``None`` if it has no body); a name
    without a usable answer is missing from its result. A POST must be one that may be repeated.
    """

    method: str = "POST"
    path: str
    document: Callable[[Sequence[str]], Any]
    answers: Callable[[dict[str, Any] | None, Sequence[str]], Mapping[str, Acknowledgement]]
    size: int = 1000

    def send(self, transport: Transport, names: Sequence[str], _parallel: int) -> dict[str, Acknowledgement]:
        """See ``AcknowledgementMethod.send``."""
        found: dict[str, Acknowledgement] = {}
        failure: Exception | None = None
        for portion in batched(names, self.size):
            try:
                found |= self._send_portion(transport, portion)
            except (OutcomeUnknownError, MalformedResponseError) as error:
                failure = error
        if failure and not found:
            raise failure
        return found

    def _send_portion(self, transport: Transport, names: Sequence[str]) -> dict[str, Acknowledgement]:
        def parse(reply: Reply) -> dict[str, Acknowledgement]:
            response = parse_order_if_any(reply)
            found = self.answers(None if response is None else response.document, names)
            kept = {name: found[name] for name in names if name in found}
            if not kept:
                raise MalformedResponseError("the response has no answer for any of the orders")
            return kept

        try:
            return transport.write(self.method, self.path, self.document(names), parse)
        except NotFoundError as error:
            raise ConfigurationError(f"{error} to the acknowledgement: check the base URL of the connection") from None
        except RequestRefusedError as error:
            raise MalformedResponseError(f"{transport.name} refused the acknowledgement: {error}") from None


def read_order(transport: Transport, detail: OrderDetail, order_id: str) -> SourceOrder | None:
    """The order in its present state; ``None`` after a 404. Other failures concern this order alone."""
    try:
        return detail.read(transport, order_id)
    except NotFoundError:
        return None


def write_members(
    transport: Transport,
    detail: OrderDetail,
    order_id: str,
    members: Mapping[str, Any],
    *,
    states: OrderStates | None = None,
    method: str = "PATCH",
) -> Acknowledgement:
    """Write some members of an order. Refused if the vendor refuses, or shows other values afterwards.

    A response without these members proves nothing (it may be a gateway's): the order is read then. If it does not
    show them either, the write is accepted by its status. ``states``: the order was read before; one that was cancelled
    between reading and writing is reported as cancelled.
    """
    try:
        written = transport.write(
            method, detail.url(order_id), dict(members), parse_order_if_any, after_read=states is not None
        )
    except NotFoundError:
        return NOT_FOUND
    except RequestRefusedError as error:
        return Acknowledgement(False, str(error))
    after = {} if written is None else written.document
    if not members.keys() <= after.keys():
        read = read_order(transport, detail, order_id)
        after = {} if read is None else read.document
    if states and states.member not in members and after.get(states.member) in states.cancelled:
        return SHOP_CANCELLED
    wrong = [name for name, value in members.items() if name in after and after[name] != value]
    return Acknowledgement(False, f"accepted, but {wrong[0]} has another value afterwards") if wrong else ACCEPTED


def quote_value(value: Any) -> str:
    """A state as the vendor spells it, for messages."""
    return excerpt(value, limit=40) or "unknown"
