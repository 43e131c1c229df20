"""What a stand-in (one simulated vendor) declares. Server, scenario and command line get everything from it.

Each is a module ``stand_in.py`` in a vendor's folder, whose member ``STAND_IN`` is a class derived from ``StandIn``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from order_relay_sandbox import answering
from order_relay_sandbox.audit import Audit
from order_relay_sandbox.faults import Fault, Rule, RuleBook, Spoil
from order_relay_sandbox.gate import Later

Role = Literal["source", "destination", "status_source"]
RawOrder = Mapping[str, Any] | bytes
"""An order as an object, or its exact JSON text."""

VENDORS: web.AppKey[dict[str, Any]] = web.AppKey("vendors", dict)
"""The stand-ins by name. A reset replaces them, so handlers look theirs up for each request."""


class Switches(BaseModel):
    """Switches that every stand-in has. Defaults: the documented behaviour without faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_ms: float = Field(default=0.0, ge=0, description="added to every call")
    spoil: tuple[Spoil, ...] = Field(default=(), description="responses to replace, by the purpose of the route")


S = TypeVar("S", bound=Switches)


class Route(NamedTuple):
    """One path of a vendor. ``handler`` is the method that answers (default: the purpose).

    ``purpose`` names the route in ``spoil``. Routes of the same kind have the same purpose at every vendor: ``token``,
    ``list``, ``detail``, ``acknowledge``, ``import``, ``search``.
    """

    method: str
    path: str
    purpose: str
    handler: str = ""


class Option(NamedTuple):
    """A command-line option that sets a switch."""

    flag: str
    switch: str
    help: str
    type: type = str
    repeated: bool = False


class StandIn(Generic[S]):
    """One simulated vendor.

    ``roots``: path prefixes whose unknown paths and methods the vendor answers itself, by ``refusal``.
    ``by_default``: whether it is the source, or the destination, if none is named.
    """

    name: ClassVar[str]
    roles: ClassVar[tuple[Role, ...]]
    switches_model: ClassVar[type[Switches]]
    options: ClassVar[tuple[Option, ...]] = ()
    roots: ClassVar[tuple[str, ...]] = ()
    by_default: ClassVar[bool] = False
    switches: S

    def __init__(self, switches: S, audit: Audit, seed: int) -> None:
        self.audit = audit
        self.seed = seed
        self.later = Later()
        self.switch(switches)

    def switch(self, switches: S) -> None:
        """Apply other switches and reset the counters of fault rules."""
        self.switches = switches
        self.rules: RuleBook[Rule] = RuleBook(getattr(switches, "faults", ()), self.seed)
        self.spoils = RuleBook(switches.spoil, self.seed)

    @classmethod
    def routes(cls) -> Iterable[Route]:
        """The vendor's paths."""
        raise NotImplementedError

    async def serve(
        self, request: web.Request, place: str, work: Callable[[], web.Response], key: str = ""
    ) -> web.StreamResponse:
        """Process a request for order ``key`` unless a rule of ``faults`` prevents it; respond as the rule says."""
        rule = self.rules.pick(place, key)
        normal = web.json_response({}) if rule is not None and rule.prevents else work()
        return normal if rule is None else await self.give(request, rule, normal)

    async def give(self, request: web.Request, fault: Fault, normal: web.Response) -> web.StreamResponse:
        """The response of a fault; ``normal`` is the one without it."""
        return await answering.give(request, fault, normal, self.bare)

    def bare(self, status: int) -> web.Response:
        """The vendor's response of this HTTP status, for a fault."""
        return web.Response(status=status, text=answering.HTML_PAGE, content_type="text/html")

    async def order_of(self, request: web.Request) -> str:
        """The external id of the one order that a request is about, for rules; empty if unknown."""
        return ""

    def control_routes(self) -> Sequence[web.RouteDef]:
        """Paths for tests and demonstrations, below ``/_<name>/``, which the real vendor does not have."""
        return ()

    def connection(self, url: str) -> dict[str, Any]:
        """The Airflow connection (``host``, ``login``, ``password``, ``extra``) to this stand-in at ``url``."""
        raise NotImplementedError

    def generate(self, count: int, seed: int) -> None:
        """Offer ``count`` generated orders; the same seed generates the same orders. Sources only."""
        raise NotImplementedError

    def plain(self, count: int, seed: int) -> list[dict[str, Any]]:
        """Orders that any pipeline imports, as ``offer`` takes them; they are not offered yet. Sources only."""
        raise NotImplementedError

    def dated(self, order: Mapping[str, Any], time: datetime) -> dict[str, Any]:
        """The same order, made at this time. Sources that are queried by time only."""
        raise NotImplementedError

    def offer(self, orders: Iterable[RawOrder], kind: str) -> int:
        """Offer orders; one with a known identity replaces the earlier one. Returns their number. Sources only."""
        raise NotImplementedError

    def report(self) -> dict[str, Any]:
        """The vendor's own member of the audit; none if empty."""
        return {}

    def bodies(self, external_id: str) -> list[bytes]:
        """The import bodies stored under an external id, byte for byte."""
        return []

    def land(self) -> int:
        """Process at once what is to be processed later, and make it visible; returns the number of these requests."""
        return self.later.land()

    def refusal(self, refused: web.HTTPException) -> web.Response:
        """Answer an unknown path or method below ``roots`` as the vendor would."""
        raise refused
