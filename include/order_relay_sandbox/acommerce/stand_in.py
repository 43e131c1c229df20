"""aCommerce's routes: token, statuses by time and by id, webhooks."""

from __future__ import annotations

import json
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from order_relay_sandbox.acommerce import control
from order_relay_sandbox.acommerce.hooks import HookBook
from order_relay_sandbox.acommerce.store import NAME, Event, StatusOrder, StatusStore
from order_relay_sandbox.acommerce.switches import LIST_ANSWERS, AcommerceSwitches
from order_relay_sandbox.audit import Audit
from order_relay_sandbox.gate import RateLimit, Tokens
from order_relay_sandbox.kit import clock
from order_relay_sandbox.stand_in import Route, StandIn

MOST_IDS = 10


class AcommerceVendor(StandIn[AcommerceSwitches]):
    """One channel at aCommerce."""

    name = NAME
    roles = ("status_source",)
    switches_model = AcommerceSwitches

    def __init__(self, switches: AcommerceSwitches, audit: Audit, seed: int) -> None:
        self.hooks = HookBook()
        self.store = StatusStore(switches, self._deliver_event)
        self._tokens = Tokens()
        self._rate = RateLimit()
        self._asked: dict[str, float] = {}
        super().__init__(switches, audit, seed)

    def switch(self, switches: AcommerceSwitches) -> None:
        """Apply other switches and reset the counters of fault rules."""
        super().switch(switches)
        self.store.switches = switches
        self._changing = switches.changes_while_paging

    def generate(self, count: int, seed: int) -> None:
        """Generate orders with histories."""
        self.store.generate(count, seed)

    @classmethod
    def routes(cls) -> list[Route]:
        """The vendor's paths."""
        scope = "/channel/{channel}"
        return [
            Route("POST", "/identity/token", "token"),
            Route("GET", f"{scope}/sales-order-status", "list", "poll"),
            Route("GET", f"{scope}/sales-order-status/id", "detail", "by_id"),
            Route("POST", f"{scope}/hooks", "hooks", "register"),
            Route("GET", f"{scope}/hooks", "hooks", "list_hooks"),
            Route("DELETE", f"{scope}/hooks/{{id}}", "hooks", "delete_hook"),
        ]

    def control_routes(self) -> list[web.RouteDef]:
        """Warehouse events and delivery of webhooks."""
        return control.routes()

    def connection(self, url: str) -> dict[str, Any]:
        """The Airflow connection to this channel."""
        credentials = {"login": self.switches.username, "password": self.switches.api_key}
        extra = {"auth_url": url, "channel": self.switches.channel, "hook_secret": "demo-hook-secret"}
        return {"host": url, **credentials, "extra": extra}

    def report(self) -> dict[str, Any]:
        """aCommerce's part of the audit."""
        return {
            "orders": len(self.store.orders),
            "events": sum(len(order.events) for order in self.store.orders.values()),
            "hooks": len(self.hooks.hooks),
            "waiting": len(self.hooks.waiting),
            "deliveries": dict(self.hooks.answers),
        }

    def _deliver_event(self, order: StatusOrder, event: Event) -> None:
        if self.hooks.hooks:
            self.hooks.queue(self.store.record(order, [event]))

    async def token(self, request: web.Request) -> web.StreamResponse:
        """Issue a token for user name and API key."""
        try:
            given = (await request.json())["auth"]["apiKeyCredentials"]
            right = secrets.compare_digest(
                f"{given['username']}\n{given['apiKey']}", f"{self.switches.username}\n{self.switches.api_key}"
            )
        except (ValueError, KeyError, TypeError):
            return _error(400, "auth.apiKeyCredentials is missing")
        if not right:
            self.audit.login_failures[NAME] += 1
            return _error(401, "Unauthorized")
        lifetime_s = self.switches.token_lifetime_s
        issued = self._tokens.issue(lifetime_s, self.switches.token_calls, "")
        expires = clock.now() + timedelta(seconds=lifetime_s)
        fields = {
            "username": self.switches.username,
            "token_id": issued["access_token"],
            "expires_at": expires.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        return await self._give(request, "token", {"token": fields} if self.switches.token_wrapped else fields)

    async def poll(self, request: web.Request) -> web.StreamResponse:
        """Orders whose status changed since a time, in pages that shift when orders change."""
        refused = self._refusal(request)
        if refused is not None:
            return refused
        try:
            since = _moment(request.query.get("since"))
            page = self._page(request)
        except ValueError:
            return _error(400, "since or page cannot be read")
        orders = self.store.changed_since(since)
        size = self.switches.page_size
        shown = orders[(page - 1) * size : page * size]
        headers = {}
        if page * size < len(orders) and self.switches.links == "always":
            headers["Link"] = f'<{request.url.update_query(page=page + 1)}>; rel="next"'
            if self._changing:
                self._changing -= 1
                self.store.change_some(1)
        records = [self._shown(order, since) for order in shown]
        rule = self.rules.pick("poll")
        if rule is not None and rule.answer in LIST_ANSWERS:
            return self._spoiled(request, rule.answer, records)
        normal = web.json_response(records, headers=headers)
        return normal if rule is None else await self.give(request, rule, normal)

    def _page(self, request: web.Request) -> int:
        """The requested page number; raises ``ValueError``."""
        how, size = self.switches.page_parameter, self.switches.page_size
        if how == "refused" and ("page" in request.query or "offset" in request.query):
            raise ValueError(how)
        if how == "offset":
            return int(request.query.get("offset", "0")) // size + 1
        return int(request.query.get("page", "1")) if how == "page" else 1

    def _shown(self, order: StatusOrder, since: datetime | None) -> dict[str, Any]:
        if self.switches.polls_show == "history" or since is None:
            return self.store.record(order)
        return self.store.record(order, [event for event in order.events if event.updated >= since])

    @staticmethod
    def _spoiled(request: web.Request, answer: str, records: list[Any]) -> web.Response:
        text = json.dumps(records)
        if answer in ("other_host", "circle"):
            url = "http://other.example/" if answer == "other_host" else str(request.url)
            return web.Response(text=text, content_type="application/json", headers={"Link": f'<{url}>; rel="next"'})
        texts = {
            "not_json": "busy",
            "truncated": text[: len(text) * 2 // 3],
            "object": json.dumps({"orders": records}),
        }
        return web.Response(text=texts[answer], content_type="application/json")

    async def by_id(self, request: web.Request) -> web.StreamResponse:
        """Full histories of at most ten orders; an unknown id becomes an entry with an error."""
        refused = self._refusal(request)
        if refused is not None:
            return refused
        ids = request.query.getall("id", [])
        if not 1 <= len(ids) <= MOST_IDS:
            return _error(400, "from 1 to 10 ids")
        if self._too_often(ids):
            return self._throttled(self.switches.by_id_every_s)
        unknown = {"code": 404, "message": "Not Found"}
        records: list[Any] = [
            self.store.record(order) if (order := self.store.orders.get(name)) else {"orderId": name, "error": unknown}
            for name in ids
        ]
        return await self._give(request, "by_id", records)

    def _too_often(self, ids: list[str]) -> bool:
        now, every_s = time.monotonic(), self.switches.by_id_every_s
        often = any(now - self._asked.get(name, -every_s) < every_s for name in ids)
        self._asked.update(dict.fromkeys(ids, now))
        return bool(every_s) and often

    async def register(self, request: web.Request) -> web.StreamResponse:
        """Register a webhook."""
        refused = self._refusal(request)
        if refused is not None:
            return refused
        hook = await request.json()
        if not all(hook.get(name) for name in ("name", "url", "secret", "eventType")):
            return _error(422, "name, url, secret and eventType are required")
        return await self._give(request, "hooks", self.hooks.register(hook), status=201)

    async def list_hooks(self, request: web.Request) -> web.StreamResponse:
        """All webhooks including their secrets, as a careless server would return them."""
        refused = self._refusal(request)
        return refused or await self._give(request, "hooks", list(self.hooks.hooks.values()))

    async def delete_hook(self, request: web.Request) -> web.StreamResponse:
        """Delete a webhook."""
        refused = self._refusal(request)
        if refused is not None:
            return refused
        if self.hooks.hooks.pop(request.match_info["id"], None) is None:
            return _error(404, "Not Found")
        return web.Response(status=204)

    def bare(self, status: int) -> web.Response:
        """aCommerce's error of this status."""
        return _error(status, "refused by the scenario")

    def _refusal(self, request: web.Request) -> web.Response | None:
        if not self._tokens.use(request.headers.get("X-Subject-Token", "")):
            return _error(401, "Unauthorized")
        if request.match_info["channel"] != self.switches.channel:
            return _error(404, "unknown channel")
        if not self._rate.admits(self.switches.requests_per_s):
            return self._throttled(1 / self.switches.requests_per_s)
        return None

    def _throttled(self, seconds: float) -> web.Response:
        response = _error(429, "Too Many Requests")
        if self.switches.retry_after:
            response.headers["Retry-After"] = f"{seconds:g}"
        return response

    async def _give(self, request: web.Request, at: str, value: Any, status: int = 200) -> web.StreamResponse:
        return await self.serve(request, at, lambda: web.json_response(value, status=status))


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"code": status, "message": message}, status=status)


STAND_IN = AcommerceVendor
