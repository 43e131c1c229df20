"""Credentials, tokens and the rate limit of a plain vendor, and the shape of its errors."""

from __future__ import annotations

import hmac
import math
import time
from collections.abc import Mapping
from datetime import timedelta
from email.utils import format_datetime
from typing import Any, ClassVar, Literal, TypeVar

from aiohttp import web
from pydantic import Field

from order_relay_sandbox.audit import Audit
from order_relay_sandbox.faults import Rule, RuleBook
from order_relay_sandbox.gate import Tokens, basic_matches, bearer
from order_relay_sandbox.kit import clock
from order_relay_sandbox.stand_in import Route, StandIn, Switches

Way = Literal["basic", "token", "bearer", "api_key"]


class AccessSwitches(Switches):
    """The account and the limits of a plain vendor."""

    login: str = "demo"
    password: str = "demo-password"  # noqa: S105 (a sandbox's well-known password)
    token_lifetime_s: float = Field(default=3600.0, gt=0)
    token_calls: int = Field(default=0, ge=0, description="calls per token; 0 = no limit")
    requests_per_window: int = Field(default=0, ge=0, description="429 above it; 0 = no limit")
    rate_window_s: float = Field(default=60.0, gt=0)
    retry_after: Literal["seconds", "date", "none"] = "seconds"
    faults: tuple[Rule, ...] = Field(default=(), description="as ``spoil``, in the words that other stand-ins use")


A = TypeVar("A", bound=AccessSwitches)


class Plain(StandIn[A]):
    """What plain sources and destinations have in common.

    ``path``: of the orders. ``accepts``: the accepted credentials: ``basic`` (login and password), ``token`` (OAuth2
    client credentials at ``token_path``, with login and password as client id and secret), ``bearer`` (the password
    as a fixed token), ``api_key`` (the password in the header ``api_key_header``).
    """

    path: ClassVar[str]
    accepts: ClassVar[tuple[Way, ...]] = ("basic",)
    token_path: ClassVar[str] = ""
    api_key_header: ClassVar[str] = "X-API-Key"
    rate_headers: ClassVar[str] = "X-Rate-Limit-"

    def __init__(self, switches: A, audit: Audit, seed: int) -> None:
        self._tokens = Tokens()
        self._window_ends, self._left = 0.0, 0
        super().__init__(switches, audit, seed)

    def switch(self, switches: A) -> None:
        """Apply other switches and reset the counters of fault rules."""
        super().switch(switches)
        self.spoils = RuleBook((*switches.spoil, *(rule.as_spoil() for rule in switches.faults)), self.seed)

    @classmethod
    def routes(cls) -> list[Route]:
        """The token endpoint, if it has one."""
        return [Route("POST", cls.token_path, "token")] if "token" in cls.accepts else []

    def connection(self, url: str) -> dict[str, Any]:
        """The Airflow connection; ``extra`` has the token URL if there is one."""
        extra = {"token_url": url + self.token_path} if "token" in self.accepts else {}
        return {"host": url, "login": self.switches.login, "password": self.switches.password, "extra": extra}

    async def token(self, request: web.Request) -> web.StreamResponse:
        """Issue a token for client credentials, given by Basic authorization or in the form."""
        form = await request.post()
        given = f"{form.get('client_id', '')}:{form.get('client_secret', '')}"
        if not (self._basic(request) or self._same(given, f"{self.switches.login}:{self.switches.password}")):
            self.audit.login_failures[self.name] += 1
            return web.json_response({"error": "invalid_client"}, status=401)
        if form.get("grant_type") != "client_credentials":
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        return web.json_response(self._tokens.issue(self.switches.token_lifetime_s, self.switches.token_calls, ""))

    def refused(self, request: web.Request) -> web.Response | None:
        """The response to a request without valid credentials or above the rate limit."""
        if not any(getattr(self, f"_{way}")(request) for way in self.accepts):
            self.audit.login_failures[self.name] += 1
            return self.bare(401)
        return self._throttled()

    def bare(self, status: int) -> web.Response:
        """An error with a JSON body."""
        return self.error(status, "refused")

    def error(self, status: int, message: str) -> web.Response:
        """An error with a JSON body and a message."""
        return web.json_response({"code": status, "message": message}, status=status)

    def refusal(self, refused: web.HTTPException) -> web.Response:
        """An error for an unknown path or method."""
        return self.bare(refused.status)

    def _throttled(self) -> web.Response | None:
        """Count the request in the present window; the 429 above the limit."""
        if not self.switches.requests_per_window:
            return None
        now = time.monotonic()
        if now >= self._window_ends:
            self._window_ends, self._left = now + self.switches.rate_window_s, self.switches.requests_per_window
        self._left -= 1
        if self._left >= 0:
            return None
        wait_s = math.ceil(self._window_ends - now)
        response = self.error(429, "too many requests")
        response.headers.update({f"{self.rate_headers}Remaining": "0", f"{self.rate_headers}Reset": str(wait_s)})
        if self.switches.retry_after != "none":
            date = format_datetime(clock.now() + timedelta(seconds=wait_s), usegmt=True)
            response.headers["Retry-After"] = date if self.switches.retry_after == "date" else str(wait_s)
        return response

    def _basic(self, request: web.Request) -> bool:
        return basic_matches(request.headers.get("Authorization", ""), self.switches.login, self.switches.password)

    def _token(self, request: web.Request) -> bool:
        return self._tokens.use(bearer(request.headers.get("Authorization", "")))

    def _bearer(self, request: web.Request) -> bool:
        return self._same(bearer(request.headers.get("Authorization", "")), self.switches.password)

    def _api_key(self, request: web.Request) -> bool:
        return self._same(request.headers.get(self.api_key_header, ""), self.switches.password)

    @staticmethod
    def _same(given: str, known: str) -> bool:
        return hmac.compare_digest(given.encode(), known.encode())


def text_of(document: Mapping[str, Any], member: str) -> str:
    """A member as text; empty if it is absent or neither a text nor a number."""
    value = document.get(member)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
