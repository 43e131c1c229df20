"""One server for all simulated vendors: routes, counting for the audit, and control endpoints for tests."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from aiohttp import web

from order_relay_sandbox.acommerce import control as acommerce_control
from order_relay_sandbox.acommerce.vendor import AcommerceVendor
from order_relay_sandbox.audit import Audit
from order_relay_sandbox.cloudsuite import control as cloudsuite_control
from order_relay_sandbox.cloudsuite import errors as cloudsuite_errors
from order_relay_sandbox.cloudsuite.vendor import CloudSuiteVendor
from order_relay_sandbox.keys import OUTCOME, VENDORS
from order_relay_sandbox.scenario import Scenario
from order_relay_sandbox.shopatron.vendor import ShopatronVendor
from order_relay_sandbox.supercat.store import split_array
from order_relay_sandbox.supercat.vendor import SuperCatVendor

MAX_BODY = 256 * 2**20

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SOURCES = ("supercat", "cloudsuite")
"""Vendors that can offer orders."""

RawOrder = Mapping[str, Any] | bytes


class Sandbox:
    """The vendors with their shared audit, controllable while they run.

    ``orders``: a number of orders to generate, or the orders themselves (objects, or exact JSON texts as bytes).
    ``sources``: the vendors that offer them; orders given as objects or bytes are offered by the first.
    ``url`` is set once the server listens. Not thread-safe: use ``serve_in_thread`` from synchronous code.
    """

    def __init__(
        self,
        scenario: Scenario | Mapping[str, Any] | None = None,
        orders: int | Iterable[RawOrder] = 0,
        seed: int = 0,
        sources: Sequence[str] = SOURCES[:1],
    ) -> None:
        self._sources = tuple(_known_source(source) for source in sources)
        self.url = ""
        self._start_scenario = scenario if isinstance(scenario, Scenario) else Scenario.of(scenario or {})
        self._start_orders: int | list[RawOrder] = orders if isinstance(orders, int) else list(orders)
        self._start_seed = seed
        self._vendors: dict[str, Any] = {}
        self.reset()

    def reset(self) -> None:
        """Restore the initial state: same scenario and orders, nothing imported or acknowledged."""
        if self._vendors:
            self.shopatron.book.forget_under_way()
        self.scenario = self._start_scenario
        self.audit = Audit()
        self._vendors["supercat"] = SuperCatVendor(self.scenario.supercat, self.audit, self.scenario.seed)
        self._vendors["cloudsuite"] = CloudSuiteVendor(self.scenario.cloudsuite, self.audit, self.scenario.seed)
        self._vendors["acommerce"] = AcommerceVendor(self.scenario.acommerce, self.audit, self.scenario.seed)
        self._vendors["shopatron"] = ShopatronVendor(self.scenario.shopatron, self.audit, self.scenario.seed)
        if isinstance(self._start_orders, int):
            for source in self._sources:
                self._vendors[source].generate(self._start_orders, self._start_seed)
        else:
            self.offer(self._start_orders)

    def offer(self, orders: Iterable[RawOrder], kind: str = "offered", source: str = "") -> int:
        """Offer orders at a source (default: the first); a known identity replaces that order."""
        count: int = self._vendors[_known_source(source or self._sources[0])].offer(orders, kind)
        return count

    def change(self, switches: Mapping[str, Any]) -> None:
        """Change switches, such as ``{"shopatron": {"latency_ms": 20}}``; resets its fault counters."""
        self.scenario = self.scenario.changed(switches)
        for name in switches:
            if name in self._vendors:
                self._vendors[name].switch(getattr(self.scenario, name))

    def land(self) -> int:
        """Complete pending work: store delayed imports and make all rows visible to searches."""
        return self.shopatron.book.land()

    def report(self) -> dict[str, Any]:
        """The audit as returned by ``GET /_audit``."""
        return self.audit.report() | {"cloudsuite": self.cloudsuite.report(), "acommerce": self.acommerce.report()}

    def bodies(self, external_id: str) -> list[bytes]:
        """The import bodies stored under an external id, byte for byte."""
        return [order.body for order in self.shopatron.book.with_external(external_id)]

    @property
    def supercat(self) -> SuperCatVendor:
        """The simulated SuperCat."""
        vendor: SuperCatVendor = self._vendors["supercat"]
        return vendor

    @property
    def cloudsuite(self) -> CloudSuiteVendor:
        """The simulated CloudSuite."""
        vendor: CloudSuiteVendor = self._vendors["cloudsuite"]
        return vendor

    @property
    def acommerce(self) -> AcommerceVendor:
        """The simulated aCommerce."""
        vendor: AcommerceVendor = self._vendors["acommerce"]
        return vendor

    @property
    def shopatron(self) -> ShopatronVendor:
        """The simulated OMS."""
        vendor: ShopatronVendor = self._vendors["shopatron"]
        return vendor

    def app(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(middlewares=[self._count], client_max_size=MAX_BODY)
        app[VENDORS] = self._vendors
        app.add_routes(_Control(self).routes())
        app.add_routes(cloudsuite_control.routes())
        app.add_routes(acommerce_control.routes())
        for vendor in self._vendors.values():
            app.add_routes(vendor.routes())
        return app

    @web.middleware
    async def _count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        path = resource.canonical if resource is not None else "unknown"
        if path.startswith("/_"):
            return await handler(request)
        route, audit, status = f"{request.method} {path}", self.audit, "broken off"
        audit.enter(route)
        try:
            response = await handler(request)
            status = request.get(OUTCOME, str(response.status))
        except web.HTTPException as refusal:
            status = str(refusal.status)
            for root, respond in _REFUSALS:
                if request.path.startswith(root):
                    return respond(refusal)
            raise
        else:
            return response
        finally:
            audit.leave(route, status)


def _known_source(name: str) -> str:
    """Raise ``ValueError`` unless this vendor can offer orders."""
    if name not in SOURCES:
        raise ValueError(f"unknown source {name!r}; available: {', '.join(SOURCES)}")
    return name


def _oms_refusal(refusal: web.HTTPException) -> web.Response:
    """Answer unknown paths and methods under the OMS's root with the OMS's own errors."""
    code, name = (5005, "GENERIC_NOT_ALLOWED") if refusal.status == 405 else (5002, "GENERIC_NOT_FOUND")
    return web.json_response({"code": code, "name": name, "message": name}, status=refusal.status)


def _cloudsuite_refusal(refusal: web.HTTPException) -> web.Response:
    """Answer unknown paths and methods under CloudSuite's roots with CloudSuite's own errors."""
    return cloudsuite_errors.detail(refusal.status)


_REFUSALS: tuple[tuple[str, Callable[[web.HTTPException], web.Response]], ...] = (
    ("/api/v2/", _oms_refusal),
    ("/api/", _cloudsuite_refusal),
    ("/proxy/", _cloudsuite_refusal),
)


class _Control:
    """Endpoints for tests and demonstrations, which no real vendor has."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_audit", self.audit),
            web.get("/_scenario", self.show_scenario),
            web.post("/_scenario", self.scenario),
            web.post("/_offer", self.offer),
            web.post("/_reset", self.reset),
            web.post("/_land", self.land),
            web.get("/_bodies", self.bodies),
        ]

    async def audit(self, request: web.Request) -> web.Response:
        # an offered order may have any number as its id; the audit shows it unchanged
        return web.json_response(self._sandbox.report(), dumps=partial(json.dumps, default=str))

    async def show_scenario(self, request: web.Request) -> web.Response:
        return web.json_response(self._sandbox.scenario.model_dump(mode="json"))

    async def scenario(self, request: web.Request) -> web.Response:
        try:
            self._sandbox.change(await request.json())
        except ValueError as wrong:
            return web.json_response({"error": str(wrong)}, status=400)
        return await self.show_scenario(request)

    async def offer(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            lines = "lines" in request.query
            orders = body.split(b"\n") if lines else list(split_array(body.decode("utf-8")))
            count = self._sandbox.offer(orders, request.query.get("kind", "offered"), request.query.get("source", ""))
        except ValueError as wrong:
            return web.json_response({"error": str(wrong)}, status=400)
        return web.json_response({"offered": count})

    async def reset(self, request: web.Request) -> web.Response:
        self._sandbox.reset()
        return web.json_response({"reset": True})

    async def land(self, request: web.Request) -> web.Response:
        return web.json_response({"landed": self._sandbox.land()})

    async def bodies(self, request: web.Request) -> web.Response:
        bodies = self._sandbox.bodies(request.query.get("externalOrderID", ""))
        return web.json_response([json.loads(body) for body in bodies])
