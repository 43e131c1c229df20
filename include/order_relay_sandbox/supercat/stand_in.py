"""SuperCat's routes: GET and POST of new_orders, and the downloads of a single order and of an interval."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from itertools import islice
from typing import Any

from aiohttp import web

from order_relay_sandbox.audit import Audit
from order_relay_sandbox.faults import Rule
from order_relay_sandbox.gate import basic_matches
from order_relay_sandbox.stand_in import Option, RawOrder, Route, StandIn
from order_relay_sandbox.supercat import download, envelope, generator
from order_relay_sandbox.supercat.store import OrderStore, rendered
from order_relay_sandbox.supercat.switches import DOWNLOAD_FAULTS, ENVELOPE_FAULTS, SuperCatSwitches

NAME = "supercat"

_UNKNOWN_ENTRY: dict[str, dict[str, Any] | None] = {
    "error": {"success": False, "error": "order not found"},
    "success": {"success": True},
    "missing": None,
}


class SuperCatVendor(StandIn[SuperCatSwitches]):
    """SuperCat for one organisation."""

    name = NAME
    roles = ("source",)
    switches_model = SuperCatSwitches
    by_default = True
    options = (
        Option("--org", "org", "SuperCat's organisation (default: demo)"),
        Option("--login", "login", "SuperCat's login (default: demo)"),
        Option("--password", "password", "SuperCat's password (default: demo-password)"),
    )

    def __init__(self, switches: SuperCatSwitches, audit: Audit, seed: int) -> None:
        self.store = OrderStore(audit, switches.external_id_prefix)
        self._bad_logins = 0
        self._locked_until = 0.0
        super().__init__(switches, audit, seed)

    def generate(self, count: int, seed: int) -> None:
        """Submit generated orders."""
        for made in generator.orders(count, seed):
            self.store.add(made.order, made.kind)

    def plain(self, count: int, seed: int) -> list[dict[str, Any]]:
        """Generated orders of the kind ``plain``."""
        made = (made.order for made in generator.orders(3 * count + 20, seed) if made.kind == "plain")
        return list(islice(made, count))

    def offer(self, orders: Iterable[RawOrder], kind: str) -> int:
        """Submit orders; a known identity replaces the content and is offered again."""
        return self.store.add_all(orders, kind)

    @classmethod
    def routes(cls) -> list[Route]:
        """The vendor's paths."""
        return [
            Route("GET", "/{org}/ext/v2/orders/new_orders", "list", "list_orders"),
            Route("POST", "/{org}/ext/v2/orders/new_orders", "acknowledge"),
            Route("GET", r"/{org}/ext/v2/orders/{id:[0-9]+}.json", "detail", "single"),
            Route("GET", "/{org}/orders.json", "download"),
        ]

    def connection(self, url: str) -> dict[str, Any]:
        """The Airflow connection to this organisation."""
        credentials = {"login": self.switches.login, "password": self.switches.password}
        return {"host": url, **credentials, "extra": {"org": self.switches.org}}

    async def list_orders(self, request: web.Request) -> web.StreamResponse:
        """GET: every order not flagged as received, in one envelope."""
        refused = self._admit(request)
        if refused is not None:
            return refused
        rule = self.rules.pick("list")
        orders = [rendered(held.raw, self.switches) for held in self.store.pending(self.switches)]
        if rule is not None and rule.answer == "drip":
            return await envelope.drip(request, orders, rule.seconds)
        if rule is not None and rule.answer not in ENVELOPE_FAULTS:
            return await self.give(request, rule, self._compressed(request, envelope.whole(orders)))
        fault = "" if rule is None else rule.answer
        if fault in ("status_error", "status_failure"):
            return self._failure("the orders cannot be listed at present", fault.removeprefix("status_"))
        return self._compressed(request, envelope.whole(orders, fault))

    def _compressed(self, request: web.Request, response: web.Response) -> web.Response:
        if self.switches.gzip == "if_accepted" and "gzip" in request.headers.get("Accept-Encoding", ""):
            response.enable_compression(web.ContentCoding.gzip)
        return response

    async def acknowledge(self, request: web.Request) -> web.StreamResponse:
        """POST: flag order numbers as received and return an entry for each."""
        refused = self._admit(request)
        if refused is not None:
            return refused
        rule = self.rules.pick("acknowledge")
        numbers = _numbers(await request.read())
        if rule is not None and rule.effect != "done" and rule.answer not in ("ok", "slow"):
            return await self.give(request, rule, self._failure("not processed"))
        if numbers is None:
            return self._failure("an array of order numbers is expected")
        entries = {number: entry for number in numbers if (entry := self._received(number)) is not None}
        failed = any(not entry["success"] for entry in entries.values())
        status = self.switches.partial_acknowledgement_status if failed else "success"
        error = None if status == "success" else "some orders could not be marked"
        normal = web.json_response({"status": status, "error": error, "data": entries})
        return normal if rule is None else await self.give(request, rule, normal)

    async def single(self, request: web.Request) -> web.StreamResponse:
        """GET of one order by its numeric id; does not change the received flag."""
        refused = self._admit(request)
        if refused is not None:
            return refused
        held = self.store.with_id(request.match_info["id"])
        if held is None:
            response = self._failure("order not found")
            response.set_status(404)
            return response
        body = rendered(held.raw, self.switches)
        if self.switches.single_order == "wrapped":
            body = b'{"status":"success","error":null,"data":' + body + b"}"
        normal = web.Response(body=body, content_type="application/json")
        rule = self.rules.pick("single", held.offer.number)
        return normal if rule is None else await self.give(request, rule, normal)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """GET: the orders submitted in an interval, received or not. Unverified, like everything of this route."""
        switches = self.switches
        header = request.headers.get("Authorization", "")
        if not basic_matches(header, switches.download_login, switches.download_password):
            self.audit.login_failures[NAME] += 1
            return self._unauthorized("HTTP Basic: Access denied.", 401)
        if request.match_info["org"] != switches.org:
            return self._unauthorized("You are not authorized for that organization", switches.wrong_org_http)
        try:
            start, end = (download.moment(request.query.get(name)) for name in ("submit_from", "submit_to"))
        except ValueError:
            return web.json_response({"error": "submit_from and submit_to must be dates"}, status=400)
        held = self.store.submitted(start, end, received_only=switches.download_lists == "received")
        orders = [rendered(one.raw, switches) for one in held]
        as_array = switches.download_as == "array" or (
            switches.download_as == "asked" and request.query.get("single_document") == "1"
        )
        rule = self.rules.pick("download")
        fault = rule.answer if rule is not None and rule.answer in DOWNLOAD_FAULTS else ""
        normal = self._compressed(request, download.whole(orders, as_array=as_array, fault=fault))
        return normal if rule is None or fault else await self.give(request, rule, normal)

    def _received(self, number: str) -> dict[str, Any] | None:
        """The response entry for one number; ``None`` omits it."""
        rule = self.rules.pick("entry", number)
        if rule is not None and rule.effect != "done":
            return _struck(rule)
        found = self.store.numbered(number)
        if not found:
            return _UNKNOWN_ENTRY[self.switches.unknown_number]
        again = all(held.offer.acknowledged for held in found)
        for held in found:
            self.audit.acknowledge(held.offer)
        if rule is not None:
            return _struck(rule)
        if again and self.switches.acknowledged_again == "error":
            return {"success": False, "error": "order was already marked as received"}
        return {"success": True}

    def _admit(self, request: web.Request) -> web.Response | None:
        """Check credentials. Returns a response if the request is refused."""
        if time.monotonic() < self._locked_until:
            return self._unauthorized("account locked for some minutes", self.switches.lockout_http)
        header = request.headers.get("Authorization", "")
        if not basic_matches(header, self.switches.login, self.switches.password):
            self.audit.login_failures[NAME] += 1
            self._bad_logins += 1
            if self.switches.lockout_after and self._bad_logins >= self.switches.lockout_after:
                self._locked_until = time.monotonic() + self.switches.lockout_s
                self._bad_logins = 0
            return self._unauthorized("HTTP Basic: Access denied.", 401)
        self._bad_logins = 0
        if request.match_info["org"] != self.switches.org:
            return self._unauthorized("You are not authorized for that organization", self.switches.wrong_org_http)
        return None

    def _unauthorized(self, message: str, status: int) -> web.Response:
        headers = {"WWW-Authenticate": 'Basic realm="Application"'} if status == 401 else {}
        if self.switches.unauthorized_body == "json":
            return web.json_response(self._failed("error", message), status=status, headers=headers)
        return web.Response(text=f"{message}\n", status=status, headers=headers)

    def _failure(self, message: str, status: str = "error") -> web.Response:
        return web.json_response(self._failed(status, message), status=self.switches.application_error_http)

    def _failed(self, status: str, message: str) -> dict[str, Any]:
        data: Any = {"null": None, "empty_list": [], "empty_object": {}}[self.switches.failure_data]
        return {"status": status, "error": message, "data": data}


def _struck(rule: Rule) -> dict[str, Any] | None:
    return {"success": False, "error": "cannot be marked at present"} if rule.answer == "refused" else None


def _numbers(body: bytes) -> list[str] | None:
    try:
        numbers = json.loads(body)
    except ValueError:
        return None
    if not isinstance(numbers, list) or not all(isinstance(n, str) for n in numbers):
        return None
    return numbers


STAND_IN = SuperCatVendor
