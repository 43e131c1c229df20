"""One server for all stand-ins: routes, counting for the audit, and control endpoints for tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from aiohttp import web

from order_relay_sandbox.answering import OUTCOME
from order_relay_sandbox.audit import Audit
from order_relay_sandbox.discovery import stand_ins, with_role
from order_relay_sandbox.faults import Spoil
from order_relay_sandbox.kit import clock
from order_relay_sandbox.raw_json import split_array
from order_relay_sandbox.scenario import Scenario
from order_relay_sandbox.stand_in import VENDORS, RawOrder, Route, StandIn

MAX_BODY = 256 * 2**20

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Sandbox:
    """The stand-ins with their shared audit, controllable while they run.

    ``orders``: a number of orders to generate, or the orders themselves (objects, or exact JSON texts as bytes).
    ``sources``: the stand-ins that offer them (default: the one declared so); orders given as objects or bytes are
    offered by the first. ``url`` is set once the server listens. Not thread-safe: use ``serve_in_thread`` from
    synchronous code.
    """

    def __init__(
        self,
        scenario: Scenario | Mapping[str, Any] | None = None,
        orders: int | Iterable[RawOrder] = 0,
        seed: int = 0,
        sources: Sequence[str] = (),
    ) -> None:
        self._sources = tuple(_generating(source) for source in sources or with_role("source")[:1])
        self.url = ""
        self._start_scenario = scenario if isinstance(scenario, Scenario) else Scenario.of(scenario)
        self._start_orders: int | list[RawOrder] = orders if isinstance(orders, int) else list(orders)
        self._start_seed = seed
        self._vendors: dict[str, StandIn[Any]] = {}
        self.reset()

    def reset(self) -> None:
        """Restore the initial state: same scenario and orders, nothing imported or acknowledged."""
        self.close()
        self.scenario = self._start_scenario
        self.audit = Audit()
        for name, declared in stand_ins().items():
            self._vendors[name] = declared(getattr(self.scenario, name), self.audit, self.scenario.seed)
        if isinstance(self._start_orders, int):
            for source in self._sources:
                self._vendors[source].generate(self._start_orders, self._start_seed)
        else:
            self.offer(self._start_orders)

    def close(self) -> None:
        """Drop pending work."""
        for vendor in self._vendors.values():
            vendor.later.drop()

    def offer(self, orders: Iterable[RawOrder], kind: str = "offered", source: str = "") -> int:
        """Offer orders at a source (default: the first); a known identity replaces that order."""
        return self._vendors[_known_source(source or self._sources[0])].offer(orders, kind)

    def change(self, switches: Mapping[str, Any]) -> None:
        """Change switches, such as ``{"NAME": {"latency_ms": 20}}``; resets its fault counters."""
        self.scenario = self.scenario.changed(switches)
        for name in switches:
            if name in self._vendors:
                self._vendors[name].switch(getattr(self.scenario, name))

    def land(self) -> int:
        """Complete pending work: store delayed imports and make all rows visible to searches."""
        return sum(vendor.land() for vendor in self._vendors.values())

    async def landed(self) -> None:
        """Wait until the requests that ``land`` started have been processed."""
        for vendor in self._vendors.values():
            await vendor.later.done()

    def report(self) -> dict[str, Any]:
        """The audit as returned by ``GET /_audit``."""
        own = {name: vendor.report() for name, vendor in self._vendors.items()}
        return self.audit.report() | {name: report for name, report in own.items() if report}

    def pair(self, source: str, destination: str) -> dict[str, Any]:
        """The audit of one source against one destination, as returned by ``GET /_audit?source=&destination=``."""
        if destination not in with_role("destination"):
            raise ValueError(f"unknown destination {destination!r}; available: {', '.join(with_role('destination'))}")
        return self.audit.pair(_known_source(source), destination)

    def bodies(self, external_id: str) -> list[bytes]:
        """The import bodies stored under an external id, byte for byte."""
        return [body for vendor in self._vendors.values() for body in vendor.bodies(external_id)]

    def connections(self, url: str = "") -> dict[str, dict[str, Any]]:
        """By vendor: the Airflow connection (``host``, ``login``, ``password``, ``extra``) with which to reach it."""
        return {name: vendor.connection(url or self.url) for name, vendor in self._vendors.items()}

    def vendor(self, name: str) -> Any:
        """The stand-in of this name."""
        return self._vendors[name]

    def app(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(middlewares=[self._count], client_max_size=MAX_BODY)
        app[VENDORS] = self._vendors
        app.add_routes(_Control(self).routes())
        for name, vendor in self._vendors.items():
            app.add_routes(vendor.control_routes())
            app.add_routes(
                [web.route(route.method, route.path, self._handler(name, route)) for route in vendor.routes()]
            )
        return app

    def _handler(self, name: str, route: Route) -> Handler:
        """Answers ``route``. Looks the vendor up for each request, because a reset replaces it."""

        async def handle(request: web.Request) -> web.StreamResponse:
            vendor = self._vendors[name]
            if vendor.switches.latency_ms:
                await asyncio.sleep(vendor.switches.latency_ms / 1000)
            key = await vendor.order_of(request) if vendor.spoils else ""
            if fault := vendor.spoils.pick(f"before {route.purpose}", key):
                return await self._spoiled(request, vendor, fault, web.json_response({}))
            process: Handler = getattr(vendor, route.handler or route.purpose)
            if fault := vendor.spoils.pick(f"later {route.purpose}", key):
                await request.read()  # the connection is closed when the request is processed
                vendor.later.add(fault.later_s, partial(process, request))
                return await self._spoiled(request, vendor, fault, web.json_response({}))
            normal = await process(request)
            if normal.status >= 400 or OUTCOME in request or not isinstance(normal, web.Response):
                return normal
            fault = vendor.spoils.pick(f"after {route.purpose}", key)
            return normal if fault is None else await self._spoiled(request, vendor, fault, normal)

        return handle

    async def _spoiled(
        self, request: web.Request, vendor: StandIn[Any], fault: Spoil, normal: web.Response
    ) -> web.StreamResponse:
        self.audit.spoiled[vendor.name][f"{fault.place}: {fault.answer}"] += 1
        return await vendor.give(request, fault, normal)

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
            return self._refused(request.path, refusal)
        else:
            return response
        finally:
            audit.leave(route, status)

    def _refused(self, path: str, refusal: web.HTTPException) -> web.Response:
        """The answer to an unknown path or method: that of the vendor with the longest matching root."""
        roots = {root: vendor for vendor in self._vendors.values() for root in vendor.roots if path.startswith(root)}
        if not roots:
            raise refusal
        return roots[max(roots, key=len)].refusal(refusal)


def _known_source(name: str) -> str:
    """Raise ``ValueError`` unless this stand-in can offer orders."""
    if name not in with_role("source"):
        raise ValueError(f"unknown source {name!r}; available: {', '.join(with_role('source'))}")
    return name


def _generating(name: str) -> str:
    """Raise ``ValueError`` unless this stand-in generates something: orders, or statuses of orders."""
    return name if name in with_role("status_source") else _known_source(name)


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
            web.post("/_clock", self.clock),
            web.post("/_land", self.land),
            web.get("/_bodies", self.bodies),
            web.get("/_connections", self.connections),
        ]

    async def audit(self, request: web.Request) -> web.Response:
        try:
            source, destination = request.query.get("source", ""), request.query.get("destination", "")
            shown = self._sandbox.pair(source, destination) if source or destination else self._sandbox.report()
        except ValueError as wrong:
            return web.json_response({"error": str(wrong)}, status=400)
        # an offered order may have any number as its id; the audit shows it unchanged
        return web.json_response(shown, dumps=partial(json.dumps, default=str))

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

    async def clock(self, request: web.Request) -> web.Response:
        now = clock.shift(timedelta(seconds=float((await request.json())["ahead_s"])))
        return web.json_response({"now": now.isoformat()})

    async def land(self, request: web.Request) -> web.Response:
        landed = self._sandbox.land()
        await self._sandbox.landed()
        return web.json_response({"landed": landed})

    async def bodies(self, request: web.Request) -> web.Response:
        bodies = self._sandbox.bodies(request.query.get("externalOrderID", ""))
        return web.json_response([json.loads(body) for body in bodies])

    async def connections(self, request: web.Request) -> web.Response:
        return web.json_response(self._sandbox.connections(str(request.url.origin())))
