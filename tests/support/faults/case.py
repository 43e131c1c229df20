"""What a fault suite has to know of one pair of source and destination."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from order_relay.connections import Connection
from order_relay_sandbox import ThreadedSandbox

Order = dict[str, Any]

UNSEEN = "unseen"
"""The end of an order that the source does not offer: the ledger never hears of it."""


@dataclass(frozen=True)
class FeedbackMode:
    """One configuration of the feedback that a source receives about its orders.

    ``source``: fields of the source's connection that select it. ``places``: the sandbox endpoints that receive it.
    ``shipped``: what the source shows of an order that left, beside what it shows of each. ``deliveries``: whether it
    hears of each delivery by itself.
    """

    source: Mapping[str, Any]
    places: tuple[str, ...]
    shipped: Mapping[str, Any]
    deliveries: bool = False


@dataclass(frozen=True)
class Case:
    """One pair.

    ``connect(url, source, **extra)``: the connections; ``source``: fields of the source's, ``extra`` of the
    destination's. ``settings``: of the pipeline, by section, so that trials need not wait.
    ``examples()``: one order of each kind, with the state that it ends in. ``plain(n)``: n orders that are imported.
    ``newer(order)``: how its buyer changes his mind, in a further version where the source has such, else in the order
    itself. ``twin(order, number)``: another order of the same content.
    ``text``: a member that holds free words. ``fixed``: members by which the sandbox itself finds an order.
    ``key(order)``: the external id at the destination. ``source_side``, ``destination_side``: the sandbox's names.
    ``acknowledged_at``, ``acknowledged_by``: the sandbox endpoint of acknowledgements, and their failpoint.
    ``release(sandbox, order)``: the source releases an order that waited (only sources whose orders wait).
    ``failpoints``: those of this source only. ``feedback``: its feedback configurations.
    ``harsh``: switches of a destination that accepts duplicates, so that only our side can prevent them.
    ``envelopes``: wrong answers that the source can be made to give as a whole.
    """

    name: str
    pipeline: str
    source_side: str
    destination_side: str
    connect: Callable[..., dict[str, Connection]] = field(repr=False)
    examples: Callable[[], list[tuple[Order, str]]] = field(repr=False)
    plain: Callable[[int], list[Order]] = field(repr=False)
    newer: Callable[[Order], Order] = field(repr=False)
    twin: Callable[[Order, int], Order] = field(repr=False)
    key: Callable[[Order], str] = field(repr=False)
    text: str
    acknowledged_at: str
    acknowledged_by: str
    failpoints: tuple[str, ...]
    fixed: tuple[str, ...] = ()
    release: Callable[[ThreadedSandbox, Order], object] | None = field(default=None, repr=False)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    feedback: Mapping[str, FeedbackMode] = field(default_factory=dict)
    harsh: Mapping[str, Any] = field(default_factory=dict)
    envelopes: tuple[str, ...] = ()

    def at_source(self, **switches: Any) -> dict[str, Any]:
        """Switches of the source, as the sandbox takes them."""
        return {self.source_side: switches}

    def at_destination(self, **switches: Any) -> dict[str, Any]:
        """Switches of the destination, as the sandbox takes them."""
        return {self.destination_side: switches}

    def changed(self, order: Order) -> Order:
        """Other content under the same identity."""
        return {**order, self.text: f"{order.get(self.text) or ''} changed"}

    @staticmethod
    def source_id(order: Order) -> str:
        """The id that the source gave it; empty where it has none."""
        return str(order.get("id", ""))


def lost(effect: str, answer: str | int, **which: Any) -> dict[str, Any]:
    """A rule of the sandbox: imports whose answer goes wrong."""
    return {"at": "import", "effect": effect, "answer": answer, **which}


def shopatron(url: str, **extra: Any) -> Connection:
    """The destination, with time-outs of a second."""
    settings = {
        "token_url": f"{url}/oauthserver/oauth2/token",
        "manufacturer_id": 1042,
        "catalog_id": 0,
        "timeout_s": 1.0,
        "visible_after_s": 0.0,
        "connections": 4,
        **extra,
    }
    return Connection("shopatron_default", f"{url}/api/v2", "demo-key", "demo-secret", extra=settings)
