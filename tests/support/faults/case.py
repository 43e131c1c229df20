"""What the fault suites have to know of a source, of a destination, and of a pair of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields
from typing import Any

from order_relay.connections import Connection
from order_relay_sandbox import Sandbox, ThreadedSandbox

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


@dataclass(frozen=True, kw_only=True)
class SourceSide:
    """What a fault suite has to know of one source.

    ``vendor``: the stand-in's name. ``fields``: of the connection, so that trials need not wait. ``settings``: of the
    pipeline, by section.
    ``examples()``: one order of each kind, with the state that it ends in. ``plain(n)``: n orders that are imported.
    ``newer(order)``: how its buyer changes his mind, in a further version where the source has such, else in the order
    itself. ``twin(order, number)``: another order of the same content.
    ``now(order)``: the order as the source dates it if it is offered now; where the stand-in does that, itself.
    ``text``: a member that holds free words. ``fixed``: members by which the sandbox itself finds an order.
    ``key(order)``: the external id at the destination.
    ``acknowledged_at``, ``acknowledged_by``: the sandbox endpoint of acknowledgements, and their failpoint.
    ``release(sandbox, order)``: the source releases an order that waited (only sources whose orders wait).
    ``failpoints``: those of this source only. ``feedback``: its feedback configurations.
    ``envelopes``: wrong answers that the source can be made to give as a whole.
    """

    vendor: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    examples: Callable[[], list[tuple[Order, str]]] = field(repr=False)
    plain: Callable[[int], list[Order]] = field(repr=False)
    newer: Callable[[Order], Order] = field(repr=False)
    twin: Callable[[Order, int], Order] = field(repr=False)
    key: Callable[[Order], str] = field(repr=False)
    now: Callable[[Order], Order] = field(default=lambda order: order, repr=False)
    text: str
    acknowledged_at: str
    acknowledged_by: str
    failpoints: tuple[str, ...]
    fixed: tuple[str, ...] = ()
    release: Callable[[ThreadedSandbox, Order], object] | None = field(default=None, repr=False)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    feedback: Mapping[str, FeedbackMode] = field(default_factory=dict)
    envelopes: tuple[str, ...] = ()


VISIBLE_S = 0.7
"""How late a destination of the trials shows its orders, if it shows them late."""

LOST_ANSWERS: tuple[str | int, ...] = ("cut", "cut_body", "hang", 408, 409, 500, 502, 503, 504, "empty", "html")
"""How an answer to an import is lost at any destination."""


@dataclass(frozen=True)
class Search:
    """``switches`` of the destination, ``extra`` of its connection; ``clear``: every outcome can be determined."""

    switches: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    clear: bool = True
    rules: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class DestinationSide:
    """What a fault suite has to know of one destination.

    ``vendor``: the stand-in's name. ``fields``: of the connection, so that trials need not wait. ``harsh``: switches
    with which it accepts duplicates, so that only our side can prevent them; none where an import updates the order
    with its key. ``duplicates``: switches for each way in which it may treat an order that it has already.
    ``answers``: how an answer to an import gets lost. ``searches``: the kinds of search it may have. ``lies``:
    switches with which its search gives wrong results.
    """

    vendor: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    harsh: Mapping[str, Any] = field(default_factory=dict)
    duplicates: tuple[Mapping[str, Any], ...] = ({},)
    answers: tuple[str | int, ...] = LOST_ANSWERS
    searches: Mapping[str, Search] = field(repr=False)
    lies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Case(SourceSide):
    """One pair of a source and a destination, and the pipeline between them.

    ``connections``: the ids of the two connections in the pipeline's file. ``installed()``: a context in which this
    process finds the vendors and the pipeline; by default it finds them anyway.
    """

    pipeline: str
    connections: tuple[str, str]
    destination: DestinationSide
    installed: Callable[[], AbstractContextManager[None]] = field(default=nullcontext, repr=False)

    @classmethod
    def of(cls, source: SourceSide, **pair: Any) -> Case:
        """The pair of this source with the rest of a pair."""
        shared = {side.name: getattr(source, side.name) for side in fields(SourceSide)}
        return cls(**shared, **pair)

    @property
    def name(self) -> str:
        """Source and destination."""
        return f"{self.vendor}-{self.destination.vendor}"

    @property
    def source_side(self) -> str:
        """The sandbox's name of the source."""
        return self.vendor

    @property
    def destination_side(self) -> str:
        """The sandbox's name of the destination."""
        return self.destination.vendor

    @property
    def harsh(self) -> Mapping[str, Any]:
        """Switches of a destination that accepts duplicates."""
        return self.destination.harsh

    def connect(self, url: str, source: Mapping[str, Any] | None = None, **extra: Any) -> dict[str, Connection]:
        """The connections; ``source``: fields of the source's, ``extra`` of the destination's."""
        at_source, at_destination = self.connections
        made = (
            connection(self.vendor, url, {**self.fields, **(source or {})}, at_source),
            connection(self.destination.vendor, url, {**self.destination.fields, **extra}, at_destination),
        )
        return {c.conn_id: c for c in made}

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


def connection(vendor: str, url: str, extra: Mapping[str, Any], conn_id: str = "") -> Connection:
    """The connection to a stand-in at ``url``, with further extra fields; a ``password`` replaces the account's."""
    found = Sandbox().connections(url)[vendor]
    extra = {**found["extra"], **extra}
    password = extra.pop("password", found["password"])
    return Connection(conn_id or f"{vendor}_default", found["host"], found["login"], password, extra=extra)
