"""A vendor's account at its stand-in, as the tests use it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest

from order_relay.connections import Connection
from order_relay.errors import OrderRelayError
from order_relay.http.connection_settings import form_name
from order_relay.orders.identity.source_identity import IdentityPaths, identify
from order_relay.orders.messages import Selection, SourceOrder
from order_relay.pipeline.ports import Source
from order_relay.vendor import Role, Vendor
from order_relay.vendors import load_vendor
from order_relay_contract.support import marks
from order_relay_contract.support.clock import Clock
from order_relay_contract.support.pairs import everything
from order_relay_contract.support.sandboxes import stand_in_of
from order_relay_sandbox import ThreadedSandbox
from order_relay_sandbox.stand_in import StandIn

LIMITS = {"timeout_s": 10.0, "size_limit_bytes": 1 << 16, "max_wait_s": 120.0, "time_zone": "UTC"}
"""Fields of a connection, if the vendor has them: limits that are soon reached, and the zone of the stand-ins."""

SHORT = 0.2
"""Time-out for a vendor that does not answer, in seconds, unless its settings require a longer one."""

Rule = Mapping[str, Any]
Errors = type[OrderRelayError] | tuple[type[OrderRelayError], ...]
Names = dict[str, str]


@dataclass
class VendorAccount:
    """One account of a vendor at its stand-in. ``port``: the vendor's object for the role."""

    name: str
    role: Role
    sandbox: ThreadedSandbox
    clock: Clock
    shown: list[str] = field(default_factory=list)
    """Messages and representations, which must not contain credentials."""

    @property
    def vendor(self) -> Vendor:
        """Its declaration."""
        return load_vendor(self.name)

    @cached_property
    def stand_in(self) -> StandIn[Any]:
        """A stand-in of the same kind, to make orders with. It serves nothing."""
        return stand_in_of(self.name)

    @property
    def switches(self) -> set[str]:
        """Names of the stand-in's switches."""
        return set(type(self.stand_in).switches_model.model_fields)

    def patience(self, answer: str) -> dict[str, float]:
        """Fields of a connection with which a response of this kind is soon given up."""
        if answer != "hang":
            return {}
        field = self.vendor.settings.form()["extra"].get("timeout_s", {})
        return {"timeout_s": max(SHORT, field.get("minimum", 0))}

    @cached_property
    def port(self) -> Any:
        """The object under test."""
        return self.open()

    def open(self, **fields: Any) -> Any:
        """Another object for the same account. ``fields``: further fields of the connection."""
        connection = self.connection(**fields)
        settings = self.vendor.settings.from_connection(connection)
        made = self.clock.use_for(self.vendor.account(self.role, connection))
        self.shown += [repr(connection), repr(settings), str(settings), repr(made), str(vars(made).get("account"))]
        return made

    def connection(self, **fields: Any) -> Connection:
        """The connection to the stand-in, with the limits that the vendor has."""
        known = {form_name(name, found) for name, found in self.vendor.settings.model_fields.items()}
        shown = self.sandbox.connections()[self.name]
        extra = {**shown["extra"], **{name: value for name, value in {**LIMITS, **fields}.items() if name in known}}
        host = fields.get("host", shown["host"])
        return Connection(f"{self.name}_default", host, shown["login"], shown["password"], extra=extra)

    def finish(self) -> None:
        """Close the object under test, and check what was shown."""
        if "port" in vars(self):
            self.port.close()
        self.check_shown()

    def check_shown(self) -> None:
        """No message and no representation shows a credential."""
        assert marks.found_in("\n".join(self.shown)) == set(), "a message or representation shows credentials"

    def has(self, purpose: str) -> bool:
        """Whether the vendor has a path of this purpose."""
        return any(route.purpose == purpose for route in self.stand_in.routes())

    @property
    def counted_tokens(self) -> list[Rule]:
        """A rule that counts successful requests for tokens, if there are any."""
        return [{"purpose": "token", "answer": "ok"}] if self.has("token") else []

    def require(self, purpose: str) -> None:
        """Skip the test unless the vendor has a path of this purpose."""
        if not self.has(purpose):
            pytest.skip(f"{self.name} has no path for {purpose!r}")

    def change(self, **switches: Any) -> None:
        """Change switches of the stand-in."""
        self.sandbox.change({self.name: switches})

    def spoil(self, *rules: Rule) -> None:
        """Spoil these responses and no others from now on. All requests of a purpose are counted with ``ok``."""
        self.change(spoil=list(rules))

    def answered(self, purpose: str, answer: str | int, when: str = "before") -> int:
        """How often the stand-in gave this answer of a rule."""
        given: dict[str, int] = self.sandbox.report()["spoiled"].get(self.name, {})
        return given.get(f"{'after' if answer == 'ok' else when} {purpose}: {answer}", 0)

    def refused(self, work: Callable[[], Any], expected: Errors) -> OrderRelayError:
        """The error that ``work`` raises, which must be one of those expected."""
        with pytest.raises(OrderRelayError) as caught:
            work()
        self.shown += [str(caught.value), "".join(traceback.format_exception(caught.value))]
        self.check_shown()
        assert isinstance(caught.value, expected), f"{type(caught.value).__name__}: {caught.value}"
        return caught.value


class SourceAccount(VendorAccount):
    """An account that offers some plain orders."""

    port: Source

    @property
    def everything(self) -> Selection:
        """All orders that the stand-in offers."""
        return everything(self.port)

    def fetch(self, selection: Selection | None = None, port: Source | None = None) -> dict[str, SourceOrder]:
        """The orders by their id at the source; each must be there once."""
        orders = list((port or self.port).fetch(selection or self.everything))
        found = {self.identity(order)["source_id"]: order for order in orders}
        assert len(found) == len(orders), "an order was returned more than once"
        return found

    def identity(self, order: SourceOrder) -> dict[str, Any]:
        """Its identifying columns."""
        paths = IdentityPaths.from_mapping(self.port.format.mapping["identity"])
        return identify(order.document, paths)

    def names(self, orders: Mapping[str, SourceOrder]) -> Names:
        """By source id: the identifier by which the orders are acknowledged."""
        return {key: self.identity(order)[self.port.acknowledges] for key, order in orders.items()}

    def accepts(self, names: Iterable[str], *expected: type[OrderRelayError], port: Source | None = None) -> set[str]:
        """The names whose acknowledgement is reported as accepted; none if one of the errors expected is raised."""
        try:
            answers = (port or self.port).acknowledge(list(names))
        except expected as error:
            self.shown += [str(error), "".join(traceback.format_exception(error))]
            return set()
        self.shown += [answer.message for answer in answers.values()]
        return {name for name, answer in answers.items() if answer.accepted}

    @property
    def offered(self) -> dict[str, dict[str, Any]]:
        """What the stand-in's audit knows of its orders, by the order number."""
        offers: dict[str, dict[str, Any]] = self.sandbox.report()["offers"]
        return offers

    @property
    def ids(self) -> set[str]:
        """Ids of all orders at the stand-in."""
        return {str(offer["id"]) for offer in self.offered.values()}

    @property
    def acknowledged(self) -> set[str]:
        """Ids of the orders that the stand-in counts as acknowledged."""
        return {str(offer["id"]) for offer in self.offered.values() if offer["acknowledged"]}
